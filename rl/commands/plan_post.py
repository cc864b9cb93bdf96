"""The work behind ``t2rl plan post``."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from planner.estimators.pass_at_k import pass_at_k
from planner.t2.post import PostLaw, Stop, fit_post, sampling_error, stop_early
from rl.config.errors import ConfigError
from rl.views.evaluations import Counts
from rl.views.run_view import RunView, is_run

UNITS = ("steps", "tokens")
TOKENS = "rollout/tokens"


def plan_post_cli(
    path: Path,
    *,
    k: int,
    until: float | None,
    unit: str,
    least: float,
    temperature: float | None,
    as_json: bool,
) -> None:
    """Print the fit, the forecast and the advice, or their JSON.

    Raises:
        ValueError: no run, too few evaluations, k not below the samples, or a horizon that is not ahead.
    """
    if not is_run(path):
        raise ConfigError(f"{path} is no run directory (attempts.jsonl)")
    if unit not in UNITS:
        raise ConfigError(f"--unit {unit}: one of {', '.join(UNITS)}")
    run = RunView(path)
    chosen = run.setting("evaluation.temperature", 1.0) if temperature is None else temperature
    evaluations = [e for e in run.evaluations() if e.sampling.temperature == chosen]
    if not evaluations:
        raise ConfigError(f"{path}: no evaluation at temperature {chosen}")
    spent = _spent(run, evaluations, unit)
    rows = [_value(e, k) for e in evaluations]
    value, error = (np.array(column) for column in zip(*rows, strict=True))
    law = fit_post(spent, value, error)
    now = float(spent.max())
    horizon = 2 * now if until is None else until
    advice = stop_early(law, now=now, horizon=horizon, least=least)
    guess, low, high = law.forecast(horizon)
    plateau = np.quantile([float(x) for x in _plateaus(law)], [0.05, 0.95])
    report: dict[str, Any] = {
        "k": k,
        "unit": unit,
        "evaluations": [
            {unit: float(s), "value": float(v), "error": float(e), "law": float(law.value(s))}
            for s, v, e in zip(spent, value, error, strict=True)
        ],
        "plateau": {"value": law.plateau, "low": float(plateau[0]), "high": float(plateau[1])},
        "horizon": horizon,
        "forecast": {"value": guess, "low": low, "high": high},
        "advice": asdict(advice),
    }
    if as_json:
        print(json.dumps(report))
        return
    _show(report, advice, least, title=f"{path}: held-out pass@{k} at T = {chosen:g}")


def _show(report: dict[str, Any], advice: Stop, least: float, *, title: str) -> None:
    unit = report["unit"]
    table = Table(title=title)
    for column in (unit, f"pass@{report['k']}", "error of samples", "law"):
        table.add_column(column, justify="right")
    for row in report["evaluations"]:
        table.add_row(f"{row[unit]:g}", f"{row['value']:.3f}", f"{row['error']:.3f}", f"{row['law']:.3f}")
    console = Console()
    console.print(table)
    plateau, forecast = report["plateau"], report["forecast"]
    console.print(f"plateau {plateau['value']:.3f} ({plateau['low']:.3f} {plateau['high']:.3f}), 90%")
    console.print(
        f"at {report['horizon']:g} {unit}: {forecast['value']:.3f} ({forecast['low']:.3f}"
        f" {forecast['high']:.3f})"
    )
    gain = f"forecast gain {advice.gain:+.3f} ({advice.low:+.3f} {advice.high:+.3f})"
    console.print(
        f"[bold]stop[/]: {gain}, even its upper end is below {least:g}"
        if advice.stop
        else f"[bold]go on[/]: {gain}, {least:g} is within reach"
    )


def _plateaus(law: PostLaw) -> np.ndarray:
    return 1 / (1 + np.exp(-law.replicates[:, 1]))


def _value(counts: Counts, k: int) -> tuple[float, float]:
    rows = [row for row in counts.rows if row["n"] > 0]
    n, c = (np.array([row[name] for row in rows]) for name in ("n", "c"))
    if k >= n.min():
        raise ConfigError(
            f"--k {k}: evaluations have {n.min()} samples a prompt (evaluation.samples_per_prompt), and the"
            " error of pass@k needs more than k"
        )
    return float(pass_at_k(n, c, k).mean()), sampling_error(n, c, k)


def _spent(run: RunView, evaluations: list[Counts], unit: str) -> np.ndarray:
    """[T] steps or rollout tokens before each evaluation: version v has seen the steps below v."""
    versions = np.array([float(e.version) for e in evaluations])
    if unit == "steps":
        return versions
    rows = run.metrics()
    if any(TOKENS not in row for row in rows):
        raise ConfigError(f"{run.path}: its metrics have no {TOKENS}; use --unit steps")
    tokens = {row["step"]: float(row[TOKENS]) for row in rows}
    return np.array([sum(t for step, t in tokens.items() if step < version) for version in versions])
