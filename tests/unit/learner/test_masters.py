"""A float32 number as its bfloat16 rounding and 16 low bits."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from rl.learner.masters import drawn_low_bits, low_bits, stored_in_bfloat16, with_low_bits


def numbers() -> torch.Tensor:
    """Of all sizes and both signs, powers of two and their neighbours, ties, zeros."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(200_000, generator=generator) * torch.exp(
        8 * torch.randn(200_000, generator=generator)
    )
    powers = 2.0 ** torch.arange(-100, 100).float()
    zero = torch.zeros(1)
    near = torch.cat([torch.nextafter(powers, zero), powers, torch.nextafter(powers, zero + torch.inf)])
    return torch.cat([drawn, near, -near, zero, -zero, torch.tensor([1.01171875, 1.00390625])])


def test_rounding_and_low_bits_are_the_number_again() -> None:
    exact = numbers()
    again = with_low_bits(exact.bfloat16(), low_bits(exact))
    ties = (exact.view(torch.int32) & 0xFFFF) == 0x8000  # one float32 number off where 32,768 has no int16
    assert torch.equal(again[~ties], exact[~ties])
    assert torch.allclose(again[ties], exact[ties], rtol=1.3e-7, atol=0)
    assert not low_bits(exact.bfloat16().float()).any()


def test_drawn_masters_round_to_the_same_weights_and_are_even() -> None:
    rounded = numbers().bfloat16()
    low = drawn_low_bits(rounded, seed=3)
    masters = with_low_bits(rounded, low)
    assert torch.equal(masters.bfloat16(), rounded) and torch.isfinite(masters).all()
    nonzero = low[rounded != 0].double() / 2**15
    assert abs(nonzero.mean()) < 0.01 and nonzero.square().mean() == pytest.approx(1 / 3, abs=0.01)
    assert torch.equal(low, drawn_low_bits(rounded, seed=3))
    assert not torch.equal(low, drawn_low_bits(rounded, seed=4))


@pytest.mark.parametrize("shift", [1e-5, -1e-5])
def test_a_small_update_moves_what_is_served_by_as_much_on_average(shift: float) -> None:
    """Undrawn masters stay in the middle of their interval, and nothing moves."""
    rounded = torch.linspace(-0.2, 0.2, 400_000).bfloat16()
    drawn = with_low_bits(rounded, drawn_low_bits(rounded, seed=0))
    far = rounded.abs() > 0.01
    for masters, expected in ((drawn, shift), (rounded.float(), 0.0)):
        moved = (masters + shift).bfloat16().double() - rounded.double()
        assert float(moved[far].mean()) == pytest.approx(expected, abs=2e-6)


def test_files_say_whether_there_is_more_than_bfloat16(tmp_path: Path) -> None:
    for name, dtype in (("half", torch.bfloat16), ("full", torch.float32), ("fp16", torch.float16)):
        (tmp_path / name).mkdir()
        save_file({"a": torch.ones(2, dtype=dtype)}, tmp_path / name / "model.safetensors")
    assert stored_in_bfloat16(tmp_path / "half")
    assert not stored_in_bfloat16(tmp_path / "full") and not stored_in_bfloat16(tmp_path / "fp16")
    assert not stored_in_bfloat16(tmp_path), "no safetensors: nothing is known"
