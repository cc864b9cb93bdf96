"""Exporting: a Hugging Face model directory that vLLM and transformers load, adapters merged in and beside it
in PEFT's format.

Only the weights are written anew. Every other file is the base's own, copied: its tokenizer, its generation
config (transformers reads some that it refuses to write) and the code of a model that is not part of
transformers. The one change is in ``config.json``, which names the dtype that was written.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rl.learner.adapters import save_adapter
from rl.learner.weights import has_adapters, iterate_weights

WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".msgpack", ".h5")
WRITTEN_HERE = ("config.json",)
DTYPE_FIELDS = ("dtype", "torch_dtype")
"""Fields of ``config.json``; transformers 5 writes the first, older versions read the second."""


def export_model(
    causal_lm: nn.Module,
    directory: Path,
    *,
    model_path: str,
    gather: bool,
    is_writer: bool,
    files_from: str | None = None,
) -> None:
    """Write weights and config, and a trained adapter to ``directory/adapter``; copy the rest from the base
    at ``model_path``.

    The tensors and their names are those of the base's checkpoint, buffers included. A collective; only the
    writer rank holds the model and writes. With ``files_from`` config, tokenizer and the like come from
    there: what lies at ``model_path`` may be another model by now.
    """
    if has_adapters(causal_lm):
        save_adapter(
            causal_lm, directory / "adapter", model_path=model_path, gather=gather, is_writer=is_writer
        )
    state = {}
    for name, tensor in iterate_weights(causal_lm, gather=gather):
        if is_writer:
            state[name] = tensor.detach().to("cpu", copy=True).contiguous()
    if not is_writer:
        return
    from huggingface_hub import save_torch_state_dict

    directory.mkdir(parents=True, exist_ok=True)
    save_torch_state_dict(state, directory)
    files = Path(files_from or model_path)
    copy_files(files, directory)
    _write_config(files, directory, dtype=next(causal_lm.parameters()).dtype)
    for file in directory.glob("*.safetensors"):
        # the Hub's writer leaves them readable by the owner only
        file.chmod((directory / "config.json").stat().st_mode)


def copy_files(base: Path, directory: Path) -> None:
    """Everything of the base but its weights and its config: exact, whatever the class of its tokenizer."""
    for file in base.iterdir():
        skipped = (
            file.suffix in WEIGHT_SUFFIXES or file.name in WRITTEN_HERE or file.name.endswith(".index.json")
        )
        if file.is_file() and not skipped:
            shutil.copyfile(file, directory / file.name)


def _write_config(base: Path, directory: Path, *, dtype: torch.dtype) -> None:
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    if not any(field in config for field in DTYPE_FIELDS):
        config[DTYPE_FIELDS[0]] = ""
    _set_dtype(config, str(dtype).removeprefix("torch."))
    (directory / "config.json").write_text(
        json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def _set_dtype(config: dict[str, Any], dtype: str) -> None:
    """Where the config, or one inside it, names a dtype."""
    for field in DTYPE_FIELDS:
        if field in config:
            config[field] = dtype
    for value in config.values():
        if isinstance(value, dict):
            _set_dtype(value, dtype)
