"""What is published for engines in bfloat16."""

from pathlib import Path

import torch

from rl.config.learner import LearnerConfig
from rl.learner.model import load_model
from rl.learner.publishing import WeightPublisher
from rl.learner.weights import iterate_weights
from rollout.weight_buffer import WeightBuffer
from tests.unit.learner.models.model_bases import save_base


def test_float32_matrices_travel_as_an_engine_in_bf16_would_round_them(tmp_path: Path) -> None:
    model = load_model(str(save_base("llama", tmp_path)), LearnerConfig()).causal_lm
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.001)
    update, rounded = (
        WeightPublisher(model, gather=False, is_writer=True, in_bf16=low).publish(1, tmp_path / str(low))
        for low in (False, True)
    )
    assert update is not None and rounded is not None
    assert sum(t.num_bytes for t in rounded.tensors) < 0.6 * sum(t.num_bytes for t in update.tensors)
    held = dict(WeightBuffer.open(Path(rounded.path), rounded.tensors).tensors())
    for name, tensor in iterate_weights(model, gather=False):
        expected = tensor.bfloat16() if tensor.ndim > 1 else tensor
        assert held[name].dtype == expected.dtype and torch.equal(held[name], expected)
