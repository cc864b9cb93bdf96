"""What must not change with ranks, ZeRO stage, offloading, recomputation or shared sequences, beyond the
plain policy update."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.integration.learner.batches import make_batch
from tests.integration.learner.curves import BATCHES, assert_same, one_rank, run_curve
from tests.integration.learner.learner_host import Hosts

PPO = {
    "advantage": {"name": "gae", "critic": {"name": "separate", "lr": 1e-3}},
    "kl": {"coefficient": 0.1, "estimator": "k3", "place": "loss"},
}
ULYSSES = {"name": "varlen", "sequence_parallel": 2}
SHARED_CRITIC = PPO | {"advantage": {"name": "gae", "critic": "shared"}}
LORA = {"r": 4, "alpha": 8}
CRITIC_KEYS = (
    "loss/total",
    "loss/kl_reference",
    "critic/loss",
    "critic/value_mean",
    "critic/explained_variance",
)
EVERY = [(world, stage) for world in (1, 2) for stage in (0, 1, 2, 3)]
FEW_TOKENS = 70


@pytest.mark.parametrize(("world", "stage"), EVERY[1:])
def test_ppo_with_a_critic_and_a_reference_follows_one_rank(
    hosts: Hosts, tiny_llama: Path, world: int, stage: int
) -> None:
    expected = one_rank(hosts, tiny_llama, algorithm=PPO)
    assert expected[0][2].metrics["loss/kl_reference"] > 1e-5, "the policy must have left its reference"
    assert expected[0][2].metrics["critic/value_mean"] != 0
    hosts.build(tiny_llama, world=world, zero_stage=stage, algorithm=PPO, micro_batch_tokens=FEW_TOKENS)
    got = run_curve(hosts)
    assert_same(got, expected, keys=CRITIC_KEYS)
    for result, other in zip(got[0], expected[0], strict=True):
        assert result.metrics["critic/grad_norm"] == pytest.approx(
            other.metrics["critic/grad_norm"], rel=1e-3
        )


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_ppo_in_bfloat16_runs_at_every_stage(hosts: Hosts, tiny_llama: Path, stage: int) -> None:
    expected = one_rank(hosts, tiny_llama, algorithm=PPO)
    hosts.build(
        tiny_llama, world=2, zero_stage=stage, dtype="bfloat16", algorithm=PPO, micro_batch_tokens=FEW_TOKENS
    )
    got = run_curve(hosts)
    for result, other in zip(got[0], expected[0], strict=True):
        for key in ("loss/total", "critic/loss"):
            assert result.metrics[key] == pytest.approx(other.metrics[key], abs=2e-2), key


@pytest.mark.parametrize(("world", "stage"), [(2, 2), (2, 3)])
def test_a_critic_on_the_policys_trunk_follows_one_rank(
    hosts: Hosts, tiny_llama: Path, world: int, stage: int
) -> None:
    expected = one_rank(hosts, tiny_llama, algorithm=SHARED_CRITIC)
    hosts.build(
        tiny_llama, world=world, zero_stage=stage, algorithm=SHARED_CRITIC, micro_batch_tokens=FEW_TOKENS
    )
    assert_same(run_curve(hosts), expected, keys=CRITIC_KEYS)


@pytest.mark.parametrize(("world", "stage"), [(2, 1), (2, 2), (2, 3)])
def test_the_base_under_an_adapter_is_the_reference_at_every_stage(
    hosts: Hosts, tiny_llama: Path, world: int, stage: int
) -> None:
    algorithm = {"kl": {"coefficient": 0.1, "policy": "adapter_off"}}
    expected = one_rank(hosts, tiny_llama, algorithm=algorithm, lora=LORA, lr=1e-2)
    assert expected[0][2].metrics["loss/kl_reference"] > 1e-5
    hosts.build(
        tiny_llama,
        world=world,
        zero_stage=stage,
        algorithm=algorithm,
        lora=LORA,
        lr=1e-2,
        micro_batch_tokens=FEW_TOKENS,
    )
    assert_same(run_curve(hosts), expected, keys=("loss/total", "loss/kl_reference"))


def test_recomputing_activations_leaves_the_gradients(hosts: Hosts, tiny_llama: Path) -> None:
    gradients = []
    for on in (False, True):
        hosts.build(tiny_llama, gradient_checkpointing=on, micro_batch_tokens=FEW_TOKENS)
        gradients.append(hosts.run("train_and_capture", BATCHES[0])[1])
        assert hosts.run("recomputes") is on
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        np.testing.assert_allclose(gradients[1][name], gradient, rtol=0, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("stage", [2, 3])
def test_recomputing_activations_leaves_the_curve_of_sharded_ranks(
    hosts: Hosts, tiny_llama: Path, stage: int
) -> None:
    expected = one_rank(hosts, tiny_llama)
    hosts.build(
        tiny_llama, world=2, zero_stage=stage, gradient_checkpointing=True, micro_batch_tokens=FEW_TOKENS
    )
    assert_same(run_curve(hosts), expected, keys=("loss/total",))


@pytest.mark.parametrize(
    ("world", "stage", "dtype", "parameters"),
    [
        (1, 1, "float32", "none"),
        (2, 1, "float32", "none"),
        (1, 2, "float32", "none"),
        (2, 2, "float32", "none"),
        (1, 3, "float32", "none"),
        (2, 3, "float32", "none"),
        (2, 3, "float32", "cpu"),
        (2, 1, "bfloat16", "none"),
        (2, 2, "bfloat16", "none"),
        (2, 3, "bfloat16", "cpu"),
    ],
)
def test_offloading_follows_one_rank(
    hosts: Hosts, tiny_llama: Path, world: int, stage: int, dtype: str, parameters: str
) -> None:
    """On CPU nothing moves (the config check says so), but DeepSpeed's code for it runs, our finite check
    with it."""
    expected = one_rank(hosts, tiny_llama)
    hosts.build(
        tiny_llama,
        world=world,
        zero_stage=stage,
        dtype=dtype,
        offload={"optimizer": "cpu", "parameters": parameters},
        micro_batch_tokens=FEW_TOKENS,
    )
    bounds = {} if dtype == "float32" else {"atol": 5e-3, "weights": 2e-2}
    assert_same(run_curve(hosts), expected, keys=("loss/total",), **bounds)


@pytest.mark.parametrize(
    ("stage", "likelihood"),
    [(0, "token_ratio"), (2, "token_ratio"), (3, "token_ratio"), (0, "sequence_ratio")],
)
def test_ranks_that_share_sequences_follow_one_rank(
    hosts: Hosts, tiny_llama: Path, stage: int, likelihood: str
) -> None:
    """DeepSpeed's exchange of heads over gloo, a row at a time; on GPUs the rows are packed."""
    algorithm = {"likelihood": likelihood, "kl": {"coefficient": 0.1}}
    expected = one_rank(hosts, tiny_llama, algorithm=algorithm)
    hosts.build(
        tiny_llama, world=2, zero_stage=stage, algorithm=algorithm, packing=ULYSSES, micro_batch_tokens=1
    )
    # A NaN advantage leaves GSPO's gradient finite, so there is nothing to refuse.
    got = run_curve(hosts, with_nan=likelihood == "token_ratio")
    assert_same(got, expected, keys=("loss/total", "loss/kl_reference", "learner/trained_tokens"))


