"""Requests through a batching engine, step by step, at measured seconds: what a load will see.

See docs/methods/cost.md#a-load-at-measured-seconds.
"""

from collections import deque
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
    tokens: tuple[float, ...]
    """One for each token."""

    @property
    def first(self) -> float:
        """The first token's."""
        return self.tokens[0]

    @property
    def end(self) -> float:
        """The last one's."""
        return self.tokens[-1]


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
    as long as sequences and tokens of the step allow. With ``concurrency`` a request is sent when one of so
    many is over, whatever its ``at`` says, each ``cost.turnaround_s`` after the end, or after the one sent
    before it: so an engine that is not idle has begun its next step without it, and an idle one takes a burst
    of requests together.
    """
    closed = concurrency is not None
    sent = [one.at for one in arrivals[:concurrency]]
    if closed:
        sent = [number * cost.turnaround_s for number in range(len(sent))]
    waiting: deque[int] = deque()
    running: dict[int, int] = {}
    """Request -> tokens that it has."""
    tokens: list[list[float]] = [[] for _ in arrivals]
    now, arrived, done = 0.0, 0, 0
    while done < len(arrivals):
        if not waiting and not running:
            now, last = max(now, sent[arrived]), arrived
            # An idle engine takes a burst together: each is sent while the one before is read.
            while last + 1 < len(sent) and sent[last + 1] - now <= 1.01 * cost.turnaround_s:
                last += 1
                now = max(now, sent[last])
        while arrived < len(sent) and sent[arrived] <= now:
            waiting.append(arrived)
            arrived += 1
        room = max_batched_tokens - len(running)
        admitted: list[int] = []
        while waiting and len(running) + len(admitted) < max_seqs:
            prompt = arrivals[waiting[0]].prompt
            if prompt > room and (admitted or running):
                break
            admitted.append(waiting.popleft())
            room -= prompt
        contexts = [arrivals[index].prompt + count for index, count in running.items()]
        now += cost.seconds(StepWork.of([arrivals[index].prompt for index in admitted], contexts))
        running = {index: count + 1 for index, count in running.items()} | dict.fromkeys(admitted, 1)
        for index in running:
            tokens[index].append(now)
        over = [index for index, count in running.items() if count >= arrivals[index].answer]
        done += len(over)
        for index in over:
            del running[index]
            if closed and len(sent) < len(arrivals):
                sent.append(max(now, sent[-1]) + cost.turnaround_s)
    return [Served(arrived=at, tokens=tuple(of)) for at, of in zip(sent, tokens, strict=True)]
