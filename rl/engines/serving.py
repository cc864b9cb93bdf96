"""Engines, scorer and the service over them, started together and stopped whatever happens: for whoever
samples from a model without training it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Protocol

from rl.cluster.placement import create_placement, plan_placement
from rl.config.schema import Config
from rl.engines.actors import create_fleet
from rl.engines.fleet import EngineFleet
from rl.engines.rollout_service import Engines, RolloutService
from rl.records.trace import TraceWriter
from rl.scorers.reward_model.scorer import Verifiers
from rl.scorers.reward_watch import RewardWatch


class Startable(Protocol):
    """Something with a life of its own: a fleet, several, or one engine in this process."""

    async def start(self) -> None:
        """Serve when it returns."""
        ...

    async def stop(self) -> None:
        """Give everything back."""
        ...


class StartableEngines(Engines, Startable, Protocol):
    """Engines with a life of their own."""


def seated_fleet(config: Config, model_path: Path) -> EngineFleet:
    """The config's engines, alone on the machine, not yet started, for a model that stays as it is. Ray must
    run."""
    placed = create_placement(plan_placement(config))
    return create_fleet(config, model_path, placed, fixed_weights=True)


@contextmanager
def lent_fleet(config: Config, model_path: Path) -> Iterator[EngineFleet]:
    """The same, whose seats are free again at the end, for the next model."""
    placed = create_placement(plan_placement(config))
    try:
        yield create_fleet(config, model_path, placed, fixed_weights=True)
    finally:
        placed.remove()


@asynccontextmanager
async def side_by_side(engines: Startable, scorer: Verifiers | None) -> AsyncIterator[None]:
    """Start engines and scorer at the same time; stop both at the end, also of a start that failed."""
    scorers = [] if scorer is None else [scorer]
    try:
        await asyncio.gather(engines.start(), *(one.start() for one in scorers))
        yield
    finally:
        await asyncio.gather(engines.stop(), *(one.close() for one in scorers), return_exceptions=True)


@asynccontextmanager
async def sampling_service(
    config: Config,
    engines: StartableEngines,
    scorer: Verifiers,
    *,
    decode: Callable[[Sequence[Sequence[int]]], list[str]],
    trace: Path,
    max_issues: int | None = None,
    watch: RewardWatch | None = None,
) -> AsyncIterator[RolloutService]:
    """A service that samples groups from started engines and scores them.

    Args:
        config: Its ``stream`` section has the time limits.
        engines: Not yet started.
        scorer: Not yet started.
        decode: Token ids to text.
        trace: The file for the trace.
        max_issues: How often a group may be sent; None = ``stream.max_issues``.
        watch: Sees every verdict, and may end everything over them.
    """
    writer = TraceWriter(trace)
    try:
        async with side_by_side(engines, scorer):
            yield RolloutService(
                fleet=engines,
                scorer=scorer,
                decode=decode,
                group_timeout_s=config.stream.group_timeout_s,
                max_issues=config.stream.max_issues if max_issues is None else max_issues,
                trace=writer,
                watch=watch,
            )
    finally:
        writer.close()
