"""When units are evaluated, and on which engines: on those of the rollouts, while training waits, or on
engines of their own, which hold one version while training goes on."""

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rl.engines.errors import EngineLost, FleetDead
from rl.engines.rollout_service import GroupFailed
from rl.engines.slot import brief
from rl.run.evaluation.units import HELD_OUT, Unit
from rl.stream.background import in_background
from rl.stream.waits import as_loop
from rollout.engine import WeightUpdate

if TYPE_CHECKING:
    from rl.engines.fleet import EngineFleet

logger = logging.getLogger(__name__)
ENGINE_LOST = (EngineLost, FleetDead, GroupFailed)
"""Exceptions which tell that engines were lost, and not that anything is wrong with what was evaluated."""


class Beside:
    """Engines that evaluate beside the training, and the units that ask them."""

    def __init__(
        self,
        *,
        fleet: "EngineFleet",
        units: Sequence[Unit],
        newest: Callable[[], Awaitable[WeightUpdate | None]],
        directory: Path,
    ) -> None:
        """``newest``: what the learner published last; its copy lies in ``directory``, since the learner
        writes over its own, and an engine that is lost and comes back loads it again. By ``object`` the parts
        stay where they are for as long."""
        self.fleet, self.units = fleet, units
        self._newest, self._directory = newest, directory

    async def pin(self, version: int) -> None:
        """Serve ``version``, which was published last, until the next call."""
        update = await self._newest()
        assert update is not None and update.version == version, "evaluated right after its publication"
        copy = self._directory / "evaluated"
        if not update.parts:
            await asyncio.to_thread(shutil.copyfile, update.path, copy)
        await self.fleet.push(replace(update, path=str(copy)))


class EvaluationDesk:
    """Every evaluation of one attempt at a run."""

    def __init__(
        self,
        units: Sequence[Unit],
        *,
        note: Callable[[str], None],
        beside: bool = False,
    ) -> None:
        """``units`` ask the rollout engines; ``note`` shows a line beside the progress; ``beside``: engines
        are reserved for evaluations, and ``go_beside`` will bring them."""
        self._units, self._note, self.beside = units, note, beside
        self._held_out_done: Callable[[int], AbstractContextManager[None]] = lambda version: nullcontext()
        self._beside: Beside | None = None
        self._running: asyncio.Task[None] | None = None
        self._figures: dict[str, float] = {}

    def go_beside(self, beside: Beside) -> None:
        """From now on, between steps, other engines are asked."""
        assert self.beside
        self._beside = beside

    def meter(self, evaluation: Callable[[int], AbstractContextManager[None]]) -> None:
        """Enter ``evaluation(version)`` around each evaluation of the held-out set: the cost meter's."""
        self._held_out_done = evaluation

    def due(self, version: int) -> bool:
        """True where some unit's cadence says so."""
        return any(_due(unit, version) for unit in self._units)

    async def whole(self, version: int) -> None:
        """Evaluate everything, before or after the training. The caller pushes no weights meanwhile."""
        await self.settled()
        for unit in self._units:
            with as_loop("evaluation"):
                await unit.run(version, whole=True)

    async def between(self, version: int) -> None:
        """Evaluate what is due after a step: now, or beside the training.

        Where an earlier evaluation beside it is not over yet, this one is left out, and said: an evaluation
        never holds the training up.
        """
        if self._beside is None:
            await self._run(self._units, version)
            return
        if self._running is not None and not self._running.done():
            self._note(
                f"step {version}: not evaluated, since an earlier evaluation still runs; raise"
                " evaluation.every or evaluation.engines"
            )
            return
        await self.settled()
        await self._beside.pin(version)
        work = self._beside_training(self._beside.units, version)
        self._running = in_background("evaluation beside", work, what=f"the evaluation of version {version}")

    async def _beside_training(self, units: Sequence[Unit], version: int) -> None:
        """Evaluate on reserved engines; once more where they were lost, and then not at all: losing them
        never ends the training."""
        for again in (True, False):
            try:
                await self._run([unit for unit in units if again or not unit.done(version)], version)
            except ENGINE_LOST as error:
                if again and not isinstance(error, FleetDead):
                    self._note(f"step {version}: an engine was lost ({brief(error)}); evaluated again")
                    continue
                logger.warning("the evaluation of version %d is left out: %s", version, brief(error))
                self._note(f"step {version}: not evaluated, since its engines were lost ({brief(error)})")
            return

    def missed(self, version: int) -> list[str]:
        """Names of the units that were due at ``version`` and have no counts: the run ended in between."""
        return [unit.name for unit in self._missed(version)]

    async def catch_up(self, version: int) -> None:
        """Evaluate what was missed at the version of a checkpoint that the run goes on from. The caller
        trains and pushes nothing meanwhile."""
        with as_loop("evaluation"):
            await self._run(self._missed(version), version, here=True)

    def _missed(self, version: int) -> list[Unit]:
        return [unit for unit in self._units if _due(unit, version) and not unit.done(version)]

    async def settled(self) -> None:
        """Return once nothing runs beside the training.

        Raises:
            Exception: what ended an evaluation.
        """
        if self._running is not None:
            running, self._running = self._running, None
            await running

    async def abandon(self) -> None:
        """End what runs beside the training, without its counts: the run is over."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None

    def metrics(self) -> dict[str, float]:
        """Figures of the evaluations that have ended since the last call: ``eval/NAME/FIGURE`` and
        ``eval/NAME/version``.

        Raises:
            Exception: what ended an evaluation beside the training.
        """
        if self._running is not None and self._running.done():
            running, self._running = self._running, None
            running.result()
        found, self._figures = self._figures, {}
        return found

    async def _run(self, units: Sequence[Unit], version: int, *, here: bool = False) -> None:
        """``here``: on the engines of the rollouts, whatever is reserved."""
        said = []
        for unit in units:
            if not _due(unit, version):
                continue
            done = self._held_out_done(version) if unit.name == HELD_OUT else nullcontext()
            if here or self._beside is None:
                with done:
                    figures = await unit.run(version, whole=False)
            else:
                # The rollout engines worked for the training meanwhile, which is its cost.
                figures = await unit.run(version, whole=False)
                with done:
                    pass
            self._figures |= {f"eval/{unit.name}/{name}": value for name, value in figures.items()}
            self._figures[f"eval/{unit.name}/version"] = version
            said.append(f"{unit.name} {', '.join(f'{name} {value:.3f}' for name, value in figures.items())}")
        self._note(f"step {version}: {'; '.join(said)}")


def _due(unit: Unit, version: int) -> bool:
    return unit.every > 0 and version % unit.every == 0
