"""Storages are emptied and filled again under tensors, views and optimizer states that stay what they are."""

from typing import Any

import numpy as np
import torch
from torch import nn

from rl.learner.models import Models
from rl.learner.offloaded import OffloadedState


class Flat(nn.Module):
    """Two layers whose weights are views of one buffer, as ZeRO lays them, and one that is tied to the
    first."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.tied = (nn.Linear(64, 64, bias=False) for _ in range(3))
        self.flat = torch.randn(2, 64, 64)
        self.first.weight.data, self.second.weight.data = self.flat[0], self.flat[1]
        self.tied.weight = self.first.weight
        self.register_buffer("scale", torch.ones(512))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.tied(self.second(self.first(x))) * self.scale[0]


def trained(*, away: bool) -> tuple[list[torch.Tensor], Any]:
    torch.manual_seed(0)
    model, hidden = Flat(), torch.randn(4096)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    state = OffloadedState(
        [model, {"optimizer": [optimizer], "closure": lambda: hidden}], torch.device("cpu")
    )
    for step in range(3):
        model(torch.randn(4, 64, generator=torch.Generator().manual_seed(step))).square().mean().backward()
        if away:
            before = state.left_bytes()
            assert state.offload() == state.offload() == state.moved_bytes and state.is_away
            assert model.first.weight.untyped_storage().nbytes() == 0, "the memory is gone"
            assert hidden.untyped_storage().nbytes() == 0, "what a closure holds too"
            assert state.left_bytes() + state.moved_bytes == before
            state.reload()
            assert not state.is_away and state.left_bytes() == before
        optimizer.step()
        optimizer.zero_grad(set_to_none=step == 0)
    return [p.detach().clone() for p in model.parameters()], model


def test_what_leaves_comes_back_bit_for_bit_and_views_stay_views() -> None:
    expected, _ = trained(away=False)
    got, model = trained(away=True)
    assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))
    assert model.first.weight.data_ptr() == model.flat.data_ptr()
    assert model.tied.weight is model.first.weight
    model.flat.zero_()
    assert not model.second.weight.any(), "the flat buffer is still under the weights"


def test_what_lies_on_another_device_stays_there() -> None:
    here, there = torch.ones(8), torch.ones(8, device="meta")
    state = OffloadedState([[here, there]], torch.device("cpu"))
    assert state.offload() == 32
    state.reload()
    assert here.tolist() == [1.0] * 8


def test_weights_in_a_mapped_file_leave_too_and_views_of_one_piece_stay_so() -> None:
    """NumPy's memory stands for the file's: torch cannot resize either."""
    whole = torch.from_numpy(np.ones(8, dtype=np.float32))
    half = nn.Parameter(whole[4:])
    state = OffloadedState([[whole, half]], torch.device("cpu"))
    assert state.offload() == 32 and state.left_bytes() == 0
    state.reload()
    with torch.no_grad():
        half.fill_(2)
    assert whole.tolist() == [1.0] * 4 + [2.0] * 4


def test_models_of_a_rank_are_looked_into() -> None:
    """They stand in classes with slots."""
    weight = torch.ones(8)
    models = Models(engine=nn.ParameterList([nn.Parameter(weight)]), critic=None, reference=lambda *_: weight)
    assert OffloadedState([models], torch.device("cpu")).offload() == 32
