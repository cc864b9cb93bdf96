"""What is published for engines in bfloat16."""

from pathlib import Path

import numpy as np
import torch

from rl.config.learner import LearnerConfig
from rl.learner.model import load_model
from rl.learner.publishing import WeightPublisher
from rl.learner.weights import iterate_weights
from rollout.weight_buffer import WeightBuffer
from rollout.weight_changes import apply_changes
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


def test_what_changed_since_the_publication_before_is_known_while_both_are_there(tmp_path: Path) -> None:
    model = load_model(str(save_base("llama", tmp_path)), LearnerConfig()).causal_lm
    publisher = WeightPublisher(model, gather=False, is_writer=True)
    first = publisher.publish(1, tmp_path / "run")
    assert first is not None and publisher.changes(first) == ("", []), "there is none before"
    before = [part.copy() for part in publisher.parts(first)]
    with torch.no_grad():
        next(model.parameters())[0] += 1
    second = publisher.publish(2, tmp_path / "run")
    assert second is not None
    since, news = publisher.changes(second)
    assert since == first.checksum
    for part, old, new in zip(publisher.parts(second), before, news, strict=True):
        assert new is not None and new.nbytes < part.nbytes / 4
        target = np.zeros_like(part)
        apply_changes(target, old, new)
        assert np.array_equal(target, part)
    assert publisher.changes(first) == ("", []), "not of an older one"
    publisher.close()
