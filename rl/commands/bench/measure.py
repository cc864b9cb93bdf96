"""Figures of a load point, and its steps as observations for a cost model."""

import bisect
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from planner.cost.measured import TERMS, MeasuredCost, Observation, StepWork
from planner.cost.simulate import simulate
from rl.commands.bench.drive import Timed
from rl.commands.bench.points import LoadPoint

SAME_STEP_S = 3e-4
"""Tokens of one engine step are told apart by less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Figures of a load; seconds, and tokens sampled a second."""

    requests: int
    seconds: float
    """From the first request to the last token."""
    tokens_per_s: float
    first_p50_s: float
    first_p95_s: float
    """Time to the first token, waiting included."""
    between_p50_s: float
    between_p95_s: float
    """Time between two tokens of a request."""


def figures_of(times: Sequence[tuple[float, Sequence[float]]]) -> Figures:
    """``times``: of each request when it was sent, and when each of its tokens came."""
    first = [tokens[0] - sent for sent, tokens in times]
    between = [b - a for _, tokens in times for a, b in itertools.pairwise(tokens)]
    seconds = max(tokens[-1] for _, tokens in times) - min(sent for sent, _ in times)
    return Figures(
        requests=len(times),
        seconds=seconds,
        tokens_per_s=sum(len(tokens) for _, tokens in times) / seconds,
        first_p50_s=float(np.quantile(first, 0.5)),
        first_p95_s=float(np.quantile(first, 0.95)),
        between_p50_s=float(np.quantile(between, 0.5)) if between else 0.0,
        between_p95_s=float(np.quantile(between, 0.95)) if between else 0.0,
    )


def measured(timed: Sequence[Timed]) -> Figures:
    """The figures of a load point."""
    return figures_of([(one.sent, one.tokens) for one in timed])


def predicted(
    point: LoadPoint, cost: MeasuredCost, *, max_seqs: int, max_batched_tokens: int
) -> dict[str, float]:
    """The same seconds and rates from the cost model: the load through a simulated engine."""
    served = simulate(
        point.arrivals,
        cost,
        max_seqs=max_seqs,
        max_batched_tokens=max_batched_tokens,
        concurrency=point.concurrency,
    )
    seconds = max(one.end for one in served) - min(one.arrived for one in served)
    between = [
        (one.end - one.first) / (asked.answer - 1)
        for one, asked in zip(served, point.arrivals, strict=True)
        if asked.answer > 1
    ]
    return {
        "seconds": seconds,
        "tokens_per_s": sum(asked.answer for asked in point.arrivals) / seconds,
        "first_p50_s": float(np.quantile([one.first - one.arrived for one in served], 0.5)),
        "between_p50_s": float(np.quantile(between, 0.5)) if between else 0.0,
    }


def observations(point: LoadPoint, timed: Sequence[Timed]) -> list[Observation]:
    """Two of a load point: its median step with prompts in it, and its median step without, each with the
    mean work of its kind. Medians, since another process may take the cores for a while."""
    kinds: dict[bool, list[tuple[StepWork, float]]] = {False: [], True: []}
    for work, seconds in steps_of(timed):
        kinds[work.prefills > 0].append((work, seconds))
    made = []
    for of_kind in kinds.values():
        if of_kind:
            works = np.array([[getattr(work, term) for term in TERMS] for work, _ in of_kind])
            mean = StepWork(**dict(zip(TERMS, works.mean(axis=0).tolist(), strict=True)))
            seconds = float(np.median([seconds for _, seconds in of_kind]))
            made.append(Observation(point=point.name, work=mean, seconds=seconds))
    return made


def steps_of(timed: Sequence[Timed]) -> list[tuple[StepWork, float]]:
    """Work and seconds of every engine step but those before which the engine was idle for an unknown while:
    there the time runs from when its first request was sent."""
    stamps = sorted({at for one in timed for at in one.tokens})
    starts = [at for i, at in enumerate(stamps) if i == 0 or at - stamps[i - 1] > SAME_STEP_S]
    prompts: list[list[int]] = [[] for _ in starts]
    contexts: list[list[int]] = [[] for _ in starts]
    sent = [float("inf")] * len(starts)
    for one in timed:
        for position, at in enumerate(one.tokens):
            step = bisect.bisect_right(starts, at) - 1
            if position:
                contexts[step].append(one.asked.prompt + position)
            else:
                prompts[step].append(one.asked.prompt)
                sent[step] = min(sent[step], one.sent)
    found = []
    for step, at in enumerate(starts):
        busy = step > 0 and bool(contexts[step] or sent[step] < starts[step - 1])
        began = starts[step - 1] if busy else sent[step]
        if at > began:
            found.append((StepWork.of(prompts[step], contexts[step]), at - began))
    return found
