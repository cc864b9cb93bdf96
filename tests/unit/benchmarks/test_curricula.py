"""The benchmark of curricula: its name, its pools, and what it makes of simulated rows."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.curricula import cost as curricula_cost
from benchmarks.curricula import layers as curricula_layers
from benchmarks.curricula import pools as curricula_pools
from benchmarks.curricula import simulation as layer


def test_the_mixed_pool_has_the_shares_it_says() -> None:
    rows = curricula_pools.mixed(0, size=20_000)
    for name, share, _, constant in curricula_pools.LEVELS:
        level = [row["pass_rate"] for row in rows if row["category"] == name]
        assert len(level) / len(rows) == pytest.approx(share, abs=0.02)
        assert constant is None or set(level) == {constant}
    rates = np.array([row["pass_rate"] for row in rows])
    assert (1 - rates**8 - (1 - rates) ** 8).mean() < 0.5, (
        "equal groups of 8 find both outcomes in under half of them"
    )
    assert curricula_pools.mixed(0) == curricula_pools.mixed(0) != curricula_pools.mixed(1)


def test_the_counted_pool_needs_nothing_from_outside_the_repository() -> None:
    assert curricula_pools.COUNTS.is_relative_to(Path(__file__).parents[3] / "benchmarks")
    rows = curricula_pools.counted(0, size=5000)
    assert {row["category"] for row in rows} == {f"Level {k}" for k in range(1, 6)}
    # 722 of 800 right, shrunk to the prior
    assert np.mean([row["pass_rate"] for row in rows]) == pytest.approx(0.87, abs=0.03)


def test_the_moving_pool_has_one_learnable_category_at_a_time() -> None:
    from curricula.simulation.rows import pool_of

    rows = curricula_pools.moving(3)
    curves = pool_of(rows).pass_rates
    order = curricula_pools.learnable(3)
    for phase, code in enumerate(order):
        rates = curves.at(np.arange(len(rows)), progress=(phase + 0.5) / curricula_pools.PHASES)
        half = {rows[i]["category"] for i in np.flatnonzero(rates == 0.5)}
        assert half == {f"c{code}"} and set(rates.tolist()) == {0.0, 0.5, 1.0}


def test_paired_comparison_by_hand() -> None:
    got = layer.compare([{"x": 0.6}, {"x": 0.8}, {"x": 1.0}], [{"x": 0.5}, {"x": 0.5}, {"x": 0.5}])["x"]
    # Differences .1, .3, .5: mean .3, standard deviation .2; t(.975, 2) = 4.3027, half width 4.3027 * .2 /
    # sqrt(3) = .4968.
    assert got["mean"] == pytest.approx(0.8) and got["by_seed"] == [0.6, 0.8, 1.0]
    assert got["difference"] == pytest.approx(
        {"mean": 0.3, "low": 0.3 - 0.4968, "high": 0.3 + 0.4968}, abs=1e-4
    )
    assert got["relative"]["mean"] == pytest.approx(0.6)
    assert layer.interval(np.array([0.2])) == {"mean": 0.2, "low": None, "high": None}


def row(step: int, prompts: dict[str, int]) -> dict[str, Any]:
    return {"step": step, "categories": {name: [n, 8 * n, 0, 0, n, 0] for name, n in prompts.items()}}


def test_steps_to_find() -> None:
    """b has the largest share, and 1.5 times its uniform one, over three steps from step 4 on."""
    rows = [row(s, {"a": 8, "b": 2}) for s in range(4)] + [row(s, {"a": 2, "b": 8}) for s in range(4, 12)]
    assert layer.steps_to_find(rows, "b", first=0, last=12) == 4
    assert layer.steps_to_find(rows, "b", first=5, last=12) == 0
    assert layer.steps_to_find(rows, "b", first=0, last=5) is None
    assert layer.steps_to_find([row(s, {"a": 4, "b": 6}) for s in range(5)], "b", first=0, last=5) is None, (
        "below 1.5 x 1/2"
    )


def test_ratios_are_of_all_rollouts_and_prompts() -> None:
    rows = [
        {
            "rollouts_generated": n,
            "group_sizes": {"4": groups},
            "effective_gradient_ratio": g,
            "effective_prompt_ratio": p,
        }
        for n, groups, g, p in ((1000, 10, 1.0, 1.0), (8, 2, 1.0, 0.5), (24, 6, 0.5, 0.25))
    ]
    rows = [r | {"rollouts_trained": 4, "pool_pass_rate": 0.5} for r in rows]
    got = layer._figures(rows, skip=1)
    assert got["effective_gradient_ratio"] == pytest.approx((8 + 12) / 32)
    assert got["effective_prompt_ratio"] == pytest.approx((1 + 1.5) / 8)
    assert got["whole_run_effective_gradient_ratio"] == pytest.approx((1000 + 8 + 12) / 1032)
    assert got["rollouts_generated"] == 1032 and got["rollouts_trained"] == 12


def simulated(gain: float, prompt: float) -> dict[str, Any]:
    def figures(relative: float, difference: float) -> dict[str, Any]:
        limits = {"low": None, "high": None}
        entry = {
            "mean": 0.3,
            "relative": {"mean": relative, **limits},
            "difference": {"mean": difference, **limits},
        }
        return {f"{prefix}{key}": entry for prefix in ("", "whole_run_") for key in layer.METRICS}

    arms = {"uniform": figures(0.0, 0.0), "knapsack": figures(gain, prompt)}
    return {"pools": dict.fromkeys(curricula_pools.FROZEN, arms), "moving": {}}


def test_a_missed_target_is_said_to_be_missed() -> None:
    met = {t["target"]: t["met"] for t in curricula_layers.targets({"simulated": simulated(0.41, 0.0)})}
    assert all(met.values()) and len(met) == 2 * 5
    missed = {t["target"]: t["met"] for t in curricula_layers.targets({"simulated": simulated(0.39, -0.01)})}
    assert [name for name, ok in missed.items() if ok] == [t for t in missed if "under 0.5" in t]
    cost = {"choose_1e6_ms": 101.0, "choose_1e6_peak_mib": 10.0}
    assert not curricula_layers.targets({"cost": cost})[0]["met"]


def test_a_small_run_of_both_layers(tmp_path: Path) -> None:
    """As a user starts it, cut down."""
    found = layer.run(
        seeds=(0,), steps=18, arms=("uniform", "sec"), note=lambda text: None, only=("mixed", "logistic")
    )
    assert set(found["pools"]) == {"mixed", "logistic"}
    assert found["pools"]["mixed"]["sec"]["rollouts_generated"]["mean"] == 18 * 128 * 8
    gained = {pool: arms["sec"]["pool_pass_rate_last"]["mean"] for pool, arms in found["pools"].items()}
    assert gained["logistic"] > gained["mixed"], "only the logistic learner learns"
    assert json.loads(json.dumps(found)) == found
    cost = curricula_cost.measure(2000, 500, 1)
    assert set(cost["plan_ms"]) == set(curricula_cost.PRESETS) and cost["observed"] == 500
