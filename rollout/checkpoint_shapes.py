"""What a checkpoint holds, without reading it."""

import json
import re
from pathlib import Path
from typing import Any

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
COMPUTED = (r"rotary_emb\.inv_freq",)
"""Names that old checkpoints hold and every model computes."""


def checkpoint_files(directory: Path) -> list[Path]:
    """The safetensors files of a checkpoint: those of its index, else the single one, else every one; empty if there are none.

    Some directories hold a second copy of the weights under other names (Mistral's ``consolidated.safetensors``).
    """
    index = directory / INDEX
    if index.is_file():
        return [directory / name for name in sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))]
    single = directory / SINGLE
    return [single] if single.is_file() else sorted(directory.glob("*.safetensors"))


def checkpoint_shapes(directory: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor in the safetensors files of a checkpoint, read from their headers; empty if there are none."""
    shapes: dict[str, tuple[int, ...]] = {}
    for path in checkpoint_files(directory):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        shapes |= {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}
    return shapes


def weight_shapes(directory: Path, config: Any) -> dict[str, tuple[int, ...]]:
    """``checkpoint_shapes`` without what the model of this transformers config does not read.

    Such are the attention masks in GPT-2's and GPT-NeoX's files, and the layers for multi-token prediction in DeepSeek-V3's.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    model = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    patterns = [*COMPUTED, *(getattr(model, "_keys_to_ignore_on_load_unexpected", None) or [])]
    # From the start of a part of the name: transformers' "attn.bias" is not meant for "c_attn.bias".
    unread = re.compile("|".join(rf"(?:^|\.)(?:{pattern})" for pattern in patterns))
    return {name: shape for name, shape in checkpoint_shapes(directory).items() if not unread.search(name)}
