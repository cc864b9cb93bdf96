"""Copies recorded from one load and made again from the next buffer: the model must hold the same bits."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from rollout.weight_buffer import WeightBuffer, plan_layout
from rollout.weight_copies import recorded_copies

SHAPES = {"q": (4, 6), "k": (2, 6), "down": (6, 8), "embed": (5, 6), "norm": (6,)}


class Fused(nn.Module):
    """Loads as vLLM's models do: q and k into one matrix, half of ``down``'s columns, padded rows zeroed."""

    def __init__(self) -> None:
        super().__init__()
        self.qk = nn.Parameter(torch.full((6, 6), torch.nan), requires_grad=False)
        self.down = nn.Parameter(torch.full((6, 4), torch.nan), requires_grad=False)
        self.embed = nn.Parameter(torch.full((8, 6), torch.nan), requires_grad=False)
        self.norm = nn.Parameter(torch.full((6,), torch.nan, dtype=torch.bfloat16), requires_grad=False)

    def load_weights(self, tensors: Iterable[tuple[str, torch.Tensor]]) -> None:
        own = dict(tensors)
        self.qk.data.narrow(0, 0, 4).copy_(own["q"])
        self.qk.data.narrow(0, 4, 2).copy_(own["k"])
        self.down.data.copy_(own["down"].narrow(1, 4, 4))
        self.embed[:5].data.copy_(own["embed"])
        self.embed[5:].data.fill_(0)
        self.norm.data.copy_(own["norm"])


@pytest.fixture
def buffers(tmp_path: Path) -> Iterator[list[WeightBuffer]]:
    """Two of one layout, with different numbers."""
    specs = plan_layout((name, "float32", shape) for name, shape in SHAPES.items())
    made = [WeightBuffer.create(tmp_path / f"weights-{i}", specs) for i in range(2)]
    for seed, buffer in enumerate(made):
        generator = torch.Generator().manual_seed(seed)
        for name, shape in SHAPES.items():
            buffer.write(name, torch.randn(shape, generator=generator))
    yield made
    for buffer in made:
        buffer.close()


@pytest.mark.parametrize("threads", [1, 2])
def test_copies_made_again_are_a_load(
    buffers: list[WeightBuffer], monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    model, judge = Fused(), Fused()
    with recorded_copies(model, buffers[0]) as found:
        model.load_weights(buffers[0].tensors())
    (copies,) = found
    assert copies.fit(model)
    copies.make(buffers[1])
    judge.load_weights(buffers[1].tensors())
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, judge.get_parameter(name)), name
    assert not torch.equal(buffers[0].strided(torch.float32, (4, 6), (6, 1), 0), model.qk[:4])


def test_a_parameter_that_moved_is_noticed(buffers: list[WeightBuffer]) -> None:
    model = Fused()
    with recorded_copies(model, buffers[0]) as found:
        model.load_weights(buffers[0].tensors())
    model.qk.data = model.qk.data.clone()
    assert not found[0].fit(model)


class Computed(Fused):
    """Stores the sum of two tensors."""

    def load_weights(self, tensors: Iterable[tuple[str, torch.Tensor]]) -> None:
        own = dict(tensors)
        self.norm.data.copy_(own["norm"] + own["embed"][0])


class InPlace(Fused):
    """Changes what it copied."""

    def load_weights(self, tensors: Iterable[tuple[str, torch.Tensor]]) -> None:
        super().load_weights(tensors)
        self.norm.data.add_(1)


class Swapped(Fused):
    """Serves the buffer's own memory."""

    def load_weights(self, tensors: Iterable[tuple[str, torch.Tensor]]) -> None:
        self.qk.data = dict(tensors)["embed"]


class Spread(Fused):
    """Copies one row into all."""

    def load_weights(self, tensors: Iterable[tuple[str, torch.Tensor]]) -> None:
        self.embed.data.copy_(dict(tensors)["norm"])


@pytest.mark.parametrize("kind", [Computed, InPlace, Swapped, Spread])
def test_what_is_more_than_copies_is_not_recorded(buffers: list[WeightBuffer], kind: type[Fused]) -> None:
    model = kind()
    with recorded_copies(model, buffers[0]) as found:
        model.load_weights(buffers[0].tensors())
    assert found == []
