"""Fingerprints of a model directory: the weights' contents, the config, and the tokenizer as it was
loaded."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rl.records.hashes import digest, hash_file, hash_values
from rollout.checkpoint_shapes import checkpoint_files

EXACT_BYTES = 2 << 30
"""Weights up to this size are hashed whole (a few seconds), larger ones by blocks."""
BLOCK_BYTES = 4096
BLOCKS = 16
"""Blocks read of each tensor (of each file, in other formats), evenly spaced, the first and the last bytes
among them."""
OTHER_WEIGHTS = (".bin", ".pt", ".pth")
UNSTABLE = ("_name_or_path", "transformers_version", "torch_dtype", "dtype")
"""Keys of config.json that say nothing of what is computed: every learner loads float32 and casts by its own
setting."""


def base_fingerprint(directory: Path, *, exact_bytes: int = EXACT_BYTES) -> dict[str, Any]:
    """``{"weights", "config"}`` of a Hugging Face directory.

    Weights are compared tensor by tensor (name, dtype, shape, bytes), however they are split over safetensors
    files. Above ``exact_bytes`` only sampled blocks of each tensor are read: training changes every matrix
    everywhere, so a base of the same shape with other weights differs; a handful of edited numbers in a large
    base may not.
    """
    files = checkpoint_files(directory)
    exact = sum(file.stat().st_size for file in files) <= exact_bytes
    tensors = sorted(entry for file in files for entry in _tensors(file))
    parts = [part for entry in tensors for part in _tensor_parts(entry, exact=exact)]
    if not files:
        parts = [
            part
            for file in sorted(directory.iterdir())
            if file.suffix in OTHER_WEIGHTS
            for part in _file_parts(file)
        ]
    return {"weights": digest(parts), "config": _config_hash(directory)}


def tokenizer_fingerprint(tokenizer: Any) -> dict[str, str]:
    """``{"vocabulary", "splitting", "chat_template"}`` of a loaded transformers tokenizer.

    ``vocabulary`` is which text an id stands for, special tokens included; ``splitting`` is how text becomes
    ids (merges, normalisation, added tokens), where the tokenizer is a fast one.
    """
    special = [tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id]
    backend = getattr(tokenizer, "backend_tokenizer", None)
    rules = {} if backend is None else json.loads(backend.to_str())
    # How the last call padded and cut is kept in there too.
    rules = {key: value for key, value in rules.items() if key not in ("padding", "truncation")}
    return {
        "vocabulary": hash_values([sorted(tokenizer.get_vocab().items()), special]),
        "splitting": hash_values([type(tokenizer).__name__ if backend is None else "", rules]),
        "chat_template": hash_values([tokenizer.chat_template]),
    }


def _config_hash(directory: Path) -> str:
    """Hash config.json, generation_config.json and code that comes with the model."""
    values = []
    for name in ("config.json", "generation_config.json"):
        file = directory / name
        content = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        values.append({key: value for key, value in content.items() if key not in UNSTABLE})
    return hash_values([*values, *((file.name, hash_file(file)) for file in sorted(directory.glob("*.py")))])


def _tensors(file: Path) -> Iterator[tuple[str, str, list[int], str, int, int]]:
    """(name, dtype, shape, file, begin, end) from a safetensors header; offsets are of the file."""
    with file.open("rb") as source:
        (length,) = struct.unpack("<Q", source.read(8))
        header = json.loads(source.read(length))
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            yield name, entry["dtype"], entry["shape"], str(file), begin, end


def _tensor_parts(entry: tuple[str, str, list[int], str, int, int], *, exact: bool) -> Iterator[bytes]:
    name, dtype, shape, file, begin, end = entry
    yield f"{name} {dtype} {shape}".encode()
    yield from _blocks(Path(file), begin, end, exact=exact)


def _file_parts(file: Path) -> Iterator[bytes]:
    size = file.stat().st_size
    yield f"{file.name} {size}".encode()
    yield from _blocks(file, 0, size, exact=size <= EXACT_BYTES)


def _blocks(file: Path, begin: int, end: int, *, exact: bool) -> Iterator[bytes]:
    with file.open("rb") as source:
        if exact or end - begin <= BLOCKS * BLOCK_BYTES:
            source.seek(begin)
            yield source.read(end - begin)
            return
        step = (end - begin - BLOCK_BYTES) / (BLOCKS - 1)
        for number in range(BLOCKS):
            source.seek(begin + round(number * step))
            yield source.read(BLOCK_BYTES)
