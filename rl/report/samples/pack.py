"""The rows of the sample browser as a page holds them: columns, with each prompt once, within a bound on
bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rl.report.packing import packed_json
from rl.report.samples.choose import choose
from rl.report.samples.tokens import Pieces, token_columns
from rl.views.run_view import RunView

SHOWN = (
    "step",
    "group_id",
    "index",
    "prompt_id",
    "category",
    "difficulty",
    "completion",
    "reward",
    "reason",
    "failure",
    "judged",
    "correct",
    "kept",
    "decision",
    "trained",
    "advantage",
    "length",
    "finish_reason",
    "version_min",
    "version_max",
    "staleness",
    "gap_mean",
    "gap_max",
    "temperature",
)
"""Columns of the rollouts that go into the page as they are."""
LONGEST = 12_000
"""Characters of a text; a longer one is cut in its middle."""
MOST_TOKENS = 60_000
"""Tokens with their values, at most; each takes about seven bytes of the page."""
DIGITS = 5
TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """The browser's rows."""

    packed: str
    shown: int
    kept: int
    """Rollouts in the files of the runs."""
    note: str
    """Which rows are shown, for the page."""


def pack_samples(runs: Sequence[RunView], *, most: int, room: int) -> Samples | None:
    """At most ``most`` rollouts of the runs together, fewer if they would not fit into ``room`` bytes. None
    where no run kept any, or none is wanted."""
    for _ in range(TRIES):
        samples = _packed(runs, most) if most > 0 else None
        if samples is None or len(samples.packed) <= room:
            return samples
        most = int(most * 0.9 * room / len(samples.packed))
    return None


def _packed(runs: Sequence[RunView], most: int) -> Samples | None:
    runs = [run for run in runs if run.rollout_files() or run.rollout_files(evaluation=True)]
    rows: list[dict[str, Any]] = []
    kept, with_tokens = 0, 0
    for run in runs:
        chosen = choose(run, max(1, most // len(runs)))
        kept += chosen.kept
        pieces = Pieces(run.files.base)
        for evaluation, table in ((False, chosen.training), (True, chosen.evaluations)):
            found = table.to_pylist()
            shown_whole = groups_with_tokens(found, MOST_TOKENS // len(runs))
            for row in found:
                tokens = token_columns(row, pieces) if row["group_id"] in shown_whole else {}
                with_tokens += bool(tokens.get("pieces"))
                name = run.name if len(runs) > 1 else None
                rows.append({"run": name, "evaluation": evaluation, **_plain(row), **tokens})
    if not rows:
        return None
    return Samples(
        packed=packed_json(_columns(rows)),
        shown=len(rows),
        kept=kept,
        note=_note(len(rows), kept, with_tokens),
    )


def groups_with_tokens(rows: Sequence[Mapping[str, Any]], most: int) -> set[int]:
    """Groups whose tokens are shown one by one: as many as have at most ``most`` tokens together, drawn in an
    order that depends on their number alone, so that they are spread over the steps."""
    lengths: dict[int, int] = {}
    for row in rows:
        lengths[row["group_id"]] = lengths.get(row["group_id"], 0) + len(row.get("token_ids") or ())
    groups = list(lengths)
    chosen, used = set(), 0
    for place in np.random.default_rng(0).permutation(len(groups)):
        size = lengths[groups[place]]
        if size and used + size <= most:
            used += size
            chosen.add(groups[place])
    return chosen


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    out = {name: _brief(row.get(name)) for name in SHOWN}
    out["group_id"] = str(row["group_id"])  # groups of evaluations are beyond the whole numbers of JavaScript
    out["completion"] = _cut(row.get("completion") or "")
    out["prompt"] = _cut(row.get("prompt") or "")
    parts = row.get("components") or []
    out["components"] = ", ".join(f"{part['name']} {part['value']:.4g}" for part in parts)
    return out


def _brief(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def _cut(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    half = LONGEST // 2
    return f"{text[:half]}\n[... {len(text) - LONGEST:,} characters are left out here ...]\n{text[-half:]}"


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """``{columns: {name: values}, prompts}``; the column ``prompt`` has places in ``prompts``."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    prompts = {text: place for place, text in enumerate(dict.fromkeys(columns["prompt"]))}
    columns["prompt"] = [prompts[text] for text in columns["prompt"]]
    columns["place"] = list(range(len(rows)))
    return {"columns": columns, "prompts": list(prompts)}


def _note(shown: int, kept: int, with_tokens: int) -> str:
    text = (
        f"All {kept:,} rollouts that the run kept."
        if shown == kept
        else f"{shown:,} of the {kept:,} rollouts that the run kept: whole groups, spread over the steps,"
        " prompts that came again, and the same held-out problems at several versions. t2rl samples has all."
    )
    return text + (f" {with_tokens:,} of them have their tokens." if with_tokens else "")
