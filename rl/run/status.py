"""Keeps ``RUN/status.json`` up to date: a line of facts once a second, off the event loop, and at every
change."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from typing import Any

from rl.records.owner import Owner
from rl.records.phases import Phases
from rl.records.run_log import RunLog
from rl.records.rundir import RunDir
from rl.records.status import ActorState, State, StatusFile, actors_as_json
from rl.stream.waits import loop_states

logger = logging.getLogger(__name__)
EVERY_S = 1.0
"""Seconds between two writes. One takes about 0.2 ms, in a thread."""


class RunStatus:
    """Context manager around a run: writes how it begins, goes on and ends. Whatever the end, the file says
    it."""

    def __init__(self, run: RunDir, phases: Phases, log: RunLog, *, steps: int) -> None:
        self._run, self._phases, self._log = run, phases, log
        self._file, self._me = StatusFile(run.path), Owner.me()
        self._writing = threading.Lock()
        self._number = 0
        self._written = 0
        self._refused = False
        self._started_at = time.time()
        self._actors: list[ActorState] = []
        self._sources: dict[str, Callable[[], Any]] = {}
        self._state: State = "starting"
        self._steps, self._step = steps, 0
        self.attempt = run.attempt
        phases.listen(self._phase)

    def watch(
        self,
        *,
        step: Callable[[], int],
        actors: Callable[[], list[ActorState]],
        eta_s: Callable[[], float | None] | None = None,
    ) -> None:
        """Ask these from now on, each time the file is written."""
        self._sources = {"step": step, "actors": actors, "eta_s": eta_s or (lambda: None)}

    @property
    def state(self) -> State:
        """The run's state in one word."""
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        self._state = state
        self.write()

    def _phase(self, text: str) -> None:
        self.write()

    @asynccontextmanager
    async def ticking(self) -> AsyncIterator[None]:
        """Write every second while the block lasts. An event loop that hangs writes nothing, and a reader
        sees it."""
        task = asyncio.create_task(self._tick())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._ask()
            self._sources = {}

    async def _tick(self) -> None:
        while True:
            number, facts = self._facts()
            await asyncio.to_thread(self._write, number, facts)
            await asyncio.sleep(EVERY_S)

    def write(self) -> None:
        """Write the file now."""
        self._write(*self._facts())

    def _write(self, number: int, facts: dict[str, Any]) -> None:
        """Replace the file, unless newer facts are there already. A disk that refuses is said once: it is the
        records' to end the run for it."""
        with self._writing:
            if number < self._written:
                return
            self._written = number
            try:
                self._file.write(facts)
            except OSError as error:
                if not self._refused:
                    logger.warning("%s/status.json cannot be written: %s", self._run.path, error)
                self._refused = True

    def _ask(self) -> float | None:
        """Take what the sources say now; returns the seconds left."""
        if not self._sources:
            return None
        self._step, self._actors = self._sources["step"](), self._sources["actors"]()
        eta_s: float | None = self._sources["eta_s"]()
        return eta_s

    def _facts(self) -> tuple[int, dict[str, Any]]:
        self._number += 1
        eta_s = self._ask()
        return self._number, {
            **self._me.as_json(),
            "attempt": self.attempt,
            "state": self._state,
            "phase": self._phases.text,
            "phase_since": self._phases.since,
            "step": self._step,
            "steps": self._steps,
            "eta_s": eta_s,
            "started_at": self._started_at,
            "updated_at": time.time(),
            "loops": {name: asdict(loop) for name, loop in loop_states().items()},
            "actors": actors_as_json(self._actors),
            "last_error": self._log.last_error,
            "last_error_at": self._log.last_error_at,
        }

    def __enter__(self) -> "RunStatus":
        """Say that the run is starting."""
        self.write()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Say how it ended."""
        self._ask()
        self._sources = {}
        self._actors = [
            actor if actor.state == "lost" else replace(actor, state="stopped", detail="")
            for actor in self._actors
        ]
        if error is None:
            self.state = "finished"
        elif isinstance(error, KeyboardInterrupt | asyncio.CancelledError):
            self.state = "stopped"
        else:
            self._log.fail(f"{type(error).__name__}: {error}")
            self.state = "failed"
