"""The newest samples, for reading along."""

from typing import Any

from rl.records.jsonl import plain
from rl.views.run_view import RunView

SHOWN = 8
TEXT = 4000
"""Characters of a prompt or completion that are sent."""
COLUMNS = (
    "attempt",
    "step",
    "group_id",
    "index",
    "prompt_id",
    "category",
    "prompt",
    "completion",
    "reward",
    "reason",
    "judged",
    "correct",
    "kept",
    "decision",
    "length",
    "finish_reason",
    "staleness",
)


def newest_samples(run: RunView) -> list[dict[str, Any]]:
    """At most ``SHOWN`` of the newest step with samples, of different prompts, newest groups first."""
    files = run.rollout_files()
    if not files:
        return []
    newest = files[-1].number
    rows = run.rollouts(columns=COLUMNS, steps=range(newest, newest + 1)).to_pylist()
    first_of_prompt = {row["prompt_id"]: row for row in reversed(rows)}
    return [_short(row) for row in list(first_of_prompt.values())[:SHOWN]]


def _short(row: dict[str, Any]) -> dict[str, Any]:
    texts = {name: _cut(row[name] or "") for name in ("prompt", "completion")}
    return plain({**row, **texts})


def _cut(text: str) -> str:
    return text if len(text) <= TEXT else f"{text[:TEXT]}\n… {len(text) - TEXT} more characters"
