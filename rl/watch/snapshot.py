"""A run as it looks at this moment, as JSON: in parts, so that only what changed is sent again."""

import statistics
from collections.abc import Sequence
from typing import Any

from rl.records.jsonl import plain
from rl.views.run_view import RunView
from rl.watch.samples import newest_samples

CURVES = (
    ("reward", "reward/mean", ".3f"),
    ("pass rate", "reward/pass_rate", ".3f"),
    ("staleness", "buffer/staleness_mean", ".2f"),
    ("tokens/s", "rollout/tokens_per_s", ",.0f"),
    ("loss", "sft/loss", ".3f"),
    ("loss", "dpo/loss", ".3f"),
    ("pair accuracy", "dpo/pair_accuracy", ".3f"),
)
"""(label, metric key, format); a run has some of them."""
HELD_OUT_FORMAT = ".3f"
POINTS = 120
"""Points of a small curve; longer ones are averaged in pieces."""
ADVISORIES = 20
"""Newest ones that are shown."""
PACE = 20
"""Latest steps that say how long one takes."""

Part = dict[str, Any] | list[dict[str, Any]]


def snapshot(run: RunView) -> dict[str, Part]:
    """The parts ``state``, ``curves``, ``advisories`` and ``samples``. Nothing in them changes while the
    run's files do not."""
    return {"state": state(run), **rows(run)}


def rows(run: RunView) -> dict[str, Part]:
    """The parts that change once a step, and not with what the loops wait for."""
    return {
        "curves": curves(run),
        "advisories": plain(list(reversed(run.advisories()[-ADVISORIES:]))),
        "samples": newest_samples(run),
    }


def state(run: RunView) -> dict[str, Any]:
    """Where the run is, what each loop waits for, and its actors."""
    status = run.status() or {}
    attempts = run.attempts()
    steps = status.get("steps") or run.setting("run.steps")
    pace, done = step_seconds(run.metrics()), run.steps_done
    paced = None if pace is None or not steps else max(0, steps - done) * pace
    return plain(
        {
            "run": run.name,
            "state": status.get("state") or _guessed(run, done, steps),
            "silent": bool(status.get("silent")),
            "phase": status.get("phase"),
            "step": done,
            "steps": steps,
            "step_s": pace,
            "eta_s": status.get("eta_s") or paced,
            "attempt": attempts[-1]["attempt"] if attempts else 0,
            "restored_step": attempts[-1].get("restored_step", 0) if attempts else 0,
            "started_at": attempts[-1].get("started_at") if attempts else None,
            "updated_at": status.get("updated_at"),
            "host": status.get("host"),
            "pid": status.get("pid"),
            "last_error": status.get("last_error"),
            "loops": _loops(status),
            "actors": status.get("actors", []),
        }
    )


def _guessed(run: RunView, done: int, steps: int | None) -> str:
    """The state of a run from before 0.3.0, which said none."""
    finished = (run.path / "summary.json").is_file() or (steps is not None and done >= steps)
    return "finished" if finished else "unknown"


def _loops(status: dict[str, Any]) -> list[dict[str, Any]]:
    """``waited_s`` is by the run's own clock: ours may differ from it on a shared disk."""
    written = status.get("updated_at")
    return [
        {
            "name": name,
            "waits_for": loop.get("waits_for"),
            "others": loop.get("others", 0),
            "waited_s": max(0.0, written - loop["since"]) if written and loop.get("since") else None,
        }
        for name, loop in (status.get("loops") or {}).items()
    ]


def step_seconds(rows: Sequence[dict[str, Any]]) -> float | None:
    """Median seconds of the latest steps; None before the first."""
    times = [row["time/step_s"] for row in rows[-PACE:] if row.get("time/step_s")]
    return statistics.median(times) if times else None


def curves(run: RunView) -> list[dict[str, Any]]:
    """``{label, format, last, steps, values}`` of each figure that the run has, at most ``POINTS`` points."""
    metrics = run.metrics()
    found = []
    for label, key, form in CURVES:
        points = [(row["step"] + 1, row[key]) for row in metrics if row.get(key) is not None]
        if points:
            found.append(_curve(label, form, points))
    held_out = _held_out(run)
    if held_out:
        found.insert(min(2, len(found)), _curve("held-out", HELD_OUT_FORMAT, held_out))
    return found


def _held_out(run: RunView) -> list[tuple[int, float]]:
    """(version, pass rate) of one temperature: that of the newest evaluation's first."""
    evaluations = run.evaluations()
    if not evaluations:
        return []
    newest = next(e for e in evaluations if e.version == evaluations[-1].version)
    return [(e.version, e.pass_rate) for e in evaluations if e.sampling == newest.sampling and e.rows]


def _curve(label: str, form: str, points: Sequence[tuple[int, float]]) -> dict[str, Any]:
    width = -(-len(points) // POINTS)
    pieces = [points[i : i + width] for i in range(0, len(points), width)]
    return plain(
        {
            "label": label,
            "format": form,
            "last": points[-1][1],
            "steps": [piece[-1][0] for piece in pieces],
            "values": [statistics.fmean(value for _, value in piece) for piece in pieces],
        }
    )
