"""What happens to accumulated gradients before a step, as far as it needs no DeepSpeed."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from rl.learner import gradients


def engine_around(module: nn.Module, calls: list[str], *, stage: int = 0) -> SimpleNamespace:
    return SimpleNamespace(
        module=module,
        zero_optimization_stage=lambda: stage,
        buffered_allreduce_fallback=lambda: calls.append("reduced"),
    )


def half_used() -> tuple[nn.Module, torch.Tensor]:
    """Two trainable layers, one with a gradient, and a frozen one."""
    layers = [nn.Linear(2, 1, bias=False) for _ in range(3)]
    layers[2].requires_grad_(False)
    layers[0](torch.ones(1, 2)).sum().backward()
    gradient = layers[0].weight.grad
    assert gradient is not None
    return nn.ModuleList(layers), gradient


def test_the_gradients_of_a_single_rank_stay_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradients.dist, "get_world_size", lambda: 1)
    module, gradient = half_used()
    calls: list[str] = []
    gradients.reduce_unmanaged(engine_around(module, calls))
    used, unused, frozen = (parameter.grad for parameter in module.parameters())
    assert used is gradient and used.tolist() == [[1, 1]] and not calls
    assert unused is not None and unused.tolist() == [[0, 0]], "an optimizer steps all of them or none"
    assert frozen is None


@pytest.mark.parametrize(("stage", "ranks", "expected"), [(0, 2, ["reduced"]), (1, 1, []), (2, 2, [])])
def test_several_ranks_average_at_stage_0_only(
    monkeypatch: pytest.MonkeyPatch, stage: int, ranks: int, expected: list[str]
) -> None:
    monkeypatch.setattr(gradients.dist, "get_world_size", lambda: ranks)
    module, _ = half_used()
    calls: list[str] = []
    gradients.reduce_unmanaged(engine_around(module, calls, stage=stage))
    assert calls == expected
