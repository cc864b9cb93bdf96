"""``t2rl plan cascade``: the cheapest cascade of recorded models, written so that ``t2rl serve`` reads it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from planner.cascade import (
    Cascade,
    Saving,
    Table,
    Verdicts,
    candidates,
    saving,
    saving_replicates,
    tabulate,
)
from planner.cost.devices import Device
from planner.joint.options import BATCH
from planner.joint.recorded import Recorded, on_same_problems
from rl.commands.plan_serve.command import costs_of
from rl.commands.plan_serve.read import Read, read_candidates
from rl.records.storage import require_file

UNITS = {"usd": "USD a 1000 queries", "flops": "FLOPs a query"}
SHOWN = (1, 2, 4, 8)
"""Samples that a verifier may be shown."""
REPLICATES = 400


def plan_cascade_cli(
    paths: Sequence[Path],
    *,
    unit: str,
    margin: float,
    verifier: bool,
    collision: float,
    depth: int,
    cost_files: Sequence[Path],
    device: Device | None,
    to: Path | None,
    as_json: bool,
) -> None:
    """Print the choice, its accuracy and cost beside the best single model's, and what it saves on problems
    that did not choose it; write it to ``to``.

    Raises:
        ValueError: the user's input: fewer than two candidates, or what ``read_candidates`` says.
    """
    if to is not None:
        require_file(to, field="--to")
    read = read_candidates(paths, answers=False)
    if len(read) < 2:
        raise ValueError(f"{len(read)} candidate: a cascade needs at least two models; give more")
    shared = on_same_problems([one.recorded for one in read])
    verdicts = verdicts_of(read, shared, unit=unit, device=device, cost_files=cost_files)
    most = int(verdicts.n.min())
    table = tabulate(
        list(
            candidates(
                verdicts,
                gate="verifier" if verifier else "agreement",
                depth=depth,
                samples=[k for k in SHOWN if k <= most],
                collision=collision,
            )
        ),
        verdicts,
    )
    report = report_of(table, verdicts, margin=margin)
    rungs = rungs_of(table.cascades[report.pop("index")], [one.directory.resolve() for one in read])
    result = {"rungs": rungs, "unit": unit, "gate": "verifier" if verifier else "agreement"} | report
    if as_json:
        print(json.dumps(result))
    else:
        _show(result, Console())
    if to is None:
        return
    said = Console(stderr=as_json)  # JSON alone on stdout
    if len(rungs) < 2:
        said.print(f"no cascade does it for less: serve {rungs[0]['model']} alone; {to} is not written")
        return
    to.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    said.print(f"written: {to}; t2rl serve {to}")


def verdicts_of(
    read: Sequence[Read],
    shared: Sequence[Recorded],
    *,
    unit: str,
    device: Device | None,
    cost_files: Sequence[Path],
) -> Verdicts:
    """Counts of all candidates on the same problems, with the mean cost of one sample."""
    costs = [] if device is None else costs_of(read, device, cost_files)
    rows = []
    for number, (one, recorded) in enumerate(zip(read, shared, strict=True)):
        pairs = zip(recorded.prompt_tokens, recorded.lengths, strict=True)
        means = [(float(prompt), float(lengths.mean())) for prompt, lengths in pairs]
        if unit == "flops":
            rows.append([one.shape.query(prompt, mean, 1) for prompt, mean in means])
        else:
            rows.append([costs[number].usd_per_1000_queries(p, mean, 1, batch=BATCH) for p, mean in means])
    return Verdicts(
        models=tuple(recorded.name for recorded in shared),
        n=np.array([[len(right) for right in one.right] for one in shared]),
        c=np.array([[int(right.sum()) for right in one.right] for one in shared]),
        cost=np.array(rows),
    )


def report_of(table: Table, verdicts: Verdicts, *, margin: float) -> dict[str, Any]:
    """The choice on all problems, and its saving on halves that did not make it."""
    everyone = np.arange(verdicts.n.shape[1])
    single = table.best_single(everyone)
    chosen = table.cheapest(everyone, float(table.right[single].mean()) + margin)
    drawn = saving_replicates(table, None, replicates=REPLICATES, margin=margin)
    point = saving(table, None, choose=everyone[::2], score=everyone[1::2], margin=margin)
    return {
        "index": chosen,
        "problems": len(everyone),
        "candidates": len(table.cascades),
        "chosen": _facts(table, verdicts, chosen),
        "single": _facts(table, verdicts, single),
        "held_out": {name: _interval(point, drawn, name) for name in ("saving", "difference")},
    }


def rungs_of(cascade: Cascade, directories: Sequence[Path]) -> list[dict[str, Any]]:
    """The rungs as ``t2rl serve`` reads them."""
    rows: list[dict[str, Any]] = []
    for rung in cascade.rungs:
        row: dict[str, Any] = {"model": str(directories[rung.model]), "samples": rung.samples}
        if rung.partner is not None:
            same = rung.partner == rung.model
            row |= {"agree": 2} if same else {"partner": str(directories[rung.partner]), "agree": 1}
        rows.append(row)
    return rows


def _facts(table: Table, verdicts: Verdicts, index: int) -> dict[str, Any]:
    return {
        "name": table.cascades[index].name(verdicts.models),
        "accuracy": float(table.right[index].mean()),
        "cost": float(table.cost[index].mean()),
    }


def _interval(point: Saving, drawn: Sequence[Saving], name: str) -> dict[str, float]:
    low, high = np.quantile([getattr(one, name) for one in drawn], [0.025, 0.975])
    return {"estimate": getattr(point, name), "low": float(low), "high": float(high)}


def _show(result: dict[str, Any], console: Console) -> None:
    unit = UNITS[result["unit"]]
    console.print(f"{result['candidates']} cascades and single models on {result['problems']} problems")
    for what in ("single", "chosen"):
        row = result[what]
        console.print(f"  {what}: {row['name']}: solves {row['accuracy']:.3f}, {unit} {row['cost']:.3g}")
    held = result["held_out"]
    words = ", ".join(
        f"{name} {band['estimate']:+.3f} ({band['low']:+.3f} {band['high']:+.3f})"
        for name, band in held.items()
    )
    console.print(f"  on problems that did not choose, against the best single model: {words}")
