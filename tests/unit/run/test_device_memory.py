"""Memory of a shared device against sums by hand."""

from pathlib import Path

import pytest

from rl.commands.doctor.tiny_model import write_tiny_model
from rl.config.load import load_config
from rl.learner.memory import sizes
from rl.run.device_memory import CONTEXT, activation_bytes, residents
from rollout.checkpoint_shapes import checkpoint_shapes

GPU = ["rollout.num_engines=1", "learner.num_ranks=1"]
DEVICE = 1_000_000_000


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("base"))


def test_in_turns_the_peak_is_the_larger_half_and_side_by_side_the_sum(base: Path) -> None:
    in_turns = load_config("debug", ["cluster=colocated", *GPU])
    count = sizes(checkpoint_shapes(base), in_turns.learner).parameters
    found = residents(in_turns, base, device=DEVICE)
    assert found.engine == {"weights": 2 * count, "cache": int(DEVICE * 0.85) - 2 * count}
    state = {"parameters": 2 * count, "gradients": 6 * count, "optimizer": 12 * count}
    activations = activation_bytes(in_turns, base)
    assert found.learner == {**state, "activations": activations}
    assert found.engines_turn == 2 * CONTEXT + int(DEVICE * 0.85)
    assert found.learners_turn == 2 * CONTEXT + 20 * count + activations
    assert found.peak == max(found.engines_turn, found.learners_turn)
    assert found.on_host == (20 + 2) * count, "level 1 keeps the engine's weights"
    side_by_side = residents(load_config("debug", ["cluster=gpu1", *GPU]), base, device=DEVICE)
    both = int(DEVICE * 0.4) + 20 * count + side_by_side.learner["activations"]
    assert side_by_side.engines_turn == side_by_side.learners_turn == 2 * CONTEXT + both
    assert side_by_side.on_host == 0


def test_an_engine_without_weights_and_a_device_that_nobody_knows(base: Path) -> None:
    config = load_config("debug", ["cluster=colocated", "cluster.sleep_level=2", *GPU])
    found = residents(config, base, device=None)
    count = sizes(checkpoint_shapes(base), config.learner).parameters
    assert found.on_host == 20 * count and found.engine["cache"] == 0


def test_activations_follow_tokens_layers_and_the_vocabulary(base: Path) -> None:
    plain = ["learner.gradient_checkpointing=false", "learner.micro_batch_tokens=1000"]
    one = activation_bytes(load_config("debug", plain), base)
    two = activation_bytes(load_config("debug", [*plain, "learner.micro_batch_tokens=2000"]), base)
    again = activation_bytes(load_config("debug", [*plain, "learner.gradient_checkpointing=true"]), base)
    assert two == 2 * one and again < one
    few = activation_bytes(load_config("debug", [*plain, "learner.logits_per_chunk=1"]), base)
    assert one - few > 0, "logits count until they are made in chunks"
