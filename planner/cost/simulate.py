"""Requests through a batching engine, step by step, at measured seconds: what a load will see.

See docs/methods/cost.md#a-load-at-measured-seconds.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from planner.cost.measured import MeasuredCost, StepWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A request."""

    at: float
    """Seconds from the start."""
    prompt: int
    """Tokens."""
    answer: int
    """Tokens, at least 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The times of one request: seconds from the start."""

    arrived: float
    first: float
    end: float


def simulate(
    arrivals: Sequence[Arrival],
    cost: MeasuredCost,
    *,
    max_seqs: int,
    max_batched_tokens: int,
    concurrency: int | None = None,
) -> list[Served]:
    """Each request's times, in the order of ``arrivals``.

    A step gives every running sequence a token and prefills whole waiting prompts, first come first served,
    as long as sequences and tokens of the step allow. With ``concurrency`` a request arrives when one of so
    many is over, whatever its ``at`` says.
    """
    now, next_up = 0.0, 0
    waiting: list[tuple[float, int]] = []
    running: dict[int, int] = {}
    """Request -> tokens that it has."""
    arrived: dict[int, float] = {}
    first: dict[int, float] = {}
    end: dict[int, float] = {}

    def arrive() -> None:
        nonlocal next_up
        while next_up < len(arrivals):
            at = arrivals[next_up].at
            if concurrency is not None:
                if len(waiting) + len(running) >= concurrency:
                    return
                at = now
            elif at > now:
                return
            arrived[next_up] = at
            heapq.heappush(waiting, (at, next_up))
            next_up += 1

    while next_up < len(arrivals) or waiting or running:
        arrive()
        if not waiting and not running:
            now = arrivals[next_up].at
            continue
        room = max_batched_tokens - len(running)
        admitted: list[int] = []
        while waiting and len(running) + len(admitted) < max_seqs:
            index = waiting[0][1]
            if arrivals[index].prompt > room and (admitted or running):
                break
            heapq.heappop(waiting)
            admitted.append(index)
            room -= arrivals[index].prompt
        contexts = [arrivals[index].prompt + tokens for index, tokens in running.items()]
        now += cost.seconds(StepWork.of([arrivals[index].prompt for index in admitted], contexts))
        first |= dict.fromkeys(admitted, now)
        running = {index: tokens + 1 for index, tokens in running.items()} | dict.fromkeys(admitted, 1)
        for index in [index for index, tokens in running.items() if tokens >= arrivals[index].answer]:
            end[index] = now
            del running[index]
    return [Served(arrived=arrived[i], first=first[i], end=end[i]) for i in range(len(arrivals))]
