"""The facts of a run that stand at the top of its report."""

import time
from typing import Any

from planner.estimators.bootstrap import Interval
from rl.evaluation.summary import OVERALL, SummaryLine
from rl.report.results import Results
from rl.views.run_view import RunView

STAGES = {"sft": "supervised fine-tuning", "dpo": "preference optimisation (DPO)"}
"""Kinds of runs that are no RL, by the prefix of their metrics."""


def facts_of(run: RunView, results: Results | None) -> dict[str, str]:
    """Name of a fact -> its value as text; what is not known is left out."""
    facts = {
        "State": state(run),
        "Kind": kind(run),
        "Base": base(run),
        "Task": task(run),
        "Algorithm": _algorithm(run),
        "Curriculum": str(run.setting("curriculum.name", "") or ""),
        "Steps": _steps(run),
        "Sampled tokens": _count(_last(run, "rollout/total_tokens")),
        "Training time": duration(sum(row.get("time/step_s") or 0.0 for row in run.metrics())),
        "Started": _started(run),
        "Starts": _starts(run),
    }
    if results is not None:
        facts |= {f"Held-out {line.metric}": _result(line) for line in main_lines(results)}
    return {name: value for name, value in facts.items() if value}


def main_lines(results: Results) -> list[SummaryLine]:
    """The overall figures at the first sampling config, and greedily."""
    overall = [line for line in results.summary.lines if line.category == OVERALL]
    return [line for line in overall if line.temperature in (0, overall[0].temperature)]


def state(run: RunView) -> str:
    """Finished, or how far it came."""
    planned = run.setting("run.steps")
    if (run.path / "model").is_dir() or (planned and run.steps_done >= planned):
        return "finished"
    return f"not finished: {run.steps_done} steps done"


def kind(run: RunView) -> str:
    """The stage; reinforcement learning is not said, since it is the rule."""
    rows = run.metrics()
    prefixes = {key.partition("/")[0] for key in rows[-1]} if rows else set()
    return next((name for prefix, name in STAGES.items() if prefix in prefixes), "")


def base(run: RunView) -> str:
    """The model's name or path."""
    model = run.setting("model", {})
    if not isinstance(model, dict):
        return str(model)
    return str(model.get("path") or run.setting("model.recipe.name") or "")


def task(run: RunView) -> str:
    """Its kind, and the file or the categories."""
    section = run.setting("task", {})
    if not isinstance(section, dict):
        return str(section)
    categories = section.get("categories")
    more = section.get("path") or (", ".join(map(str, categories)) if isinstance(categories, list) else "")
    return ": ".join(str(part) for part in (section.get("kind"), more) if part)


def _algorithm(run: RunView) -> str:
    name = run.setting("algorithm.name", "")
    advantage = run.setting("algorithm.advantage", "")
    advantage = advantage.get("name", "") if isinstance(advantage, dict) else advantage
    return str(name or advantage or "")


def _steps(run: RunView) -> str:
    planned = run.setting("run.steps")
    return f"{run.steps_done:,} of {planned:,}" if planned else f"{run.steps_done:,}"


def _started(run: RunView) -> str:
    attempts = run.attempts()
    if not attempts or "started_at" not in attempts[0]:
        return ""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(attempts[0]["started_at"]))


def _starts(run: RunView) -> str:
    attempts = len(run.attempts())
    return f"{attempts} (it was resumed)" if attempts > 1 else ""


def _result(line: SummaryLine) -> str:
    after = span(line.after)
    if line.before is None:
        return after
    return f"{span(line.before)} before, {after} after"


def span(interval: Interval, *, sign: str = "") -> str:
    """``37.4% (33.4 to 41.4)``; a reward that is no share would not read so, and none is passed."""
    value = f"{100 * interval.value:{sign}.1f}%"
    if interval.low != interval.low:
        return value
    return f"{value} ({100 * interval.low:{sign}.1f} to {100 * interval.high:{sign}.1f})"


def duration(seconds: float) -> str:
    """``3 h 05 min``, ``12 min``, ``40 s``; '' for 0."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds else ""
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"


def _last(run: RunView, key: str) -> Any:
    return next((row[key] for row in reversed(run.metrics()) if row.get(key) is not None), None)


def _count(value: Any) -> str:
    return "" if value is None else f"{int(value):,}"
