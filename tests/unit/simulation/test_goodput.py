"""Failures against closed forms."""

import math

import pytest

from rl.simulation.goodput import best_interval_s, goodput, spare_engines
from rl.simulation.spec import SystemSpec


def spec(**faults) -> SystemSpec:
    return SystemSpec.model_validate(
        {
            "engines": {"seconds": {"steps": 0.01}, "count": 500},
            "learner": {"ranks": 500},
            "checkpoint": {"every": 10, "save_s": 20},
            "faults": faults,
        }
    )


def test_nothing_fails_unless_told() -> None:
    assert goodput(spec(), 60).share == 1
    assert (spare_engines(spec()), best_interval_s(spec())) == (0, math.inf)


def test_failures_a_day_are_those_of_all_devices() -> None:
    assert goodput(spec(gpu_mtbf_hours=50_000), 60).failures_per_day == pytest.approx(24 * 1000 / 50_000)


def test_goodput_of_rare_failures_is_what_one_loses_times_how_often() -> None:
    found = goodput(spec(gpu_mtbf_hours=50_000, restart_s=600), 60)
    a_second = 500 / (50_000 * 3600)
    assert 1 - found.share == pytest.approx(a_second * (600 + 300), rel=0.01), (
        "half of ten steps, and the restart"
    )


def test_a_run_that_never_gets_to_its_checkpoint_gets_nothing_done() -> None:
    assert goodput(spec(gpu_mtbf_hours=1e-3), 600).share == 0


def test_the_best_interval_and_the_spares() -> None:
    made = spec(gpu_mtbf_hours=50_000, engine_recovery_s=3600)
    assert best_interval_s(made) == pytest.approx(math.sqrt(2 * 20 * 100 * 3600))
    # a mean of .01 engines is down: none is enough in exp(-.01) = 99.005% of the time
    assert spare_engines(made) == 0
    assert spare_engines(made, enough=0.995) == 1
