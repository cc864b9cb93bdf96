"""The figures of a simulated run: throughput, idle shares, staleness, GPU-hours and money. Every figure is
simulated."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rl.simulation.goodput import Goodput, goodput
from rl.simulation.spec import SystemSpec
from rl.simulation.system import Step, System


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Means over the steps with a full pipeline. Seconds, tokens and shares between 0 and 1; simulated."""

    gpus: float
    step_s: float
    train_s: float
    learner_idle_share: float
    engine_idle_share: float
    rollouts_per_s: float
    """Trained."""
    tokens_per_s: float
    """Counts trained completions."""
    discarded_share: float
    """Share of the tokens sampled."""
    staleness_mean: float
    staleness_max: int
    failures_per_day: float
    goodput: float
    """Share of the time that training keeps, after failures of learner devices."""
    gpu_hours_per_step: float
    usd_per_step: float
    usd_per_million_tokens: float
    """Counts trained completions; failures included."""
    counts: dict[str, int]
    """Groups dropped, cut off, too old, moved on; engines lost."""

    def to_json(self) -> dict[str, Any]:
        """JSON-able, marked as simulated."""
        return {"simulated": True, **asdict(self)}


def predict(
    spec: SystemSpec, *, steps: int = 40, warm: int | None = None, seed: int = 0, stretches: int = 400
) -> Prediction:
    """Run the system and say what it did.

    Args:
        spec: The system.
        steps: Training steps that count.
        warm: Steps before them, until the pipeline is full; None = as many as may be in flight, and two.
        seed: Of lengths, drops, jitter and failures.
        stretches: See ``System``; fewer is faster and coarser.
    """
    before = spec.depth + 2 if warm is None else warm
    # A few steps behind keep the engines busy to the end of the window, as in the midst of a long run.
    system = System(spec, seed=seed, stretches=stretches)
    rows = system.run(before + steps + spec.depth)[before : before + steps]
    return _summary(spec, rows, dict(system.counts))


def _summary(spec: SystemSpec, rows: Sequence[Step], counts: dict[str, int]) -> Prediction:
    seconds = sum(row.step_s for row in rows)
    rollouts, tokens = sum(row.rollouts for row in rows), sum(row.tokens for row in rows)
    discarded = sum(row.discarded for row in rows)
    ages = [age for row in rows for age in row.staleness] or [0]
    step_s = seconds / len(rows)
    kept: Goodput = goodput(spec, step_s)
    gpu_hours = spec.gpus * step_s / 3600 / kept.share
    usd = gpu_hours * spec.usd_per_gpu_hour
    return Prediction(
        gpus=spec.gpus,
        step_s=step_s,
        train_s=float(np.mean([row.train_s for row in rows])),
        learner_idle_share=sum(row.wait_s for row in rows) / seconds,
        engine_idle_share=float(np.average([row.engine_idle_share for row in rows])),
        rollouts_per_s=rollouts / seconds,
        tokens_per_s=tokens / seconds,
        discarded_share=discarded / max(1, discarded + tokens),
        staleness_mean=float(np.mean(ages)),
        staleness_max=max(ages),
        failures_per_day=kept.failures_per_day,
        goodput=kept.share,
        gpu_hours_per_step=gpu_hours,
        usd_per_step=usd,
        usd_per_million_tokens=usd / max(1.0, tokens / len(rows)) * 1e6,
        counts=counts,
    )


def synchronous(spec: SystemSpec) -> SystemSpec:
    """The same system with ``plan.max_staleness=0``; one that pushes after every step."""
    plan = spec.plan.model_copy(update={"max_staleness": 0, "pipeline_depth": None})
    return spec.model_copy(update={"plan": plan, "sync": spec.sync.model_copy(update={"every": 1})})
