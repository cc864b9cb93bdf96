"""A place in the fleet, its time limits, and what tells that the engine in it is lost, in short."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from ray.exceptions import RayActorError

from rl.records.status import ActorState
from rl.stream.waiting import StreamTimeout, wait_for
from rollout.engine import EngineDead

LOST = (RayActorError, EngineDead, StreamTimeout)
"""Exceptions which tell that an engine, not a request, is at fault."""


@dataclass(slots=True)
class EngineSlot:
    """One place in the fleet; actors come and go in it."""

    index: int
    actor: Any = None
    live: bool = False
    version: int = -1
    outstanding: int = 0
    """Rollouts it is working on."""
    restarts: int = 0
    lost_at: float = 0.0
    recovery_s: list[float] = field(default_factory=list)
    info: dict[str, Any] = field(default_factory=dict)
    failed: bool = False
    """No restart is left for it."""
    coming: "asyncio.Task[None] | None" = None
    """Brings an actor up in it."""
    waiting: "asyncio.Future[None] | None" = None
    """Done when its engine, which is up, has come into the transfer group (nccl, ipc); None unless it waits
    for that."""
    asleep: int = 0
    """Level of its sleep; 0 = awake."""
    sampled: int = 0
    """Tokens it had sampled when it went to sleep."""

    async def ask(self, method: str, *arguments: Any, within: float, what: str) -> Any:
        """The answer of the actor, from the concurrency group that no pending group holds up.

        Raises:
            StreamTimeout: "waited ``within`` s for engine ``index`` to ``what``".
        """
        call = getattr(self.actor, method).options(concurrency_group="control").remote(*arguments)
        return await wait_for(call, within, f"engine {self.index} to {what}")

    def state(self) -> ActorState:
        """Whether it serves, and with what."""
        if self.live:
            name, detail = "live", f"version {self.version}, {self.outstanding} rollouts in flight"
        elif self.failed:
            name, detail = "lost", "for good"
        elif self.actor is None:
            name, detail = ("stopped" if self.info else "starting"), ""
        elif self.waiting is not None:
            name, detail = "returning", "waits for the next push"
        else:
            name, detail = ("returning" if self.restarts else "starting"), ""
        restarts = f"{self.restarts} restart{'s' if self.restarts > 1 else ''}" if self.restarts else ""
        return ActorState(
            name=f"engine-{self.index}",
            kind="engine",
            state=name,
            detail=", ".join(filter(None, (detail, restarts))),
            pid=self.info.get("pid"),
            host=self.info.get("host"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetTimeouts:
    """Seconds."""

    start: float = 1800.0
    sync: float = 60.0
    health: float = 10.0


def cause(error: BaseException) -> str:
    """The engine's own message."""
    return str(getattr(error, "cause", None) or error).strip()


def brief(error: BaseException) -> str:
    """Ray's errors carry whole remote tracebacks; the last line is the cause, and the actor's log has the
    rest."""
    inner = getattr(error, "cause", None) or error
    return f"{type(inner).__name__}: {str(inner).strip().splitlines()[-1] if str(inner).strip() else ''}"
