"""Which split, staleness, batch and redundancy a number of GPUs should get: small grids over the simulated
system."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rl.simulation.goodput import best_interval_s, spare_engines
from rl.simulation.spec import SystemSpec
from rl.simulation.summary import Prediction, predict

ENOUGH = 0.97
"""The least staleness, and the smallest batch, that reaches this share of the best throughput is taken."""
STRETCHES = 100
SHARES = tuple(n / 8 for n in range(1, 8))
"""Shares of the GPUs that engines get."""
HYBRID_SHARES = (0.25, 0.5)
"""Shares of the GPUs that the learner and some engines take turns on; the other engines have their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One system tried, and what it is predicted to do."""

    spec: SystemSpec
    found: Prediction

    @property
    def layout(self) -> str:
        """``40:24``, GPUs of engines and learner; ``64 shared`` where they take turns, ``64, 16 shared``
        where only some of the engines do."""
        engines = self.spec.engines.count * self.spec.engines.gpus
        learner = self.spec.learner.ranks * self.spec.learner.gpus
        if self.spec.layout.kind == "colocated":
            return f"{learner:g} shared"
        if self.spec.layout.kind == "hybrid":
            return f"{engines:g}, {learner:g} shared"
        return f"{engines:g}:{learner:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """The recommendation, with everything that was tried on the way to it."""

    chosen: Option
    splits: list[Option]
    """At the staleness asked for, the best of each layout."""
    staleness: list[Option]
    """The chosen split at 0, 1, 2, ..."""
    batches: list[Option]
    """The chosen split and staleness with other numbers of prompts."""
    spare_engines: int
    checkpoint_every: int | None
    """Steps; None: nothing was said of failures or of what a checkpoint costs."""


def search(
    spec: SystemSpec,
    gpus: int,
    *,
    max_staleness: int,
    batches: Sequence[float] = (0.5, 1.0, 2.0, 4.0),
    steps: int = 16,
    seed: int = 0,
    on_try: Callable[[Option], None] = lambda option: None,
) -> Advice:
    """Choose for so many GPUs.

    First the split at the staleness allowed, then the least staleness that is nearly as fast, then the batch:
    more prompts in a step give more tokens a second but fewer updates, so the smallest that is nearly as
    fast as the largest is taken, where speed is trained tokens a second.

    Raises:
        ValueError: no engine and rank fit on so many GPUs.
    """

    if max_staleness < spec.sync.every - 1:
        raise ValueError(
            f"--max-staleness {max_staleness}: with sync.every={spec.sync.every} a plan waits for weights"
            f" that are pushed after it; at least {spec.sync.every - 1}"
        )

    def tried(made: SystemSpec) -> Option:
        option = Option(spec=made, found=predict(made, steps=steps, seed=seed, stretches=STRETCHES))
        on_try(option)
        return option

    splits = [tried(made) for made in _layouts(with_staleness(spec, max_staleness), gpus)]
    if not splits:
        raise ValueError(
            f"--gpus {gpus}: an engine needs {spec.engines.gpus:g} and a rank {spec.learner.gpus:g}"
            " (engines.gpus, learner.gpus); give more GPUs"
        )
    best = max(splits, key=_speed)
    least = spec.sync.every - 1  # plans that a push must wait for
    ladder = [tried(with_staleness(best.spec, allowed)) for allowed in range(least, max_staleness)] + [best]
    fresh = _least(ladder)
    sizes = [fresh if factor == 1 else tried(_with_batch(fresh.spec, factor)) for factor in sorted(batches)]
    chosen = _least(sizes)
    interval = best_interval_s(chosen.spec)
    every = None if interval == float("inf") else max(1, round(interval / chosen.found.step_s))
    return Advice(
        chosen=chosen,
        splits=sorted(splits, key=_speed, reverse=True),
        staleness=ladder,
        batches=sizes,
        spare_engines=spare_engines(chosen.spec),
        checkpoint_every=every,
    )


def with_staleness(spec: SystemSpec, allowed: int) -> SystemSpec:
    """The same with another bound."""
    plan = spec.plan.model_copy(update={"max_staleness": allowed, "pipeline_depth": None})
    return spec.model_copy(update={"plan": plan})


def _with_batch(spec: SystemSpec, factor: float) -> SystemSpec:
    prompts = max(1, round(spec.plan.prompts_per_step * factor))
    return spec.model_copy(update={"plan": spec.plan.model_copy(update={"prompts_per_step": prompts})})


def _layouts(spec: SystemSpec, gpus: int) -> Iterator[SystemSpec]:
    seen = set()
    for share in SHARES:
        count = int(gpus * share / spec.engines.gpus)
        ranks = int((gpus - count * spec.engines.gpus) / spec.learner.gpus)
        if count >= 1 and ranks >= 1 and (count, ranks) not in seen:
            seen.add((count, ranks))
            yield _placed(spec, "split", count, ranks)
    count, ranks = int(gpus / spec.engines.gpus), int(gpus / spec.learner.gpus)
    if count >= 1 and ranks >= 1:
        yield _placed(spec, "colocated", count, ranks)
    for share in HYBRID_SHARES:
        shared = int(gpus * share / spec.engines.gpus)
        ranks = int(shared * spec.engines.gpus / spec.learner.gpus)
        if 0 < shared < count and ranks >= 1:
            yield _placed(spec, "hybrid", count, ranks, shared=shared)


def _placed(spec: SystemSpec, kind: str, count: int, ranks: int, *, shared: int = 0) -> SystemSpec:
    return spec.model_copy(
        update={
            "engines": spec.engines.model_copy(update={"count": count}),
            "learner": spec.learner.model_copy(update={"ranks": ranks}),
            "layout": spec.layout.model_copy(update={"kind": kind, "shared_engines": shared}),
        }
    )


def _speed(option: Option) -> float:
    return option.found.tokens_per_s * option.found.goodput


def _least(options: Sequence[Option]) -> Option:
    """The first that is nearly as fast as the fastest."""
    best = max(map(_speed, options))
    return next(option for option in options if _speed(option) >= ENOUGH * best)
