"""Taking checkpoints while training goes on: snapshot now, write in the background, one at a time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from curricula.stack import CurriculumStack
from rl.batch.planner_targets import PlannerLoop
from rl.config.schema import Config
from rl.records.rundir import RunDir
from rl.records.trace import TraceWriter
from rl.run.checkpoint import Checkpoint, CheckpointStore
from rl.run.state import RunState
from rl.stream.background import in_background
from rl.stream.buffer import StreamBuffer
from rl.stream.waiting import wait_for
from rl.stream.waits import waiting
from rl.views.evaluations import evaluation_file, read_counts
from rollout.statistics import StatisticsStore

if TYPE_CHECKING:
    from rl.learner.group import LearnerGroup


logger = logging.getLogger(__name__)


class SnapshotLost(Exception):
    """The learner's ranks are gone that were writing a checkpoint; it will never be whole."""


class Saver:
    """Knows when a checkpoint is due and takes it."""

    def __init__(
        self,
        *,
        store: CheckpointStore,
        buffer: StreamBuffer,
        curriculum: CurriculumStack,
        statistics: StatisticsStore,
        planner: PlannerLoop | None = None,
        every: int,
        timeout_s: float,
        trace: TraceWriter,
        first: Callable[[], Awaitable[None]] | None = None,
        background: bool = True,
        named: Callable[[Checkpoint], None] | None = None,
        early: asyncio.Event | None = None,
    ) -> None:
        """``background``: training goes on while files are written. ``named`` hears of every checkpoint that
        is whole. A checkpoint is due as well while ``early`` is set. ``first`` returns when everything else
        that belongs to the steps before is on disk: a checkpoint says that they need not be run again."""
        self._store = store
        self._buffer = buffer
        self._curriculum = curriculum
        self._statistics = statistics
        self._planner = planner
        self._every = every
        self._timeout_s = timeout_s
        self._trace = trace
        self._first = first
        self._background = background
        self._named = named
        self._early = early or asyncio.Event()
        self._writing: asyncio.Task[None] | None = None
        self._failed = asyncio.Event()
        self._saved_version = -1

    def due(self, version: int) -> bool:
        """True every ``checkpoint.every`` steps, and when somebody cannot wait for that."""
        return self._early.is_set() or (self._every > 0 and version % self._every == 0)

    async def save(self, state: RunState, learner: "LearnerGroup", *, final: bool = False) -> None:
        """Snapshot controller and learner between two steps; the files are written while training goes on,
        but for a checkpoint that is ``final`` or not taken in the background.

        Args:
            state: Not changed by others meanwhile: call it from the learner loop only, or after the loops
                ended.
            learner: Idle.
            final: Also wait until everything is on disk.
        """
        await self._wait_written()
        self._early.clear()
        if state.version != self._saved_version:
            # The controller's half first and without an await in between: the other loops go on while the
            # learner is copied.
            frozen, stream, version = self._frozen(state), self._buffer.snapshot(), state.version
            staging = self._store.begin(version)
            with self._trace.span("checkpoint", f"snapshot {version}"):
                await learner.save(str(staging / "learner"), background=self._background)
            self._saved_version = version
            writing = self._write(frozen, stream, learner)
            self._writing = in_background("saver", writing, what=f"writing checkpoint {version}")
        if final or not self._background:
            await self._wait_written()
        if final and self._saved_version != state.version:
            await self.save(state, learner, final=True)  # it died with the ranks that wrote it

    def _frozen(self, state: RunState) -> RunState:
        """The state of now but for the stream, which a thread may write while the loops go on."""
        return replace(
            state,
            curriculum=deepcopy(self._curriculum.state_dict()),
            statistics=self._statistics.state_dict(),
            planner={} if self._planner is None else deepcopy(self._planner.state_dict()),
            totals=replace(state.totals),
        )

    async def watch(self) -> None:
        """Run beside the loops: raises what a write in the background failed of, at once and not before the
        next checkpoint."""
        with waiting("a checkpoint that cannot be written"):
            await self._failed.wait()
        await self._wait_written()

    async def _write(
        self, frozen: RunState, stream: Callable[[], dict[str, Any]], learner: "LearnerGroup"
    ) -> None:
        version, done = frozen.version, False
        try:
            with self._trace.span("checkpoint writer", f"write {version}"):
                await learner.wait_saved()
                if self._first is not None:
                    await self._first()
                with waiting(f"the disk to take checkpoint {version}", limit_s=self._timeout_s):
                    checkpoint = await asyncio.to_thread(
                        lambda: self._store.commit(version, replace(frozen, stream=stream()))
                    )
            if self._named is not None:
                self._named(checkpoint)
            done = True
        except SnapshotLost:
            logger.warning("checkpoint %d died with the learner's ranks; the next one follows", version)
            self._saved_version, done = -1, True
        finally:
            if not done:
                self._failed.set()

    async def settle(self) -> None:
        """Wait until the checkpoint that is being written is on disk."""
        await self._wait_written()

    async def _wait_written(self) -> None:
        if self._writing is not None:
            await wait_for(self._writing, self._timeout_s, "a checkpoint to reach the disk")
            self._writing = None


def held_out_score(run: RunDir, config: Config) -> Callable[[int], float | None]:
    """Step -> held-out pass@1 at ``evaluation.temperature``; None where it was not evaluated."""

    def score(step: int) -> float | None:
        file = evaluation_file(run.eval, step)
        if not file.is_file():
            return None
        counts = read_counts(file, max_tokens=config.rollout.max_tokens, top_p=config.rollout.top_p)
        return next(
            (c.pass_rate for c in counts if c.sampling.temperature == config.evaluation.temperature), None
        )

    return score
