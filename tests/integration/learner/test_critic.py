"""PPO's critic in real DeepSpeed: learns what it should, leaves the policy alone while it warms up, survives
a checkpoint."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rl.batch.types import TrainingBatch
from tests.integration.learner.learner_host import Hosts
from tests.integration.learner.recorded import record

OWN = {"separate": {"lr": 3e-3}, "shared": {"coefficient": 5.0}}
GAE = {"gamma": 1.0, "lam": 1.0, "whiten": True}


def ppo(kind: str, **critic: object) -> dict:
    return {
        "advantage": {"name": "gae", **GAE, "critic": {"name": kind, **OWN[kind], **critic}},
    }


@pytest.fixture(scope="module")
def batch(tiny_llama: Path) -> TrainingBatch:
    return record(tiny_llama, seed=1)


@pytest.mark.parametrize("kind", ["separate", "shared"])
def test_the_critic_learns_to_foresee_the_reward(
    hosts: Hosts, tiny_llama: Path, batch: TrainingBatch, kind: str
) -> None:
    """The first token decides, so from the second on the value can be known: on fixed rollouts the explained
    variance climbs."""
    hosts.build(tiny_llama, algorithm=ppo(kind, clip=None), lr=3e-3 if kind == "shared" else 1e-5)
    seen = [hosts.call("train", batch).metrics for _ in range(40)]
    assert seen[0]["critic/value_mean"] == 0  # the head starts at zero
    assert abs(seen[0]["critic/explained_variance"]) < 1e-6
    assert seen[-1]["critic/explained_variance"] > 0.5, [m["critic/explained_variance"] for m in seen[::8]]
    assert seen[-1]["critic/loss"] < seen[0]["critic/loss"] / 2
    assert seen[0]["critic/return_mean"] == pytest.approx(float(np.mean(batch.rewards)), abs=1e-5)


@pytest.mark.parametrize("kind", ["separate", "shared"])
def test_the_policy_waits_while_the_critic_warms_up(
    hosts: Hosts, tiny_llama: Path, batch: TrainingBatch, kind: str
) -> None:
    hosts.build(tiny_llama, algorithm=ppo(kind, warmup_steps=2), lr=1e-3)
    start = hosts.run("weights")
    losses = []
    for step in range(3):
        result = hosts.call("train", batch)
        losses.append(result.metrics["critic/loss"])
        assert result.applied
        if kind == "separate" and step < 2:
            assert all((value == start[name]).all() for name, value in hosts.run("weights").items())
            assert "loss/total" not in result.metrics
        if kind == "shared" and step < 2:
            assert result.metrics["loss/total"] == 0  # only the value loss reaches the trunk
    assert losses[1] < losses[0]
    assert any((value != start[name]).any() for name, value in hosts.run("weights").items())
    assert result.metrics["loss/total"] != 0 or result.metrics["learner/grad_norm"] > 0


@pytest.mark.parametrize("kind", ["separate", "shared"])
def test_a_run_goes_on_from_a_checkpoint_as_if_never_stopped(
    hosts: Hosts, tiny_llama: Path, batch: TrainingBatch, kind: str, tmp_path: Path
) -> None:
    algorithm = ppo(kind, warmup_steps=1) | {
        "kl": {"coefficient": 0.1, "estimator": "k1", "place": "reward", "adaptive": {"target": 1e-3}}
    }
    hosts.build(tiny_llama, algorithm=algorithm, lr=1e-3)
    for _ in range(2):
        hosts.call("train", batch)
    hosts.call("save", str(tmp_path / "state"))
    hosts.call("wait_saved")
    straight = [hosts.call("train", batch).metrics for _ in range(2)]
    hosts.build(tiny_llama, algorithm=algorithm, lr=1e-3)
    hosts.call("load", str(tmp_path / "state"))
    resumed = [hosts.call("train", batch).metrics for _ in range(2)]
    for left, right in zip(straight, resumed, strict=True):
        for key in left:
            if not key.endswith("_s"):
                assert left[key] == pytest.approx(right[key], rel=1e-6, abs=1e-9), key
    assert straight[0]["learner/kl_coefficient"] != 0.1, (
        "the adaptive coefficient had moved before the checkpoint"
    )


def test_a_broken_critic_gradient_is_refused_and_the_policy_goes_on(
    hosts: Hosts, tiny_llama: Path, batch: TrainingBatch
) -> None:
    """An infinite reward breaks the targets, and with them both losses; neither engine may step."""
    hosts.build(tiny_llama, algorithm=ppo("separate"))
    start = hosts.run("weights")
    rewards = batch.rewards.copy()
    rewards[0] = np.inf
    result = hosts.call("train", replace(batch, rewards=rewards))
    assert not result.applied and result.metrics["critic/refused_updates"] == 1
    assert all((value == start[name]).all() for name, value in hosts.run("weights").items())
    healthy = hosts.call("train", batch)
    assert healthy.applied and healthy.metrics["critic/value_mean"] == 0
