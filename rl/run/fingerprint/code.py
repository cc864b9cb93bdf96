"""Fingerprints of a user's own code: the files behind ``pkg.module:attr`` and ``path/to/file.py:attr`` in any
setting."""

import importlib.util
import re
from pathlib import Path
from typing import Any

from rewards import texts_in
from rl.records.hashes import hash_file

OWN = ("rl", "rollout", "rewards", "curricula", "planner", "configs")
"""Packages of this project: a new version of it may go on with an old run."""
_TARGET = re.compile(r"(.+):(\w+)")


def code_fingerprint(*settings: Any) -> dict[str, str]:
    """Target -> hash of its source file, for every target named in the settings (strings, also inside lists
    and mappings).

    What that file imports is not looked at. A built-in or compiled module has no source, and is left out.
    """
    targets = sorted({text for setting in settings for text in texts_in(setting) if _TARGET.fullmatch(text)})
    files = {target: source_file(target) for target in targets}
    return {target: hash_file(file) for target, file in files.items() if file is not None}


def source_file(target: str) -> Path | None:
    """The Python file behind a target; None if it is this project's, or there is none."""
    where = target.rpartition(":")[0]
    if where.endswith(".py"):
        file = Path(where).expanduser()
        return file if file.is_file() else None
    if where.partition(".")[0] in OWN or not all(part.isidentifier() for part in where.split(".")):
        return None
    try:
        found = importlib.util.find_spec(where)
    except (ImportError, ValueError):
        return None
    path = Path(found.origin) if found is not None and found.origin else None
    return path if path is not None and path.suffix == ".py" and path.is_file() else None
