"""``t2rl plan evals``: trade-off rows of models that were evaluated on suites."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from planner.cost.devices import Device
from planner.cost.tradeoff import Scored, to_csv, to_markdown, tradeoff
from rl.commands.suites.facts import ModelResults, SuiteResult, read_results
from rl.commands.suites.targets import unique_labels
from rl.records.storage import require_writable
from rl.views.evaluations import Counts

SHOWN = ("ckpt", "N", "temp", "strategy", "k", "mean_gen_tok", "flops_per_query", "latency_ms_par", "pass@k")


def plan_evals_cli(
    directories: Sequence[Path], *, suites: Sequence[str], device: Device, to: Path | None, as_json: bool
) -> None:
    """Print the front of each suite, or every row as JSON; write the tables where ``to`` says.

    Raises:
        ValueError: a directory holds no results, the models share no suite, or were asked other problems.
    """
    labels = unique_labels([str(path) for path in directories])
    models = [read_results(*pair) for pair in zip(labels, directories, strict=True)]
    rows = {name: rows_of(models, name, device) for name in shared_suites(models, suites)}
    if to is not None:
        require_writable(to, field="--to")
        for name, found in rows.items():
            (to / f"tradeoff-{name}.csv").write_text(to_csv(found), encoding="utf-8")
            (to / f"tradeoff-{name}.md").write_text(to_markdown(found), encoding="utf-8")
    if as_json:
        print(json.dumps({"device": device.name, "rows": rows}, indent=2))
        return
    console = Console()
    for name, found in rows.items():
        console.print(_front(name, found, device))
    if to is not None:
        console.print(f"all rows: {to}/tradeoff-SUITE.csv and .md", soft_wrap=True)


def shared_suites(models: Sequence[ModelResults], wanted: Sequence[str]) -> list[str]:
    """The suites to plan for: those that were named, else all that every model was asked.

    Raises:
        ValueError: some model has no results of one.
    """
    common = [name for name in models[0].suites if all(name in model.suites for model in models)]
    missing = [name for name in wanted if name not in common]
    if missing or not common:
        had = "; ".join(f"{model.label}: {', '.join(model.suites)}" for model in models)
        raise ValueError(
            f"--suite: not every model was asked {', '.join(missing) or 'the same suite'} ({had})"
        )
    return list(wanted) or common


def rows_of(models: Sequence[ModelResults], suite: str, device: Device) -> list[dict[str, Any]]:
    """Rows of every model, temperature and k on one suite; the front is over all of them.

    Raises:
        ValueError: the models were asked other problems, or a model's shape is not known.
    """
    asked = [{row["id"] for row in model.suites[suite].counts[0].rows} for model in models]
    if any(problems != asked[0] for problems in asked):
        raise ValueError(f"{suite}: the models were asked other problems; use the same file and --problems")
    scored = [
        scored_of(model, model.suites[suite], counts)
        for model in models
        for counts in model.suites[suite].counts
    ]
    return tradeoff(scored, device)


def scored_of(model: ModelResults, result: SuiteResult, counts: Counts) -> Scored:
    """One model at one temperature; lengths of right and wrong completions come from its samples."""
    if model.shape is None:
        raise ValueError(f"{model.label}: its shape is not known (no safetensors), so a query has no cost")
    temperature = counts.sampling.temperature
    rows = [row for row in counts.rows if row["n"]]
    right, wrong = _lengths(result, temperature)
    return Scored(
        name=model.label,
        shape=model.shape,
        tokens=None,
        train_flops=None,
        post=False,
        bits=0,
        n=np.array([row["n"] for row in rows]),
        c=np.array([row["c"] for row in rows]),
        prompt_tokens=float(np.mean([row["prompt_tokens"] for row in rows])),
        right_lengths=right,
        wrong_lengths=wrong,
        temperature=temperature,
    )


def _lengths(result: SuiteResult, temperature: float) -> tuple[dict[int, int], dict[int, int]]:
    """Tokens -> how many completions, of right and of wrong ones."""
    import pyarrow.parquet as pq

    files = sorted((result.directory / "rollouts").glob("*.parquet"))
    if not files:
        raise ValueError(f"{result.directory} holds no rollouts/*.parquet, which say how long answers were")
    columns = ["length", "correct", "temperature", "judged"]
    table = pq.read_table(files[-1], columns=columns, partitioning=None).to_pydict()
    found: tuple[Counter[int], Counter[int]] = Counter(), Counter()
    for length, correct, at, judged in zip(*(table[name] for name in columns), strict=True):
        if judged and at == temperature:
            found[0 if correct else 1][length] += 1
    return dict(found[0]), dict(found[1])


def _front(suite: str, rows: Sequence[dict[str, Any]], device: Device) -> Table:
    """The rows that no other beats in FLOPs and accuracy, cheapest first."""
    title = f"{suite}: the front of FLOPs a query against solved; {device.name}"
    table = Table(title=title, box=None, padding=(0, 1, 0, 0))
    for name in ("model", "weights", "T", "strategy", "k", "tokens", "FLOPs/query", "ms", "solved"):
        table.add_column(name, justify="left" if name in ("model", "strategy") else "right", no_wrap=True)
    for row in sorted((r for r in rows if r["on_pareto"]), key=lambda r: r["flops_per_query"]):
        cells = [row[name] for name in SHOWN]
        solved = f"{row['pass@k']:.3f} ({row['ci_lo']:.2f} {row['ci_hi']:.2f})".replace("0.", ".")
        table.add_row(*map(_cell, cells[:-1]), solved)
    return table


def _cell(value: Any) -> str:
    """Whole numbers of a million and more in millions, so that the table fits 80 columns."""
    if isinstance(value, int) and value >= 1_000_000:
        return f"{value / 1e6:.3g}M"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
