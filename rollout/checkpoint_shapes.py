"""Read what a checkpoint holds, without its weights."""

import json
from pathlib import Path

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"


def checkpoint_files(directory: Path) -> list[Path]:
    """The safetensors files of a checkpoint: those of its index, else the single one, else every one; empty
    if there are none.

    Some directories hold a second copy of the weights under other names (Mistral's
    ``consolidated.safetensors``).
    """
    index = directory / INDEX
    if index.is_file():
        return [
            directory / name
            for name in sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        ]
    single = directory / SINGLE
    return [single] if single.is_file() else sorted(directory.glob("*.safetensors"))


def checkpoint_shapes(directory: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor in the safetensors files of a checkpoint, read from their headers; empty
    if there are none."""
    shapes: dict[str, tuple[int, ...]] = {}
    for path in checkpoint_files(directory):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        shapes |= {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}
    return shapes
