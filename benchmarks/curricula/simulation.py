"""The simulation layer of ``benchmarks/curricula/``: presets on simulated learners. Nothing here
is a result of a model."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from scipy.stats import t as student

from benchmarks.curricula.pools import PHASES, SIZE, Rows, available, learnable, mixed, moving
from curricula.simulation.rows import pool_of
from rl.commands.curriculum.heatmap import HeatMap
from rl.commands.curriculum.simulate import run_simulation, simulated_config
from rl.config.load import ConfigError
from rl.config.schema import Config

ARMS: dict[str, tuple[str, list[str]]] = {
    "uniform": ("uniform", []),
    "mixed": ("mixed", ["stream.refill_rounds=2"]),
    "knapsack": ("knapsack", []),
    "knapsack_no_fallback": ("knapsack", ["curriculum.allocator.args.allow_fallback=false"]),
    "cures": ("cures", []),
    "speed": ("speed", []),
    "dots": ("dots", []),
    "prioritized": ("prioritized", []),
    "greso": ("greso", []),
    "sec": ("sec", []),
    "dump": ("dump", []),
    "sec+knapsack": ("sec+knapsack", []),
    "dump+knapsack+mixed": ("dump+knapsack+mixed", []),
}
"""Name -> preset as on the command line, and overrides. The first is what the others are compared with."""
REFERENCE = "uniform"
PER_STEP, PER_PROMPT = 128, 8
METRICS = ("effective_gradient_ratio", "effective_prompt_ratio")
FOUND_SHARE = 1.5
"""A category is found when it has the largest share of prompts, at least so many times its uniform one, over
``FOUND_STEPS``."""
FOUND_STEPS = 3
LEARNING_RATE = 0.6
DIGITS = 5
"""Of what is written down."""


def run(
    *,
    seeds: Sequence[int],
    steps: int,
    arms: Sequence[str],
    note: Callable[[str], None],
    only: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Every pool, every arm, every seed.

    Args:
        seeds: each gives a pool, plans and outcomes of its own; all arms share them.
        steps: of every run.
        arms: keys of ``ARMS``, the reference among them.
        note: told what is being done.
        only: pools to run; None = all that this machine has.
    """
    epoch = SIZE // PER_STEP
    result: dict[str, Any] = {
        "arms": list(arms),
        "seeds": list(seeds),
        "steps": steps,
        "first_steps_left_out": epoch,
    }
    pools = {name: (make, "curves") for name, make in available()} | {"logistic": (mixed, "logistic")}
    result["pools"] = {}
    for pool, (make, learner) in pools.items():
        if only is not None and pool not in only:
            continue
        note(f"pool {pool}")
        rows = {
            arm: [_one(arm, make(seed), seed=seed, steps=steps, learner=learner) for seed in seeds]
            for arm in arms
        }
        measured = {arm: [_figures(r, skip=epoch) for r in runs] for arm, runs in rows.items()}
        result["pools"][pool] = {arm: compare(measured[arm], measured[REFERENCE]) for arm in arms}
    if only is not None and "moving" not in only:
        return result
    note("pool moving")
    result["moving"] = _moving(seeds=seeds, arms=[arm for arm in (REFERENCE, "sec", "dump") if arm in arms])
    return result


