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

PREDICTED = ("seconds", "tokens_per_s", "first_p50_s", "first_p95_s", "between_p50_s", "between_p95_s")
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
    figures = figures_of([(one.arrived, one.tokens) for one in served])
    return {kind: getattr(figures, kind) for kind in PREDICTED}


def observations(point: LoadPoint, timed: Sequence[Timed]) -> list[Observation]:
    """One for each number of prompts and of sequences that its steps had: a step of eight prompts is no
    average of one with none and one with sixteen. Medians, since another process may take the cores for a
    while."""
    cells: dict[tuple[int, int], list[tuple[StepWork, float]]] = {}
    for work, seconds, prompts in steps_of(timed):
        cells.setdefault((prompts, int(work.sampled)), []).append((work, seconds))
    made = []
    for cell in cells.values():
        works = np.array([[getattr(work, term) for term in TERMS] for work, _ in cell])
        mean = StepWork(**dict(zip(TERMS, works.mean(axis=0).tolist(), strict=True)))
        seconds = float(np.median([seconds for _, seconds in cell]))
        made.append(Observation(point=point.name, work=mean, seconds=seconds, steps=len(cell)))
    return made


def turnaround_of(points: Sequence[LoadPoint], timed: Sequence[Sequence[Timed]]) -> float:
    """Median seconds, over closed loads, from the end of a request, or from the sending before, until the
    next one is sent."""
    gaps = []
    for point, requests in zip(points, timed, strict=True):
        if point.concurrency is not None:
            ends = sorted(one.tokens[-1] for one in requests)
            sent = sorted(one.sent for one in requests)
            for before, at in itertools.pairwise(sent):
                over = bisect.bisect_right(ends, at)
                if over:  # not one of the first, which wait for nobody
                    gaps.append(at - max(before, ends[over - 1]))
    return float(np.median(gaps)) if gaps else 0.0


def steps_of(timed: Sequence[Timed]) -> list[tuple[StepWork, float, int]]:
    """Work, seconds and number of prompts of every engine step but those before which the engine was idle for
    an unknown while: there the time runs from when the last of its requests was sent."""
    stamps = sorted({at for one in timed for at in one.tokens})
    starts = [at for i, at in enumerate(stamps) if i == 0 or at - stamps[i - 1] > SAME_STEP_S]
    prompts: list[list[int]] = [[] for _ in starts]
    contexts: list[list[int]] = [[] for _ in starts]
    first, last = [float("inf")] * len(starts), [0.0] * len(starts)
    for one in timed:
        for position, at in enumerate(one.tokens):
            step = bisect.bisect_right(starts, at) - 1
            if position:
                contexts[step].append(one.asked.prompt + position)
            else:
                prompts[step].append(one.asked.prompt)
                first[step], last[step] = min(first[step], one.sent), max(last[step], one.sent)
    found = []
    for step, at in enumerate(starts):
        busy = step > 0 and bool(contexts[step] or first[step] < starts[step - 1])
        began = starts[step - 1] if busy else last[step]
        if at > began:
            found.append((StepWork.of(prompts[step], contexts[step]), at - began, len(prompts[step])))
    return found
