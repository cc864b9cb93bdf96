"""Settings in which runs differ."""

from collections.abc import Mapping, Sequence
from typing import Any

from rl.views.run_view import RunView

NAMES = ("run.name", "run.dir")
"""Every run has its own."""


def config_differences(runs: Sequence[RunView]) -> dict[str, list[str]]:
    """Setting -> its value in each run, for settings that are not the same in all; '' where a run does not
    have it."""
    trees = [flat(run.config()) for run in runs]
    fields = sorted({field for tree in trees for field in tree} - set(NAMES))
    rows = {field: [_text(tree.get(field, "")) for tree in trees] for field in fields}
    return {field: values for field, values in rows.items() if len(set(values)) > 1}


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The leaves by their dotted names; a list is a leaf."""
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            leaves |= flat(value, f"{prefix}{name}.")
        else:
            leaves[f"{prefix}{name}"] = value
    return leaves


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    return f"{value:g}" if isinstance(value, float) else str(value)
