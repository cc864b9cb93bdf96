"""A copy of a checkpoint with quantised weights, in compressed-tensors' format, which vLLM serves with real
integer kernels.

8 bits: W8A8, symmetric weights with one scale for each output channel, activations quantised token by token
as they come. 4 bits: W4A16, symmetric weights with one scale for each ``GROUP`` inputs, eight to an int32.
Embeddings, the output head and norms stay as they are. Rounding to nearest, without calibration.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from rollout.checkpoint_shapes import checkpoint_files

BITS = (8, 4)
GROUP = 32
"""Inputs that share a scale at 4 bits."""
LAYERS = "_proj.weight"
"""Linear layers of Llama, Mistral, Qwen, Gemma, SmolLM and their like."""
SAFE = ".safetensors"


def write_quantised(model: Path, to: Path, bits: int) -> int:
    """Write the copy; returns how many weights were quantised.

    Raises:
        ValueError: other bits, a model whose linear layers have other names or more dimensions, inputs that
            do not divide into groups, or one that is quantised already.
    """
    if bits not in BITS:
        raise ValueError(f"--bits {bits}: quantised weights are written with {' or '.join(map(str, BITS))}")
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    if "quantization_config" in config:
        raise ValueError(f"--bits {bits}: {model} is quantised already; give the model that it was made of")
    to.mkdir(parents=True)
    for file in model.iterdir():
        if file.is_file() and file.suffix != SAFE and not file.name.endswith(".index.json"):
            shutil.copy(file, to)
    made: dict[str, Tensor] = {}
    count = 0
    for file in checkpoint_files(model):
        for name, tensor in load_file(file).items():
            if name.endswith(LAYERS) and tensor.dim() == 2:
                stem = name.removesuffix("weight")
                made |= {stem + part: value for part, value in quantise(tensor, bits, name).items()}
                count += tensor.numel()
            else:
                made[name] = tensor
    if not count:
        raise ValueError(
            f"--bits {bits}: {model} has no linear layers named ..{LAYERS} (model_type"
            f" {config.get('model_type')}); only models with such layers can be quantised here"
        )
    save_file(made, to / "model.safetensors", metadata={"format": "pt"})
    config["quantization_config"] = scheme(bits)
    (to / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return count


def scheme(bits: int) -> dict[str, Any]:
    """compressed-tensors' description, as its 0.9 and later write it."""
    weights = {"num_bits": bits, "type": "int", "symmetric": True, "dynamic": False}
    if bits == 8:
        activations = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "token", "dynamic": True}
        group = {"targets": ["Linear"], "weights": weights | {"strategy": "channel"}}
        group["input_activations"] = activations
    else:
        group = {"targets": ["Linear"], "weights": weights | {"strategy": "group", "group_size": GROUP}}
    return {
        "quant_method": "compressed-tensors",
        "format": "int-quantized" if bits == 8 else "pack-quantized",
        "quantization_status": "compressed",
        "ignore": ["lm_head"],
        "config_groups": {"group_0": group},
    }


def quantise(weight: Tensor, bits: int, name: str = "") -> dict[str, Tensor]:
    """[out, in] as the tensors of its format: 8 bits: ``weight`` int8 [out, in] and ``weight_scale``
    [out, 1]; 4 bits: ``weight_packed`` int32 [out, in / 8], ``weight_scale`` [out, in / GROUP] and
    ``weight_shape``."""
    rows, columns = weight.shape
    group = columns if bits == 8 else GROUP
    if columns % group:
        raise ValueError(f"--bits {bits}: {name} has {columns} inputs, which {group} does not divide")
    top = 2 ** (bits - 1) - 1
    groups = weight.float().view(rows, -1, group)
    scale = groups.abs().amax(dim=2, keepdim=True).clamp_min(1e-12) / top
    rounded = torch.round(groups / scale).clamp(-top, top).view(rows, columns)
    scales = scale.squeeze(2)
    if bits == 8:
        return {"weight": rounded.to(torch.int8), "weight_scale": scales}
    # Unsigned with an offset of 8, the first of eight in the lowest bits.
    nibbles = (rounded.to(torch.int64) + 8).view(rows, -1, 8)
    packed = (nibbles << (4 * torch.arange(8))).sum(dim=2)
    packed = torch.where(packed >= 2**31, packed - 2**32, packed).to(torch.int32)
    return {"weight_packed": packed, "weight_scale": scales, "weight_shape": torch.tensor([rows, columns])}
