"""``planner.json`` has two writers (forecasts, adaptive allocation): each merges its keys and keeps the
other's.

A script named ``planner.py`` in this folder hides the package ``planner`` from every other script here;
``curricula.py`` shows how such a file hands over to the package of its name.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

from benchmarks.lib.common import CONSOLE, RESULTS


def merge(keys: dict[str, Any], *, args: argparse.Namespace) -> None:
    """Full results go into ``benchmarks/results/planner.json``; quick ones only where ``--json`` says, as in
    ``common.save``.

    Args:
        keys: a top-level key of ours replaces the file's, all others stay. Name them ``forecast.*``,
            ``adaptive.*``, ``allocate_*``, and keep the machine under a key of your part, e.g.
            ``forecast.machine``.
        args: parsed options of ``common.parser`` (``quick``, ``json``).
    """
    path = args.json or (None if args.quick else RESULTS / "planner.json")
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, {**_read(path), **keys})
        CONSOLE.print(f"written to {path}: {', '.join(sorted(keys))}")


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _replace(path: Path, content: dict[str, Any]) -> None:
    """Whole or not at all, so that a reader never sees half a file."""
    staging = path.with_suffix(f".{os.getpid()}.tmp")
    staging.write_text(json.dumps(dict(sorted(content.items())), indent=2) + "\n", encoding="utf-8")
    staging.replace(path)
