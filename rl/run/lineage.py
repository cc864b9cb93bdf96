"""Which groups made the final weights: the trained-group log, read with restarts in mind.

Every trained group is one row ``{"attempt", "step", "group_id", "prompt_id", "num_rollouts", "applied"}``;
what earlier attempts trained at or after the step that a later one restored is superseded
(``rl.records.metrics.live_rows``).
"""

from collections import Counter
from pathlib import Path
from typing import Any

from rl.records.jsonl import read_jsonl
from rl.records.metrics import live_rows


def read_lineage(path: Path) -> dict[int, list[dict[str, Any]]]:
    """Step -> its trained-group rows in the lineage of the final weights."""
    steps: dict[int, list[dict[str, Any]]] = {}
    for row in live_rows(read_jsonl(path)):
        steps.setdefault(row["step"], []).append(row)
    return steps


def duplicates(steps: dict[int, list[dict[str, Any]]]) -> list[int]:
    """Group ids trained more than once in the lineage; must be empty."""
    counts = Counter(row["group_id"] for rows in steps.values() for row in rows)
    return sorted(group_id for group_id, n in counts.items() if n > 1)
