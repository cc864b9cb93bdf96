"""Bytes of a learner's state against sums by hand."""

import pytest

from rl.config.algorithm import AlgorithmConfig
from rl.config.learner import LearnerConfig, LoraConfig
from rl.learner.memory import GIB, Sizes, learner_bytes, shortage, sizes, snapshot_bytes, state_bytes

BILLION = Sizes(1_000_000_000, 0)


@pytest.mark.parametrize(
    ("config", "bytes_each"),
    [
        ({"dtype": "bfloat16"}, 20),
        ({"dtype": "bfloat16", "zero_stage": 1, "num_ranks": 4}, 2 + 2 + 4 + 12 / 4),
        ({"dtype": "bfloat16", "zero_stage": 2, "num_ranks": 4}, 2 + 2 + 4 / 4 + 12 / 4),
        ({"dtype": "bfloat16", "zero_stage": 3, "num_ranks": 8}, 18 / 8),
        ({"dtype": "bfloat16", "zero_stage": 3, "num_ranks": 8, "offload": {"optimizer": "cpu"}}, 6 / 8),
        (
            {
                "dtype": "bfloat16",
                "zero_stage": 3,
                "num_ranks": 8,
                "offload": {"optimizer": "cpu", "parameters": "cpu"},
            },
            4 / 8,
        ),
        ({"dtype": "float32"}, 16),
        ({"dtype": "float32", "num_ranks": 2, "sync": {"name": "diloco"}}, 16 + 8),
        ({"dtype": "float32", "zero_stage": 2, "num_ranks": 2}, 4 + 4 / 2 + 12 / 2),
    ],
)
def test_bytes_of_a_trained_parameter(config: dict, bytes_each: float) -> None:
    assert state_bytes(BILLION, LearnerConfig(**config)) == pytest.approx(bytes_each * 1e9, rel=1e-6)


def test_adapters_train_little_and_freeze_the_rest() -> None:
    shapes = {
        "model.embed_tokens.weight": (100, 8),
        "layers.0.q.weight": (8, 8),
        "layers.0.up.weight": (16, 8),
        "norm.weight": (8,),
    }
    size = sizes(shapes, LearnerConfig(lora=LoraConfig(r=2)))
    assert size == Sizes(800 + 64 + 128 + 8, 2 * (16 + 24))
    assert state_bytes(size, LearnerConfig(dtype="bfloat16", lora=LoraConfig(r=2))) == 2 * 1000 + 20 * 80


def test_a_critic_and_a_reference_count() -> None:
    bf16 = LearnerConfig(dtype="bfloat16", zero_stage=3, num_ranks=4)
    ppo = AlgorithmConfig.model_validate(
        {"advantage": {"name": "gae", "critic": "separate"}, "kl": {"coefficient": 0.1}}
    )
    assert learner_bytes(BILLION, bf16, ppo) == {
        "policy": 4_500_000_000,
        "critic": 4_500_000_000,
        "reference": 500_000_000,
    }
    assert learner_bytes(BILLION, bf16, AlgorithmConfig()) == {"policy": 4_500_000_000}


@pytest.mark.parametrize(
    ("config", "bytes_each"),
    [
        ({"dtype": "float32"}, 12),
        ({"dtype": "float32", "zero_stage": 1, "num_ranks": 2}, 4 + 12 / 2),
        ({"dtype": "bfloat16"}, 2 + 12),
        ({"dtype": "bfloat16", "zero_stage": 2, "num_ranks": 4}, 2 + 12 / 4),
        ({"dtype": "bfloat16", "zero_stage": 3, "num_ranks": 8}, 12 / 8),
    ],
)
def test_the_copy_for_a_checkpoint_is_weights_masters_and_moments(config: dict, bytes_each: float) -> None:
    learner = LearnerConfig(**config)
    assert snapshot_bytes(BILLION, learner, AlgorithmConfig()) == pytest.approx(bytes_each * 1e9)
    ppo = AlgorithmConfig.model_validate({"advantage": {"name": "gae", "critic": "separate"}})
    assert snapshot_bytes(BILLION, learner, ppo) == pytest.approx(2 * bytes_each * 1e9), "the critic's too"


def test_the_copy_of_adapters_has_the_frozen_base_beside_them() -> None:
    lora = LearnerConfig(dtype="bfloat16", lora=LoraConfig(r=2))
    assert snapshot_bytes(Sizes(1000, 80), lora, AlgorithmConfig()) == 2 * 1000 + (2 + 12) * 80


def test_what_does_not_fit_is_said_with_ways_out() -> None:
    assert shortage({"policy": 30 * GIB}, 40 * GIB) is None
    said = shortage({"policy": 56 * GIB, "reference": 6 * GIB}, 40 * GIB)
    assert (
        said is not None
        and "62.0 GiB" in said
        and "policy 56.0 + reference 6.0" in said
        and "learner.zero_stage=3" in said
    )
