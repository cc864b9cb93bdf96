"""Fingerprints of what is trained on: every field of every prompt, in order."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from rl.records.hashes import hash_values


def rows_fingerprint(rows: Sequence[Any]) -> dict[str, Any]:
    """``{"number": n, FIELD: hash, ...}`` of dataclass instances of one type, such as prompts: a hash of each
    field over all rows.

    The order counts: a curriculum knows prompts by their place. One hash a field, so that a difference says
    what differs.
    """
    names = [field.name for field in dataclasses.fields(rows[0])] if rows else []
    return {"number": len(rows), **{name: hash_values(getattr(row, name) for row in rows) for name in names}}
