"""Exporting: a Hugging Face model directory that vLLM and transformers load, adapters merged in and beside it in PEFT's format."""

import shutil
from pathlib import Path

from torch import nn

from rl.learner.adapters import save_adapter
from rl.learner.weights import has_adapters, iterate_weights

WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".msgpack", ".h5")
WRITTEN_HERE = ("config.json", "generation_config.json")


def export_model(causal_lm: nn.Module, directory: Path, *, model_path: str, gather: bool, is_writer: bool) -> None:
    """Write weights, config and tokenizer to ``directory``, and a trained adapter to ``directory/adapter``.

    A collective; only the writer rank holds the model and writes.
    """
    if has_adapters(causal_lm):
        save_adapter(causal_lm, directory / "adapter", model_path=model_path, gather=gather, is_writer=is_writer)
    state = {}
    for name, tensor in iterate_weights(causal_lm, gather=gather):
        if is_writer:
            state[name] = tensor.detach().to("cpu", copy=True).contiguous()
    if not is_writer:
        return
    from huggingface_hub import save_torch_state_dict

    directory.mkdir(parents=True, exist_ok=True)
    save_torch_state_dict(state, directory)
    causal_lm.config.save_pretrained(directory)
    for file in directory.glob("*.safetensors"):
        file.chmod((directory / "config.json").stat().st_mode)  # the Hub's writer leaves them readable by the owner only
    if causal_lm.can_generate():
        causal_lm.generation_config.save_pretrained(directory)
    _copy_tokenizer(model_path, directory)


def _copy_tokenizer(model_path: str, directory: Path) -> None:
    """A local base's tokenizer is copied file by file: exact, whatever its class. Otherwise transformers fetches and writes it."""
    source = Path(model_path)
    if not source.is_dir():
        from transformers import AutoTokenizer

        AutoTokenizer.from_pretrained(model_path).save_pretrained(directory)
        return
    for file in source.iterdir():
        skipped = file.suffix in WEIGHT_SUFFIXES or file.name in WRITTEN_HERE or file.name.endswith(".index.json")
        if file.is_file() and not skipped:
            shutil.copyfile(file, directory / file.name)
