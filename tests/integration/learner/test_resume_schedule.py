"""A resumed run goes on where its schedule was, the critic's included, and ends on the floor."""

from pathlib import Path

import pytest

from tests.integration.learner.batches import make_batch
from tests.integration.learner.learner_host import Hosts

BATCHES = [make_batch(seed) for seed in range(10)]
TOTAL = 10
"""Batches of a run of ``Hosts.build``."""


@pytest.mark.parametrize(
    ("schedule", "shape"),
    [
        ("rex", {}),
        ("wsd", {"decay_share": 0.5, "decay_shape": "sqrt"}),
        ("power", {"exponent": 0.7}),
        ("uba", {"phi": 5.0}),
    ],
)
def test_learning_rates_of_an_interrupted_run_are_those_of_a_whole_one(
    hosts: Hosts, tiny_llama: Path, tmp_path: Path, schedule: str, shape: dict
) -> None:
    from rl.config.learner import LearnerConfig
    from rl.learner.schedules import lr_multiplier

    falling = {"name": schedule, "min_lr_ratio": 0.1, **shape}
    config = {"schedule": falling, "warmup_steps": 2, "lr": 1e-3}
    multiplier = lr_multiplier(LearnerConfig.model_validate(config), total_updates=TOTAL)
    rates: list[float] = []
    for part in (BATCHES[:4], BATCHES[4:]):
        hosts.build(tiny_llama, **config)
        if rates:
            hosts.call("load", str(tmp_path / "save"))
        rates += [hosts.call("train", batch).metrics["learner/lr"] for batch in part]
        hosts.call("save", str(tmp_path / "save"))
        hosts.call("wait_saved")
    assert rates == pytest.approx([1e-3 * multiplier(update) for update in range(TOTAL)], rel=1e-12)
    assert rates[0] == 0.5e-3 and rates[-1] == pytest.approx(1e-4)


def test_a_policy_that_waits_for_its_critic_still_ends_on_the_floor(
    hosts: Hosts, tiny_llama: Path, tmp_path: Path
) -> None:
    algorithm = {"advantage": {"name": "gae", "critic": {"name": "separate", "lr": 1e-2, "warmup_steps": 3}}}
    config = {
        "schedule": {"name": "linear", "min_lr_ratio": 0.25},
        "lr": 1e-3,
        "algorithm": algorithm,
        "world": 2,
        "zero_stage": 3,
    }
    rates: list[float] = []
    for part in (BATCHES[:5], BATCHES[5:]):
        hosts.build(tiny_llama, **config)
        if rates:
            hosts.call("load", str(tmp_path / "save"))
        rates += [hosts.call("train", batch).metrics["learner/lr"] for batch in part]
        hosts.call("save", str(tmp_path / "save"))
        hosts.call("wait_saved")
    falling = [1e-3 * (1 - 0.75 * step / 6) for step in range(7)]
    assert rates == pytest.approx([1e-3] * 3 + falling)
