"""Tokens of a group as its engine samples them."""

from collections.abc import AsyncGenerator

from rl.engines.fleet import EngineFleet
from rl.stream.waiting import wait_for
from rollout.streaming import StreamRequest, TokenDelta


async def stream_of(
    fleet: EngineFleet, request: StreamRequest, *, timeout_s: float
) -> AsyncGenerator[list[TokenDelta], None]:
    """Pieces of the group from the least loaded live engine. Whoever stops early aborts the group.

    Args:
        fleet: Started.
        request: The group, and which log-probs are wanted.
        timeout_s: Longest time until the next piece.

    Raises:
        EngineLost: the engine died, hung or was replaced.
        FleetDead: no restart is left.
    """
    group = request.group
    async with fleet.seat(group, timeout_s=timeout_s) as slot:
        pieces = slot.actor.stream.options(num_returns="streaming").remote(request)
        what = f"a token of group {group.group_id} on engine {slot.index}"
        while True:
            try:
                reference = await wait_for(anext(pieces), timeout_s, what)
            except StopAsyncIteration:
                return
            yield await reference
