"""The reference policy: where it comes from, and that its KL holds the policy near it."""

from pathlib import Path

import numpy as np
import pytest

from rl.batch.types import TrainingBatch
from tests.integration.learner.learner_host import Hosts
from tests.integration.learner.recorded import record, sequence_logprob

LORA = {"r": 4, "alpha": 8}


@pytest.fixture(scope="module")
def batch(tiny_llama: Path) -> TrainingBatch:
    return record(tiny_llama, seed=2)


def kl(**fields: object) -> dict:
    return {"kl": {"coefficient": 0.5, "estimator": "k3", "place": "loss", **fields}}


@pytest.mark.parametrize(
    ("policy", "lora", "world", "stage"),
    [
        ("copy", None, 1, 0),
        ("copy", None, 2, 3),
        ("adapter_off", LORA, 1, 0),
        ("auto", LORA, 2, 3),
        ("copy", LORA, 1, 0),
    ],
)
def test_the_kl_is_zero_at_the_base_and_grows_away_from_it(
    hosts: Hosts,
    tiny_llama: Path,
    batch: TrainingBatch,
    policy: str,
    lora: dict | None,
    world: int,
    stage: int,
) -> None:
    hosts.build(
        tiny_llama,
        world=world,
        algorithm=kl(policy=policy, coefficient=1e-6),
        lr=3e-3,
        lora=lora,
        zero_stage=stage,
    )
    measured = [hosts.call("train", batch).metrics["loss/kl_reference"] for _ in range(2)]
    # Against the sampler's log-probs, which are the base's own: nothing moves this on recorded rollouts.
    assert measured[0] == pytest.approx(0, abs=1e-6) and measured[1] == pytest.approx(0, abs=1e-6)


def test_adapter_off_is_the_base_also_after_training(
    hosts: Hosts, tiny_llama: Path, batch: TrainingBatch
) -> None:
    """Were the reference to drift with the adapter, its log-probs would leave those that were recorded from
    the base."""
    hosts.build(tiny_llama, algorithm=kl(coefficient=1e-6), lr=1e-2, lora=LORA)
    base = sequence_logprob(hosts.run("weights"), tiny_llama, batch)
    for _ in range(4):
        metrics = hosts.call("train", batch).metrics
    moved = sequence_logprob(hosts.run("weights"), tiny_llama, batch)
    assert np.abs(moved - base).mean() > 0.05
    assert metrics["loss/kl_reference"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("place", ["loss", "reward"])
def test_a_strong_kl_holds_the_policy_near_the_base(
    hosts: Hosts, tiny_llama: Path, batch: TrainingBatch, place: str
) -> None:
    """In the reward it is paid where the sampler left the base: on the base's own rollouts nowhere, so only
    the loss binds."""
    away = {}
    for coefficient in (1e-6, 20.0):
        hosts.build(
            tiny_llama, algorithm=kl(place=place, coefficient=coefficient) | {"advantage": "dr_grpo"}, lr=1e-3
        )
        base = sequence_logprob(hosts.run("weights"), tiny_llama, batch)
        for _ in range(8):
            hosts.call("train", batch)
        away[coefficient] = float(
            np.abs(sequence_logprob(hosts.run("weights"), tiny_llama, batch) - base).mean()
        )
    if place == "loss":
        assert away[20.0] < 0.5 * away[1e-6], away
    else:
        assert away[20.0] == pytest.approx(away[1e-6], rel=1e-3), away


def test_kl_in_the_reward_moves_the_advantages(hosts: Hosts, tiny_llama: Path, batch: TrainingBatch) -> None:
    """Rollouts of a sampler that has left the base: tokens it has made likelier cost, and an all-equal group
    gets a gradient."""
    from dataclasses import replace

    draw = np.random.default_rng(0)
    shifted = replace(
        batch,
        rewards=np.zeros_like(batch.rewards),
        behavior_logprobs=np.where(
            batch.loss_mask, batch.behavior_logprobs + draw.normal(0, 0.5, len(batch.loss_mask)), 0
        ).astype(np.float32),
    )
    hosts.build(tiny_llama, algorithm={"advantage": "dr_grpo"})
    assert hosts.call("train", shifted).metrics["learner/zero_advantage_frac"] == 1
    hosts.build(tiny_llama, algorithm=kl(place="reward", estimator="k1") | {"advantage": "dr_grpo"})
    metrics = hosts.call("train", shifted).metrics
    assert metrics["learner/zero_advantage_frac"] == 0 and metrics["loss/kl_reference"] != 0
