"""Every combination of candidate, token limit, samples and strategy, with its expected score and cost on each
problem.

See docs/methods/cost.md#joint-choice.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from planner.cost.flops import ModelShape
from planner.cost.lengths import expected_longest, tokens_until_accepted
from planner.cost.serving import ServingCost
from planner.estimators.majority import maj_at_k
from planner.estimators.pass_at_k import pass_at_k
from planner.joint.recorded import Recorded

KS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
COSTS = ("usd", "flops", "latency")
"""Dollars for a thousand queries, FLOPs of a query, seconds of a query."""
BATCH = 64
"""Sequences in flight, for the price."""
SUBSETS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Samples, with what the model that drew them costs to serve."""

    recorded: Recorded
    shape: ModelShape
    """For FLOPs."""
    cost: ServingCost
    """For seconds and dollars: the roofline, or a fit to a load test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One way to serve."""

    candidate: str
    bits: int
    temperature: float
    max_tokens: int
    k: int
    strategy: str
    """``parallel`` and ``sequential`` need a verifier at serving time; ``majority`` does not."""
    full_length: bool
    """The limit is the one that was recorded."""

    @property
    def label(self) -> str:
        """One line."""
        bits = f" int{self.bits}" if self.bits else ""
        return (
            f"{self.candidate}{bits} T={self.temperature:g} max_tokens={self.max_tokens} {self.strategy}"
            f" k={self.k}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """O options on P problems."""

    options: tuple[Option, ...]
    right: np.ndarray
    """[O, P] probability that the answer given is right."""
    costs: dict[str, np.ndarray]
    """By name of ``COSTS``, each [O, P]."""


def tabulate(
    candidates: Sequence[Candidate],
    *,
    limits: int = 5,
    ks: Sequence[int] = KS,
    verifier: bool = True,
) -> Options:
    """All options of candidates on the same problems (``on_same_problems``).

    Args:
        candidates: all of them on the same problems.
        limits: token limits tried for each, at quantiles of its lengths.
        ks: samples; those beyond what was recorded are left out.
        verifier: answers can be checked where the model serves (``parallel`` and ``sequential``); else votes
            decide (``majority``), and every candidate needs ``answers``.

    Raises:
        ValueError: votes are asked for, and a candidate has no answers.
    """
    if not verifier and (lacking := [c.recorded.name for c in candidates if c.recorded.answers is None]):
        raise ValueError(
            f"votes need the answers that were given, and {', '.join(lacking)} has none: give samples with"
            " their texts (RUN/eval/rollouts), or serve with a verifier"
        )
    rows = [row for candidate in candidates for row in _rows(candidate, limits, ks, verifier)]
    return Options(
        options=tuple(option for option, _, _ in rows),
        right=np.array([right for _, right, _ in rows]),
        costs={name: np.array([costs[name] for _, _, costs in rows]) for name in COSTS},
    )


Row = tuple[Option, np.ndarray, dict[str, np.ndarray]]


def _rows(candidate: Candidate, limits: int, ks: Sequence[int], verifier: bool) -> Iterator[Row]:
    recorded = candidate.recorded
    for limit in recorded.limits(limits):
        some = recorded.cut(limit)
        spent = _Spent(some, candidate)
        for k in (k for k in ks if k <= some.samples):
            for strategy in _strategies(k, verifier):
                option = Option(
                    candidate=some.name,
                    bits=some.bits,
                    temperature=some.temperature,
                    max_tokens=limit,
                    k=k,
                    strategy=strategy,
                    full_length=limit == recorded.max_tokens,
                )
                if strategy == "sequential":
                    yield option, spent.passed(k), spent.sequential(k)
                elif strategy == "majority":
                    yield option, _votes(some, k), spent.parallel(k)
                else:
                    yield option, spent.passed(k), spent.parallel(k)


def _strategies(k: int, verifier: bool) -> tuple[str, ...]:
    if k == 1:
        return ("parallel",)
    if verifier:
        return ("parallel", "sequential")
    return ("majority",) if k > 2 else ()  # A vote of two is a draw wherever it could matter.


class _Spent:
    """Scores and costs of one candidate at one token limit."""

    def __init__(self, recorded: Recorded, candidate: Candidate) -> None:
        self.cost, self.shape, self.prompts = candidate.cost, candidate.shape, recorded.prompt_tokens
        self.n = np.array([len(right) for right in recorded.right])
        self.c = np.array([int(right.sum()) for right in recorded.right])
        self.mean = np.array([lengths.mean() for lengths in recorded.lengths])
        self.right_mean, self.wrong_mean = (_means(recorded, kind, self.mean) for kind in (True, False))
        self.lengths = [Counter(int(x) for x in lengths) for lengths in recorded.lengths]

    def passed(self, k: int) -> np.ndarray:
        """[P] unbiased pass@k."""
        return pass_at_k(self.n, self.c, k)

    def parallel(self, k: int) -> dict[str, np.ndarray]:
        """[P] of each cost, all k samples at once."""
        longest = [expected_longest(lengths, k) for lengths in self.lengths]
        return self._costs(
            np.full(len(self.n), float(k)),
            [
                self.cost.latency_parallel_s(float(p), long, k)
                for p, long in zip(self.prompts, longest, strict=True)
            ],
        )

    def sequential(self, k: int) -> dict[str, np.ndarray]:
        """[P] of each cost, one sample after the other until one is accepted."""
        tokens = tokens_until_accepted(
            self.n, self.c, k, right_tokens=self.right_mean, wrong_tokens=self.wrong_mean
        )
        return self._costs(
            tokens / self.mean,
            [
                self.cost.latency_sequential_s(float(p), float(t), length=float(mean))
                for p, t, mean in zip(self.prompts, tokens, self.mean, strict=True)
            ],
        )

    def _costs(self, samples: np.ndarray, latency: list[float]) -> dict[str, np.ndarray]:
        rows = list(zip(self.prompts.tolist(), self.mean.tolist(), samples.tolist(), strict=True))
        return {
            "usd": np.array([self.cost.usd_per_1000_queries(p, m, k, batch=BATCH) for p, m, k in rows]),
            "flops": np.array([self.shape.query(p, m, k) for p, m, k in rows]),
            "latency": np.array(latency),
        }


def _means(recorded: Recorded, kind: bool, fallback: np.ndarray) -> np.ndarray:
    """[P] mean length of the right or of the wrong samples; of all where a problem has none of the kind."""
    found = fallback.copy()
    for i, (lengths, right) in enumerate(zip(recorded.lengths, recorded.right, strict=True)):
        chosen = lengths[right == kind]
        if len(chosen):
            found[i] = chosen.mean()
    return found


def _votes(recorded: Recorded, k: int) -> np.ndarray:
    """[P] probability that the most frequent answer of k is right. Answers that were judged right are one
    answer, however they are written."""
    assert recorded.answers is not None
    found = []
    for answers, right in zip(recorded.answers, recorded.right, strict=True):
        forms: list[tuple[bool, str] | None] = [
            (True, "") if good else None if answer is None else (False, answer)
            for answer, good in zip(answers, right, strict=True)
        ]
        found.append(maj_at_k(forms, (True, ""), k, subsets=SUBSETS))
    return np.array(found)
