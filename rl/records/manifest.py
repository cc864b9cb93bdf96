"""A list of what a directory must hold to be whole: size and hash of every file, in ``manifest.json``.

The hash is XXH3 (128 bits): it finds what a disk, a copy or a kill did to the bytes. It is no signature: who
can write the files can write the manifest too.
"""

import json
from pathlib import Path

import xxhash
from pydantic import BaseModel, ValidationError

MANIFEST = "manifest.json"
VERSION = 1
CHUNK = 8 << 20
"""Bytes read at once."""


def write_manifest(directory: Path) -> None:
    """Describe every file that lies in ``directory`` and below it now."""
    files = {
        str(path.relative_to(directory)): {"bytes": path.stat().st_size, "xxh3": _hash(path)}
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path != directory / MANIFEST
    }
    text = json.dumps({"version": VERSION, "files": files}, indent=1)
    (directory / MANIFEST).write_text(text + "\n", encoding="utf-8")


def damage(directory: Path) -> str | None:
    """The first thing in words that is not as ``write_manifest`` found it, None if all is. Reads every file.

    A directory without a manifest was written before T2RL 0.4 and cannot be checked: None. Files that came
    later do not count.
    """
    manifest = directory / MANIFEST
    if not manifest.is_file():
        return None
    try:
        files = _Manifest.model_validate_json(manifest.read_bytes()).files
    except ValidationError:  # it is damaged itself
        return f"{manifest} cannot be read"
    # Sizes first: what is missing or cut off is found without reading the rest.
    for name, facts in files.items():
        path = directory / name
        if "\0" in name or not path.is_file():
            return f"{path} is missing"
        if path.stat().st_size != facts.bytes:
            return f"{path} has {path.stat().st_size} bytes of {facts.bytes}"
    return next(
        (
            f"{directory / name} has other bytes than were written"
            for name, facts in files.items()
            if _hash(directory / name) != facts.xxh3
        ),
        None,
    )


class _File(BaseModel):
    bytes: int
    xxh3: str


class _Manifest(BaseModel):
    files: dict[str, _File]


def _hash(path: Path) -> str:
    state = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            state.update(chunk)
    return state.hexdigest()
