"""Advice of a run: the rules are asked after every step, and while a step does not end; what they say is
printed and kept."""

import asyncio
import statistics
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rl.evaluation.likelihood import read_rows
from rl.records.advisories import (
    RULES,
    Advice,
    Advisor,
    HeldOut,
    Row,
    Stall,
    resolve_advisories,
)
from rl.records.jsonl import JsonlWriter
from rl.stream.waits import loop_states, waiting
from rl.views.evaluations import (
    Counts,
    by_version,
    evaluation_files,
    is_likelihood,
    likelihood_files,
    read_counts,
    suite_folders,
    version_of,
)
from rl.views.run_view import RunView

LOOK_S = 1.0
"""Seconds between two looks at the clock."""
STEPS = 20
"""Steps whose median is taken."""
FEWEST = 3
"""Steps before which nobody knows how long one takes."""


class AdviceDesk:
    """Beside the recorder, in the event loop of the controller."""

    def __init__(
        self,
        advisor: Advisor | None = None,
        *,
        rows: JsonlWriter | None = None,
        note: Callable[[str], None] = lambda text: None,
        evaluations: Callable[[], Sequence[HeldOut] | None] = lambda: None,
        waits: Callable[[], Mapping[str, str]] = dict,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep what ``advisor`` says in ``rows`` and show it with ``note``.

        ``evaluations`` gives all so far if there are new ones, else None; ``waits``: loop -> what it waits
        for now.
        """
        self._advisor = advisor or Advisor(RULES)
        self._rows, self._note, self._evaluations, self._waits = rows, note, evaluations, waits
        self._clock = clock
        self._durations: deque[float] = deque(maxlen=STEPS)
        self._began: float | None = None
        self._paused = 0
        self._next_step = 0

    @classmethod
    def of_run(
        cls,
        path: Path,
        *,
        rows: JsonlWriter,
        note: Callable[[str], None],
        settings: Mapping[str, Any],
        own: Sequence[str],
        restored_step: int,
    ) -> "AdviceDesk":
        """The desk of a run in ``path``. After a resume it knows the rows of before."""
        advisor = Advisor(RULES, resolve_advisories(own), settings=settings)
        view = RunView(path)
        advisor.remember(row for row in view.metrics() if row["step"] < restored_step)
        evaluations = NewEvaluations(view.files.eval)
        return cls(advisor, rows=rows, note=note, evaluations=evaluations, waits=loop_waits)

    def step(self, step: int, row: Row) -> dict[str, float]:
        """The flags ``advisory/NAME`` of the rules that speak now; what they say is printed and kept."""
        now = self._clock()
        if self._began is not None:
            self._durations.append(now - self._began)
        self._began, self._next_step = now, step + 1
        said = self._advisor.update(step, row, evaluations=self._evaluations())
        self._keep(step, said)
        return {f"advisory/{one.name}": 1.0 for one in said}

    def paused(self, work: Callable[[int], Awaitable[None]]) -> Callable[[int], Awaitable[None]]:
        """``work`` (an evaluation), during which no step is late."""

        async def timed(version: int) -> None:
            started = self._clock()
            self._paused += 1
            try:
                await work(version)
            finally:
                self._paused -= 1
                if self._began is not None:
                    self._began += self._clock() - started

        return timed

    async def watch(self) -> None:
        """Run beside the loops: speak of a step that does not end, while it does not."""
        while True:
            with waiting("its next look"):
                await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Ask the rules about the step that is being made."""
        if self._began is None or self._paused or len(self._durations) < FEWEST:
            return
        stall = Stall(
            waited_s=self._clock() - self._began,
            median_s=statistics.median(self._durations),
            waits=self._waits(),
        )
        self._keep(self._next_step, self._advisor.late(self._next_step, stall))

    def close(self) -> None:
        """Flush and close the file; idempotent."""
        if self._rows is not None:
            self._rows.close()

    def _keep(self, step: int, said: Sequence[Advice]) -> None:
        for one in said:
            self._note(f"step {step}: {one.line()}")
            if self._rows is not None:
                self._rows.write(
                    {
                        "step": step,
                        "time": time.time(),
                        "name": one.name,
                        "about": one.about,
                        "severity": one.severity,
                        "text": one.text,
                        "cause": one.cause,
                        "fix": one.fix,
                        "knob": one.knob,
                    }
                )


class NewEvaluations:
    """The evaluations that rules look at, when called for the first time after a new one: the first, the
    newest, the best before it, and the first and the newest with each suite.

    The others stay on disk: neither memory nor what is read grows with their number.
    """

    def __init__(self, folder: Path) -> None:
        """``folder``: the run's ``eval``."""
        self._folder = folder
        self._num_files = 0
        self._means: dict[int, float] = {}

    def __call__(self) -> list[HeldOut] | None:
        """None if there is none since the last call."""
        own = by_version(evaluation_files(self._folder))
        suites = {
            name: by_version([*evaluation_files(folder), *likelihood_files(folder)])
            for name, folder in suite_folders(self._folder).items()
        }
        num_files = len(own) + sum(map(len, suites.values()))
        if num_files == self._num_files:
            return None
        self._num_files = num_files
        for version in own.keys() - self._means.keys():
            self._means[version] = _read(own[version]).mean
        chosen = [_read(own[version]) for version in sorted(self._telling(sorted(own), suites))]
        return with_suites(chosen, suites)

    def _telling(self, versions: Sequence[int], suites: Mapping[str, Mapping[int, Path]]) -> set[int]:
        found = {*versions[:1], *versions[-1:]}
        if len(versions) > 1:
            found.add(max(versions[:-1], key=self._means.__getitem__))
        for files in suites.values():
            shared = [version for version in versions if version in files]
            found |= {*shared[:1], *shared[-1:]}
        return found


def _read(path: Path) -> HeldOut:
    counts = held_out(read_counts(path, max_tokens=1, top_p=1.0))
    return counts[0] if counts else HeldOut(version=version_of(path), rates={})


def held_out(counts: Iterable[Counts]) -> list[HeldOut]:
    """One for each version, at the first temperature that it was evaluated at, oldest first."""
    found: dict[int, HeldOut] = {}
    for one in counts:
        if one.version not in found:
            rows = [row for row in one.rows if row["n"]]
            found[one.version] = HeldOut(
                version=one.version,
                rates={row["id"]: row["c"] / row["n"] for row in rows},
                categories={row["id"]: row.get("category", "default") for row in rows},
            )
    return [found[version] for version in sorted(found)]


def with_suites(evaluations: Iterable[HeldOut], suites: Mapping[str, Mapping[int, Path]]) -> list[HeldOut]:
    """The same with every suite (version -> its file) beside them, where it was evaluated at their version. A
    suite of text has minus its bits a byte, so that less is worse there too."""
    found = []
    for one in evaluations:
        there = {name: files[one.version] for name, files in suites.items() if one.version in files}
        found.append(replace(one, others=dict(_suite(name, path) for name, path in there.items())))
    return found


def _suite(name: str, path: Path) -> tuple[str, dict[str, float]]:
    """Its name, and the rates of its problems or passages."""
    if is_likelihood(path):
        minus_bits = {row["id"]: -row["bits_per_byte"] for row in read_rows(path)}
        return f"suite {name} (minus bits/byte)", minus_bits
    return f"suite {name}", dict(_read(path).rates)


def loop_waits() -> dict[str, str]:
    """Loop of this process -> what it waits for now, where waiting has a limit: without one it is normal."""
    return {
        name: loop.waits_for
        for name, loop in loop_states().items()
        if loop.waits_for is not None and loop.limit_s is not None
    }
