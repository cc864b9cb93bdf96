"""The tables that ``t2rl plan bases`` prints."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

MIN_WIDTH = 112
"""Columns that the table of r* needs; a narrower terminal wraps it."""


def print_plan(folder: Path, report: dict[str, Any]) -> None:
    """The shift with its intervals, hold-outs, end-to-end optima, discrete choices."""
    console = Console()
    console = Console(width=max(console.width, MIN_WIDTH))
    console.print(_shift(report["shift"]))
    console.print(_holdouts(report["holdouts"]))
    console.print(_end_to_end(report["end_to_end"]))
    console.print(_discrete(report["discrete"]))
    middle = report["middle_cell"]
    if middle["vacuous"]:
        console.print(
            f"pass@1 of {middle['checkpoint']} lies outside of .02 to .6 in more than half of the categories:"
            " C1 says little"
        )
    names = ", ".join(sorted(f.name for f in folder.iterdir() if f.is_file()))
    console.print(f"written to {folder}: {names}", soft_wrap=True)


def _shift(shift: dict[str, Any]) -> Table:
    table = Table(
        title=(
            f"r* = D/N by pass@1 and by pass@k at C_inf (in largest N); 95% intervals, {shift['resamples']}"
            " replicates"
        )
    )
    for column in ("", "C_inf", "surface", "FLOPs", "r* @1", "r* @k", "log ratio", "P>0"):
        table.add_column(column, no_wrap=True)
    for kind in ("base", "post"):
        for name, entry in shift.get(kind, {}).items():
            for surface in ("family", "approach1", "approach2"):
                if name != "levels" and surface in entry:
                    short = surface.replace("approach", "A")
                    _surface_rows(
                        table, (kind, name.removeprefix("C_inf=").removesuffix("Nmax"), short), entry[surface]
                    )
    return table


def _surface_rows(table: Table, head: tuple[str, str, str], found: dict[str, Any]) -> None:
    mean = found["mean_log_ratio"]
    for i, level in enumerate(found["levels"]):
        last = (_span(mean), f"{mean['p_positive']:.2f}") if i == 0 else ("", "")
        front = head if i == 0 else ("", "", "")
        table.add_row(
            *front,
            f"{level['train_flops']:.0e}",
            _optimum(level["single"]),
            _optimum(level["corrected"]),
            *last,
        )


def _optimum(level: dict[str, Any]) -> str:
    """Marked ! where it lies on a limit of the search: a bound, not an optimum."""
    return f"{level['value']:.0f} ({level['low']:.0f} {level['high']:.0f}){'!' if level['edges'] else ''}"


def _span(interval: dict[str, float]) -> str:
    return f"{interval['value']:+.1f} ({interval['low']:+.1f} {interval['high']:+.1f})"


def _holdouts(holdouts: dict[str, Any]) -> Table:
    table = Table(
        "hold-out",
        "model",
        "MAE",
        "relative",
        "Spearman",
        "regret",
        title="held-out cells, pass@1, 4, 16, 64",
    )
    for name, entry in holdouts.items():
        for model, s in entry.get("models", {}).items():
            table.add_row(name, model, *(f"{s[k]:.3f}" for k in ("mae", "relative", "spearman", "regret")))
    return table


def _end_to_end(optima: list[dict[str, Any]]) -> Table:
    table = Table(
        "queries",
        "",
        "N",
        "r",
        "k",
        "pass@k",
        "inference share",
        "edge",
        title="one budget from training to the last query",
    )
    for o in optima:
        kind = "post" if o["post"] else "base"
        if "error" in o:
            table.add_row(f"{o['queries']:.0e}", kind, o["error"])
            continue
        share = f"{o['inference_share']:.2f}"
        table.add_row(
            f"{o['queries']:.0e}",
            kind,
            f"{o['params']:,.0f}",
            f"{o['ratio']:.0f}",
            f"{o['k']:.0f}",
            f"{o['score']:.3f}",
            share,
            ", ".join(o["edges"]),
        )
    return table


def _discrete(choices: list[dict[str, Any]]) -> Table:
    table = Table(
        "FLOPs of a query", "checkpoint", "k", "pass@k", title="best measured checkpoint for a query"
    )
    for c in choices:
        table.add_row(f"{c['flops_per_query']:.1e}", c["checkpoint"], str(c["k"]), f"{c['pass']:.3f}")
    return table
