"""A learner whose ranks may die while the rest of the run lives (docs/decisions/0012-states-that-move.md).

The ranks' state after step ``s`` is a checkpoint and the training batches since. The controller keeps those
batches; when a rank dies, all ranks are built anew, load the newest checkpoint, train the batches again, and
take up the call that failed. Engines go on sampling meanwhile, no version goes back, and no token is lost.
"""

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from rl.batch.types import StepResult, TrainingBatch
from rl.learner.group import LearnerDead, LearnerGroup
from rl.run.checkpoint import Checkpoint
from rl.run.saver import SnapshotLost
from rl.stream.waits import waiting
from rollout.engine import WeightUpdate

logger = logging.getLogger(__name__)
T = TypeVar("T")


FREE = 8
"""Ranks that never ran, over a run, that cost no restart: then something else than one lost node is wrong."""


class Restarts:
    """How often ranks may still be started again, over all attempts of a run."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.taken = 0
        self._free = FREE

    def take(self, died: BaseException) -> bool:
        """Use one up; False if none is left. The death of a node is one, also if Ray seats the next rank on
        it before it knows."""
        if isinstance(died, LearnerDead) and not died.ran and self._free:
            self._free -= 1
            return True
        if self.left == 0:
            return False
        self.left, self.taken = self.left - 1, self.taken + 1
        return True


class SurvivingLearner(LearnerGroup):
    """A ``LearnerGroup`` that answers every call in the order in which they came, deaths or not.

    Raises:
        LearnerDead: no restart is left, the newest checkpoint is damaged, or the batches since are more than
            are kept. The run then goes back to a checkpoint as a whole.
    """

    def __init__(
        self,
        *,
        room_bytes: int,
        pause: Callable[[], AbstractContextManager[None]],
        **arguments: Any,
    ) -> None:
        """``pause()``: the other loops' limits stand still inside. At most ``room_bytes`` of batches are
        kept."""
        super().__init__(**arguments)
        self._room_bytes, self._pause = room_bytes, pause
        self._restarts = Restarts(0)
        self._checkpoint: Checkpoint | None = None
        self._batches: list[TrainingBatch] = []
        """The newest that were trained."""
        self._kept_from = 0
        """They are all since this step."""
        self._lives = 0
        self._replayed = 0
        self._reviving = asyncio.Lock()
        self._asked: list[int] = []
        """Calls that are not answered, oldest first."""
        self._next_call = 0
        self._answered = asyncio.Condition()
        self._parts: Literal["none", "given", "lost"] = "none"
        """Whether the ranks have parts of a batch; "lost": these died with them, and it comes whole."""
        self._published = 0
        """In this life."""
        self._saved_in = 0
        """The life that took the last snapshot."""

    def begin_at(self, checkpoint: Checkpoint | None, restarts: Restarts) -> None:
        """The ranks will load ``checkpoint`` before their first step, or begin with the base; they may be
        started again as often as ``restarts`` says."""
        self._checkpoint, self._restarts = checkpoint, restarts
        self._kept_from = 0 if checkpoint is None else checkpoint.step

    def rest_on(self, checkpoint: Checkpoint) -> None:
        """A newer checkpoint has its name: batches before it are kept no longer."""
        self._checkpoint = checkpoint
        self._batches = [batch for batch in self._batches if batch.step >= checkpoint.step]

    def metrics(self) -> dict[str, float]:
        """``learner/restarts`` and ``learner/replayed_batches`` of the run so far."""
        return {
            "learner/restarts": float(self._restarts.taken),
            "learner/replayed_batches": float(self._replayed),
        }

    # -- calls -----------------------------------------------------------------------------------------------

    async def train(self, batch: TrainingBatch) -> StepResult:
        """As in LearnerGroup."""
        return self._kept(batch, await self._surely(lambda: LearnerGroup.train(self, batch)))

    async def accumulate(self, part: TrainingBatch) -> None:
        """As in LearnerGroup; parts that died with their ranks come with the whole batch."""

        async def give() -> None:
            if self._parts != "lost":
                self._parts = "given"
                await LearnerGroup.accumulate(self, part)

        await self._surely(give)

    async def complete(self, batch: TrainingBatch, rest: TrainingBatch | None) -> StepResult:
        """As in LearnerGroup."""

        def finish() -> Awaitable[StepResult]:
            if self._parts == "given":
                return LearnerGroup.complete(self, batch, rest)
            return LearnerGroup.train(self, batch)

        return self._kept(batch, await self._surely(finish))

    async def abandon(self) -> None:
        """As in LearnerGroup."""
        await self._surely(lambda: LearnerGroup.abandon(self))
        self._parts = "none"

    async def publish(self, version: int, directory: str) -> WeightUpdate:
        """As in LearnerGroup. Every life has files of its own: engines may still read those of the last."""
        folder = Path(directory)

        def write() -> Awaitable[WeightUpdate]:
            own = folder / f"life-{self._lives}" if self._lives else folder
            return LearnerGroup.publish(self, version, str(own))

        update = await self._surely(write)
        self._published += 1
        if self._lives and self._published == 2:
            await asyncio.to_thread(_remove_lives_before, self._lives, folder)
        return update

    async def score(self, sequences: list[list[int]]) -> list[list[float]]:
        """As in LearnerGroup."""
        return await self._surely(lambda: LearnerGroup.score(self, sequences))

    async def prompt_signals(
        self, prompts: list[list[int]], *, columns: Sequence[str], template: tuple[int, int]
    ) -> dict[str, np.ndarray]:
        """As in LearnerGroup."""
        return await self._surely(
            lambda: LearnerGroup.prompt_signals(self, prompts, columns=columns, template=template)
        )

    async def save(self, directory: str, *, background: bool = True) -> None:
        """As in LearnerGroup."""

        async def snapshot() -> None:
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
            await LearnerGroup.save(self, directory, background=background)
            self._saved_in = self._lives

        await self._surely(snapshot)

    async def wait_saved(self) -> None:
        """As in LearnerGroup.

        Raises:
            SnapshotLost: the ranks died before the files were complete.
        """
        life = self._saved_in
        if self._reviving.locked() or self._lives != life:
            raise SnapshotLost  # new ranks have nothing to wait for
        try:
            await LearnerGroup.wait_saved(self)
        except LearnerDead as dead:
            await self._revive(life, dead)
        if self._lives != life:
            raise SnapshotLost

    async def export(self, directory: str, *, base: str | None = None) -> None:
        """As in LearnerGroup."""
        await self._surely(lambda: LearnerGroup.export(self, directory, base=base))

    async def stats(self) -> list[dict[str, float]]:
        """As in LearnerGroup."""
        return await self._surely(lambda: LearnerGroup.stats(self))

    # -- lives -----------------------------------------------------------------------------------------------

    async def _surely(self, call: Callable[[], Awaitable[T]]) -> T:
        """The answer to a call, asked again of new ranks when it dies with the old ones; after those that
        were asked before it, whose answers belong to the weights before."""
        number, self._next_call = self._next_call, self._next_call + 1
        self._asked.append(number)
        try:
            while True:
                if self._reviving.locked():
                    await self._turn(number)
                life = self._lives
                try:
                    return await call()
                except LearnerDead as dead:
                    await self._revive(life, dead)
                await self._turn(number)
        finally:
            self._asked.remove(number)
            async with self._answered:
                self._answered.notify_all()

    async def _turn(self, number: int) -> None:
        """Wait until the ranks are there, and all that was asked before is answered."""
        async with self._reviving:
            pass
        async with self._answered:
            await self._answered.wait_for(lambda: self._asked[0] == number)

    async def _revive(self, life: int, dead: LearnerDead) -> None:
        """Build the ranks anew and bring them to where they were; once a death, however many calls died."""
        async with self._reviving:
            if self._lives != life:
                return
            if not await self._can_replay() or not self._restarts.take(dead):
                raise dead
            begin = self._checkpoint
            logger.error(
                "%s; the run goes on: the ranks start again from %s and train %d batches again (%d restarts"
                " left)",
                dead,
                "the base" if begin is None else f"the checkpoint of step {begin.step}",
                len(self._batches),
                self._restarts.left,
            )
            with self._pause(), waiting("the learner's ranks to come back"):
                await self.start()
                if begin is not None:
                    await LearnerGroup.load(self, str(begin.learner_dir))
                for batch in self._batches:
                    await LearnerGroup.train(self, batch)
            self._replayed += len(self._batches)
            self._lives, self._published = life + 1, 0
            if self._parts == "given":
                self._parts = "lost"
            logger.warning("the ranks are where they were; no sampled token was lost")

    async def _can_replay(self) -> bool:
        begin = self._checkpoint
        if self._kept_from > (0 if begin is None else begin.step):
            logger.error("learner.replay_mib does not hold the batches since the last checkpoint")
            return False
        if begin is not None and (found := await asyncio.to_thread(begin.damage)) is not None:
            logger.error("the checkpoint of step %d is damaged: %s", begin.step, found)
            return False
        return True

    def _kept(self, batch: TrainingBatch, result: StepResult) -> StepResult:
        """Keep a batch that was trained, as long as there is room, and hand its result on."""
        self._parts = "none"
        self._batches.append(batch)
        while sum(map(_bytes, self._batches)) > self._room_bytes:
            self._kept_from = self._batches.pop(0).step + 1
        return result


def _bytes(batch: TrainingBatch) -> int:
    values = (getattr(batch, field.name) for field in fields(batch))
    return sum(value.nbytes for value in values if isinstance(value, np.ndarray))


def _remove_lives_before(lives: int, folder: Path) -> None:
    """Weights of ranks that are gone, after engines have had newer ones twice."""
    for path in folder.glob("weights-*"):
        path.unlink()
    for life in range(1, lives):
        shutil.rmtree(folder / f"life-{life}", ignore_errors=True)
