"""Read candidates, tabulate their options, choose, print and write."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from planner.cost.devices import Device
from planner.cost.measured import read_costs
from planner.cost.roofline import Server
from planner.cost.serving import ServingCost
from planner.joint.choice import Band, Limits, Plan, plan
from planner.joint.options import Candidate, Options, tabulate
from planner.joint.recorded import on_same_problems
from rl.commands.plan_serve.read import Read, read_candidates

UNITS = {"usd": "USD a 1000 queries", "flops": "FLOPs a query", "latency": "seconds a query"}
SHOWN = 25


def plan_serve_cli(
    paths: Sequence[Path],
    limits: Limits,
    *,
    device: Device,
    cost_files: Sequence[Path],
    verifier: bool,
    token_limits: int,
    to: Path | None,
    as_json: bool,
) -> None:
    """Print the choice, its interval, what it gains over the best fixed choice, and the Pareto front.

    Raises:
        ValueError: the user's input, or no option keeps the limits.
    """
    candidates = read_candidates(paths, answers=not verifier)
    shared = on_same_problems([c.recorded for c in candidates])
    options = tabulate(
        [
            Candidate(recorded=recorded, shape=c.shape, cost=cost)
            for recorded, c, cost in zip(
                shared, candidates, costs_of(candidates, device, cost_files), strict=True
            )
        ],
        limits=token_limits,
        verifier=verifier,
    )
    found = plan(options, limits)
    report = to_dict(options, limits, found)
    if to is not None:
        to.mkdir(parents=True, exist_ok=True)
        (to / "plan.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        from rl.commands.plan_serve.picture import draw_front

        draw_front(to / "front.svg", options, limits, found)
    if as_json:
        print(json.dumps(report))
        return
    _show(options, limits, found, Console())
    if to is not None:
        Console().print(f"written: {to / 'plan.json'}, {to / 'front.svg'}")


def costs_of(candidates: Sequence[Read], device: Device, files: Sequence[Path]) -> list[ServingCost]:
    """Measured seconds of the candidates that a file names, by their name or their model's; the roofline of
    the device for the others."""
    measured, used = read_costs(files), set[tuple[str, int]]()
    found: list[ServingCost] = []
    for candidate in candidates:
        bits = candidate.recorded.bits
        keys = [(name, bits) for name in (candidate.recorded.name, candidate.model)]
        key = next((key for key in keys if key in measured), None)
        if key is None:
            found.append(Server(shape=candidate.shape, device=device, bits=bits))
        else:
            used.add(key)
            found.append(measured[key])
    if strangers := sorted(measured.keys() - used):
        name, bits = strangers[0]
        raise ValueError(
            f"--cost: measured for {name} at {bits} bits, which is no candidate; names are those of"
            f" candidates or of their models: {', '.join(sorted({c.model for c in candidates}))}"
        )
    return found


def to_dict(options: Options, limits: Limits, found: Plan) -> dict[str, Any]:
    """JSON-able."""
    return {
        "problems": options.right.shape[1],
        "options": len(options.options),
        "limits": asdict(limits),
        "chosen": _row(options, found.chosen),
        "accuracy": asdict(found.accuracy),
        "cost": asdict(found.cost),
        "latency": asdict(found.latency),
        "stability": [{**_row(options, i), "share": share} for i, share in found.stability],
        "fixed": None if found.fixed < 0 else _row(options, found.fixed),
        "held_out": None if found.held_out is None else asdict(found.held_out),
        "front": [_row(options, i) for i in found.front],
    }


def _row(options: Options, i: int) -> dict[str, Any]:
    return {
        **asdict(options.options[i]),
        "accuracy": float(options.right[i].mean()),
        **{name: float(values[i].mean()) for name, values in options.costs.items()},
    }


def _show(options: Options, limits: Limits, found: Plan, console: Console) -> None:
    table = Table(
        title=f"Pareto front of {len(options.options)} options on {options.right.shape[1]} problems"
    )
    for column in ("option", "solved", UNITS["usd"], UNITS["flops"], UNITS["latency"]):
        table.add_column(column, justify="left" if column == "option" else "right")
    for i in _some(found.front):
        mark = "-> " if i == found.chosen else ""
        table.add_row(
            escape(mark + options.options[i].label),
            f"{options.right[i].mean():.3f}",
            *(f"{options.costs[name][i].mean():.3g}" for name in UNITS),
        )
    console.print(table)
    unit = UNITS[limits.cost]
    console.print(f"[bold]serve[/] {escape(options.options[found.chosen].label)}")
    console.print(
        f"  solves {_band(found.accuracy)}, {unit} {_band(found.cost)}, seconds {_band(found.latency)}"
        " (95% over problems)"
    )
    share = dict(found.stability).get(found.chosen, 0.0)
    console.print(f"  chosen again in {share:.0%} of bootstrap draws of the problems")
    for i, other in found.stability:
        if i != found.chosen:
            console.print(f"  in {other:.0%} instead: {escape(options.options[i].label)}")
    if found.fixed < 0:
        console.print("  no fixed choice (all samples at once, the recorded token limit) keeps the limits")
    if found.held_out is None:
        console.print(
            "  too few halves of the problems keep the limits to score the choice on the other half"
        )
        return
    held = found.held_out
    console.print(
        f"  chosen on half of the problems, scored on the other: solves {_band(held.accuracy)}, {unit}"
        f" {_band(held.cost)}; limits kept in {held.within_budget:.0%}"
    )
    console.print(
        f"  against the best fixed choice ({escape(options.options[found.fixed].label)}): solved"
        f" {held.accuracy_gain.value:+.3f} ({held.accuracy_gain.low:+.3f} {held.accuracy_gain.high:+.3f}),"
        f" saving {held.saving.value:.0%} ({held.saving.low:.0%} {held.saving.high:.0%})"
    )


def _some(front: Sequence[int]) -> list[int]:
    """At most ``SHOWN`` of the front, evenly."""
    if len(front) <= SHOWN:
        return list(front)
    at = np.unique(np.round(np.linspace(0, len(front) - 1, SHOWN)).astype(int))
    return [front[i] for i in at]


def _band(band: Band) -> str:
    return f"{band.value:.3g} ({band.low:.3g} {band.high:.3g})"