def usable(wanted: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Arms whose presets are in this build and fit together, and why the others do not."""
    kept, refused = [], {}
    for arm in wanted:
        preset, overrides = ARMS[arm]
        try:
            simulated_config("quickstart", preset, overrides, steps=4, seed=0)
            kept.append(arm)
        except ConfigError as error:
            refused[arm] = str(error)
    return kept, refused


def _one(arm: str, rows: Rows, *, seed: int, steps: int, learner: str) -> list[dict[str, Any]]:
    config = _config(arm, steps)
    config = config.model_copy(update={"run": config.run.model_copy(update={"seed": seed})})
    kind: Literal["curves", "logistic"] = "logistic" if learner == "logistic" else "curves"
    found = run_simulation(config, pool_of(rows), learner=kind, rate=LEARNING_RATE)
    return found["steps"]


@functools.cache
def _config(arm: str, steps: int) -> Config:
    """Composing takes as long as simulating."""
    preset, overrides = ARMS[arm]
    sizes = [
        f"stream.prompts_per_step={PER_STEP}",
        f"stream.rollouts_per_prompt={PER_PROMPT}",
        "stream.max_staleness=1",
    ]
    return simulated_config("quickstart", preset, [*sizes, *overrides], steps=steps, seed=0)


def _figures(rows: Sequence[dict[str, Any]], *, skip: int) -> dict[str, float]:
    """Ratios over all rollouts or prompts sampled, from the second epoch on and over the whole run; totals of
    the whole run."""
    out: dict[str, float] = {}
    for name, some in (("", rows[skip:]), ("whole_run_", rows)):
        rollouts = np.array([row["rollouts_generated"] for row in some], dtype=np.float64)
        prompts = np.array([sum(row["group_sizes"].values()) for row in some], dtype=np.float64)
        out[f"{name}effective_gradient_ratio"] = _mean(some, "effective_gradient_ratio", rollouts)
        out[f"{name}effective_prompt_ratio"] = _mean(some, "effective_prompt_ratio", prompts)
    return out | {
        "rollouts_generated": float(sum(row["rollouts_generated"] for row in rows)),
        "rollouts_trained": float(sum(row["rollouts_trained"] for row in rows)),
        "pool_pass_rate_last": rows[-1]["pool_pass_rate"],
    }


def _mean(rows: Sequence[dict[str, Any]], key: str, weights: np.ndarray) -> float:
    return float((np.array([row[key] for row in rows]) * weights).sum() / weights.sum())


def compare(arm: Sequence[dict[str, float]], reference: Sequence[dict[str, float]]) -> dict[str, Any]:
    """``{metric: {mean, by_seed, difference, relative}}``; differences are paired by seed, with 95% intervals
    of Student's t."""
    out: dict[str, Any] = {}
    for key in arm[0]:
        mine, theirs = np.array([run[key] for run in arm]), np.array([run[key] for run in reference])
        out[key] = {
            "mean": round(float(mine.mean()), DIGITS),
            "by_seed": [round(float(value), DIGITS) for value in mine],
            "difference": interval(mine - theirs),
            "relative": interval(mine / theirs - 1),
        }
    return out


def interval(values: np.ndarray, *, confidence: float = 0.95) -> dict[str, float | None]:
    """``{mean, low, high}`` over seeds; no limits from one seed."""
    if len(values) < 2:
        return {"mean": round(float(values.mean()), DIGITS), "low": None, "high": None}
    half = float(
        student.ppf(0.5 + confidence / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    )
    mean = float(values.mean())
    return {
        "mean": round(mean, DIGITS),
        "low": round(mean - half, DIGITS),
        "high": round(mean + half, DIGITS),
    }


def _moving(*, seeds: Sequence[int], arms: Sequence[str]) -> dict[str, Any]:
    """Steps until the learnable category was found, at the start and after each of its moves, and what that
    was worth."""
    steps = 40 * PHASES
    out: dict[str, Any] = {"steps": steps, "phase_steps": 40}
    measured: dict[str, list[dict[str, float]]] = {}
    for arm in arms:
        found, figures = [], []
        for seed in seeds:
            rows = _one(arm, moving(seed), seed=seed, steps=steps, learner="curves")
            figures.append(_figures(rows, skip=0))
            found.append(
                [
                    steps_to_find(rows, f"c{code}", first=40 * i, last=40 * (i + 1))
                    for i, code in enumerate(learnable(seed))
                ]
            )
        measured[arm] = figures
        out[arm] = {"steps_to_find": found, **compare(figures, measured[REFERENCE])}
    return out


def steps_to_find(rows: Sequence[dict[str, Any]], category: str, *, first: int, last: int) -> int | None:
    """Steps from ``first`` until the category has the largest share of prompts over ``FOUND_STEPS``; None if
    not by ``last``."""
    heat = HeatMap.of(rows)
    share, mine = heat.share(0), heat.categories.index(category)
    for step in range(first, last - FOUND_STEPS + 1):
        mean = share[:, step : step + FOUND_STEPS].mean(axis=1)
        if int(mean.argmax()) == mine and mean[mine] >= FOUND_SHARE / len(heat.categories):
            return step - first
    return None
