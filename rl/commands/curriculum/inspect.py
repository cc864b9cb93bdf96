"""``t2rl curriculum inspect``: what a run's curriculum chose, and what its parts said about it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from curricula.measures.effective import BUCKETS
from rl.commands.curriculum.bins import figure, label, mean_of, stretches
from rl.commands.curriculum.heatmap import HeatMap, check_suffix
from rl.records.jsonl import plain, read_jsonl
from rl.records.metrics import live_rows, read_metrics
from rl.records.rundir import RunDir

PREFIX = "curriculum/"
GRADIENT, PROMPT = PREFIX + "effective_gradient_ratio", PREFIX + "effective_prompt_ratio"
RATIOS = (
    "effective_gradient_ratio",
    "effective_prompt_ratio",
    "all_positive_ratio",
    "all_negative_ratio",
    "pass_rate",
)
OF_PLAN = ("epoch", "observed_prompts", "group_size_min", "group_size_max")
OF_EVERY_RUN = frozenset(
    PREFIX + name for name in (*OF_PLAN, *RATIOS, *(f"{bucket}_ratio" for bucket in BUCKETS))
)
"""Figures that the stack reports whatever its parts are; the others under ``curriculum/`` come from the parts
themselves."""
MOST_TRAINED = 5
SPOTS = 5
"""Stretches of steps that the parts' figures are shown for."""


def inspect(run: Path, *, as_json: bool, heatmap: Path | None) -> None:
    """Read a run directory, finished or being written to, and print.

    Raises:
        ValueError: it is no run, has no step yet, or has no category counts to write to ``heatmap``.
    """
    if heatmap is not None:
        check_suffix(heatmap)
    found = read_choices(run)
    if heatmap is not None:
        if not found["choices"]:
            raise ValueError(
                f"--heatmap: {run} has no curriculum.jsonl (it was made by an older version): nothing is"
                " known by category"
            )
        HeatMap.of(found["choices"]).write(heatmap)
    if as_json:
        heat = HeatMap.of(found["choices"]).records() if found["choices"] else []
        print(json.dumps(plain({**found, "heatmap": heat})))
        return
    show(found, Console())


def read_choices(path: Path) -> dict[str, Any]:
    """``{run, curriculum, metrics, choices, prompts}`` of the lineage of the newest weights.

    ``metrics`` has one row a step with the figures under ``curriculum/``, ``choices`` the rows of
    ``curriculum.jsonl``, ``prompts`` the trained prompts: id -> [groups, rollouts].

    Raises:
        ValueError: no run, or no step yet.
    """
    run = RunDir(path)
    if not run.metrics.is_file():
        raise ValueError(
            f"{path} is no run directory: it has no metrics.jsonl (runs lie under run.dir, for example"
            " runs/quickstart)"
        )
    metrics = [
        {"step": row["step"], **{key: value for key, value in row.items() if key.startswith(PREFIX)}}
        for row in read_metrics(run.metrics)
    ]
    if not metrics:
        raise ValueError(f"{path}: no step was trained yet; try again in a while")
    config = yaml.safe_load(run.config.read_text(encoding="utf-8")) if run.config.is_file() else {}
    if "stage" in config:
        raise ValueError(f"{path}: t2rl {config['stage']} has no curriculum")
    section = config.get("curriculum", {})
    choices = live_rows(read_jsonl(run.curriculum)) if run.curriculum.is_file() else []
    prompts: dict[str, list[int]] = {}
    for row in live_rows(read_jsonl(run.trained_groups)) if run.trained_groups.is_file() else []:
        seen = prompts.setdefault(row["prompt_id"], [0, 0])
        seen[0] += 1
        seen[1] += row["num_rollouts"]
    return {
        "run": str(path),
        "curriculum": section,
        "metrics": metrics,
        "choices": choices,
        "prompts": prompts,
    }


def show(found: Mapping[str, Any], console: Console) -> None:
    """Tables and heat map for a terminal."""
    metrics, choices = found["metrics"], found["choices"]
    console.print(f"[bold]{found['run']}[/]: {_parts(found['curriculum'])}", highlight=False)
    console.print(TITLE)
    console.print(_steps(metrics, {row["step"]: row for row in choices}))
    reasons = _said(metrics)
    if reasons is not None:
        console.print(reasons)
    if choices:
        console.print(
            HeatMap.of(choices).picture(width=max(10, console.width - 40), colour=console.is_terminal)
        )
    else:
        console.print(
            "no curriculum.jsonl (made by an older version): categories and group sizes by step are not known"
        )
    most = sorted(found["prompts"].items(), key=lambda item: (-item[1][1], item[0]))[:MOST_TRAINED]
    if most:
        listed = ", ".join(
            f"{name} {rollouts} rollouts in {groups} groups" for name, (groups, rollouts) in most
        )
        console.print(f"{len(found['prompts'])} prompts trained; most: {listed}", highlight=False)


def _parts(section: Mapping[str, Any]) -> str:
    """The preset's name and what fills each slot."""
    slots = [f"{slot}={part['name']}" for slot, part in section.items() if isinstance(part, dict)]
    return f"curriculum={section.get('name', '?')} ({', '.join(slots) or 'every slot neutral'})"


def _steps(metrics: Sequence[Mapping[str, Any]], choices: Mapping[int, Mapping[str, Any]]) -> Table:
    table = Table("step", "gradient", "prompt", "group sizes", "rollouts", "refills", "dropped")
    for part in stretches(len(metrics)):
        some = [metrics[i] for i in part]
        chosen = [choices[row["step"]] for row in some if row["step"] in choices]
        sizes = [int(size) for row in chosen for size in row["group_sizes"]]
        rollouts = sum(int(size) * count for row in chosen for size, count in row["group_sizes"].items())
        table.add_row(
            label([row["step"] for row in some]),
            figure(mean_of(some, GRADIENT)),
            figure(mean_of(some, PROMPT)),
            f"{min(sizes)}-{max(sizes)}" if sizes else "-",
            f"{rollouts:,}" if chosen else "-",
            str(sum(row["refill_rounds"] for row in chosen)) if chosen else "-",
            _dropped(chosen) if chosen else "-",
        )
    return table


TITLE = "effective share of rollouts (gradient) and of prompts, on raw correctness, over all groups sampled"


def _dropped(chosen: Sequence[Mapping[str, Any]]) -> str:
    counts: dict[str, int] = {}
    for row in chosen:
        for reason, count in row["dropped"].items():
            counts[reason] = counts.get(reason, 0) + count
    return (
        ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items(), key=lambda item: -item[1]))
        or "none"
    )


def _said(metrics: Sequence[Mapping[str, Any]]) -> Table | None:
    """Return what the parts report, over the run; None if they report nothing."""
    names = sorted({key for row in metrics for key in row if key.startswith(PREFIX)} - OF_EVERY_RUN)
    if not names:
        return None
    parts = stretches(len(metrics), lines=SPOTS)
    table = Table(title="what the parts report")
    table.add_column("why", no_wrap=True)
    for part in parts:
        table.add_column(label([metrics[i]["step"] for i in part]))
    for name in names:
        table.add_row(
            name.removeprefix(PREFIX),
            *(figure(mean_of([metrics[i] for i in part], name), ".4g") for part in parts),
        )
    return table