@pytest.mark.parametrize("stage", [0, 3])
def test_ranks_that_share_sequences_score_like_one(hosts: Hosts, tiny_llama: Path, stage: int) -> None:
    sequences = [[5, 6, 7, 8, 9], [3, 4], list(range(20))]
    hosts.build(tiny_llama)
    expected = hosts.call("score", sequences)
    hosts.build(tiny_llama, world=2, zero_stage=stage, packing=ULYSSES, micro_batch_tokens=1)
    for got, alone in zip(hosts.call("score", sequences), expected, strict=True):
        np.testing.assert_allclose(got, alone, atol=1e-5)
    hosts.build(tiny_llama)  # and nothing of it stays behind in transformers' table of attentions
    assert hosts.call("score", sequences) == expected


def test_a_step_that_is_refused_says_so_for_each_of_its_updates(hosts: Hosts, tiny_llama: Path) -> None:
    """Two updates on one batch, the second of them poisoned: the first one stands, and the result tells."""
    whole = make_batch(5, sizes=(4, 3, 5, 2))
    rewards = whole.rewards.copy()
    rewards[4] = np.nan  # in group 1, which the second update trains on
    for world, stage in ((1, 0), (2, 3)):
        hosts.build(tiny_llama, world=world, zero_stage=stage, updates_per_batch=2)
        before = hosts.run("weights")
        result = hosts.call("train", replace(whole, rewards=rewards))
        after = hosts.run("weights")
        assert not result.applied and result.detail["updates"] == 2
        assert not np.isfinite(result.metrics["learner/grad_norm"])
        assert any(not np.array_equal(before[n], after[n]) for n in before)
