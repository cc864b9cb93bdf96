"""Quantised copies of a checkpoint: the numbers that its format stands for, and what is refused."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from planner.cost.measured import read_costs
from rl.commands.bench.accuracy import accuracy_of
from rl.commands.bench.quantised import GROUP, quantise, write_quantised


def unpacked(packed: torch.Tensor) -> torch.Tensor:
    """[rows, n] int32 -> [rows, 8 n] of -8..7, the first in the lowest bits."""
    wide = packed.to(torch.int64) % 2**32
    nibbles = torch.stack([(wide >> (4 * i)) & 15 for i in range(8)], dim=2)
    return nibbles.view(packed.shape[0], -1) - 8


@pytest.mark.parametrize(("bits", "most"), [(8, 1 / 127), (4, 1 / 7)])
def test_every_weight_is_rounded_to_the_nearest_step_of_its_scale(bits: int, most: float) -> None:
    weight = torch.randn(6, 2 * GROUP, generator=torch.Generator().manual_seed(0))
    made = quantise(weight, bits)
    if bits == 8:
        assert made["weight"].dtype == torch.int8 and made["weight_scale"].shape == (6, 1)
        back = made["weight"].float() * made["weight_scale"]
    else:
        assert made["weight_packed"].shape == (6, 2 * GROUP // 8)
        assert made["weight_packed"].dtype == torch.int32 and made["weight_shape"].tolist() == [6, 2 * GROUP]
        scales = made["weight_scale"].repeat_interleave(GROUP, dim=1)
        back = unpacked(made["weight_packed"]) * scales
    assert (back - weight).abs().max() <= 0.5 * most * weight.abs().max() + 1e-6
    assert (back - weight).abs().max() > 0


@pytest.fixture
def model(tmp_path: Path) -> Path:
    directory = tmp_path / "model"
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (directory / "tokenizer.json").write_text("{}")
    tensors = {
        "model.embed_tokens.weight": torch.randn(16, 32),
        "model.layers.0.self_attn.q_proj.weight": torch.randn(8, 32),
        "model.norm.weight": torch.ones(32),
    }
    save_file(tensors, directory / "model.safetensors")
    return directory


def test_a_copy_has_its_scheme_and_leaves_the_rest_alone(model: Path, tmp_path: Path) -> None:
    to = tmp_path / "copy"
    assert write_quantised(model, to, 8) == 8 * 32
    before, after = load_file(model / "model.safetensors"), load_file(to / "model.safetensors")
    stem = "model.layers.0.self_attn.q_proj."
    assert after.keys() == before.keys() | {stem + "weight_scale"}
    assert after[stem + "weight"].dtype == torch.int8
    for name in ("model.embed_tokens.weight", "model.norm.weight"):
        assert torch.equal(before[name], after[name])
    scheme = json.loads((to / "config.json").read_text())["quantization_config"]
    group = scheme["config_groups"]["group_0"]
    assert scheme["quant_method"] == "compressed-tensors" and group["weights"]["strategy"] == "channel"
    assert group["input_activations"]["dynamic"] is True and (to / "tokenizer.json").is_file()
    with pytest.raises(ValueError, match="quantised already"):
        write_quantised(to, tmp_path / "again", 8)


def test_what_cannot_be_quantised_is_named(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--bits 3"):
        write_quantised(model, tmp_path / "a", 3)
    save_file({"h.0.attn.c_attn.weight": torch.randn(4, 4)}, model / "model.safetensors")
    with pytest.raises(ValueError, match="no linear layers named"):
        write_quantised(model, tmp_path / "b", 8)
    with pytest.raises(ValueError, match="has 20 inputs, which 32 does not divide"):
        quantise(torch.randn(4, 20), 4, "x")


def test_differences_are_token_by_token() -> None:
    found = accuracy_of([[-1.0, -2.0], [-3.0]], [[-1.5, -2.0], [-2.0]])
    assert (found["tokens"], found["mean"], found["largest"]) == (3, pytest.approx(-0.5 / 3), 1.0)
    assert found["mean_absolute"] == pytest.approx(0.5)


def test_a_file_of_several_formats_is_read_by_bits(tmp_path: Path) -> None:
    cost = {"schema": 1, "seconds_for_each": {"steps": 2.0}, "usd_per_hour": 1.0, "held_out_error": 0.1}
    rows = [{"model": "m", "bits": bits, "cost": cost} for bits in (16, 8)]
    (tmp_path / "cost.json").write_text(json.dumps({"results": rows}))
    assert read_costs([tmp_path / "cost.json"]).keys() == {("m", 16), ("m", 8)}
