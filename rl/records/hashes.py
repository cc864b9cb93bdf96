"""Hashes of JSON values, files and rows: 16 hex digits of blake2b, stable across processes and machines."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rl.records.jsonl import plain

DIGEST_BYTES = 8


def digest(parts: Iterable[bytes]) -> str:
    """Hash the parts one after the other, with their lengths, so that no two lists of parts run into one
    another."""
    state = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.hexdigest()


def hash_values(values: Iterable[Any]) -> str:
    """Hash values in order, by their canonical JSON; what JSON does not know counts by its text."""
    return digest(_canonical(value).encode() for value in values)


def _canonical(value: Any) -> str:
    try:
        return _encode(value)
    except TypeError:  # keys that are no text, or of several types
        return _encode(plain(value))


def _other(value: Any) -> Any:
    """Arrays, paths and sets as JSON's types; anything else as text."""
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    known = plain(value)
    return str(value) if known is value else known


_encode = json.JSONEncoder(sort_keys=True, default=_other).encode


def hash_file(path: Path) -> str:
    """Hash a file's bytes."""
    return digest([path.read_bytes()])
