"""The tables that the commands on ladders print."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


def print_cells(path: Path, cells: Sequence[Mapping[str, Any]]) -> None:
    """Facts of the bases."""
    table = Table(
        "base", "N", "N total", "D", "D/N", "level", "FLOPs", "loss", "s", title=f"{path}: {len(cells)} bases"
    )
    for c in cells:
        sizes = (
            f"{c['params']:,}",
            f"{c['params_total']:,}",
            f"{c['tokens']:,}",
            f"{c['tokens'] / c['params']:.1f}",
        )
        table.add_row(
            c["name"],
            *sizes,
            str(c["level"]),
            f"{c['train_flops']:.2e}",
            f"{c['loss']:.3f}",
            f"{c['seconds']:.0f}",
        )
    Console().print(table)


def print_post(path: Path, done: Sequence[Mapping[str, Any]]) -> None:
    """Facts of the post-trained bases."""
    table = Table("base", "run", "steps", "FLOPs", title=f"{path}: post-trained")
    for p in done:
        table.add_row(p["name"], p["run"], str(p["steps"]), f"{p['post_flops']:.2e}")
    Console().print(table)


def print_scores(path: Path, scores: Sequence[Mapping[str, Any]]) -> None:
    """Headline scores of every checkpoint."""
    columns = ("bits", "NLL", "mean p", "@1", "@4", "@16", "@64", "tokens", "gap")
    table = Table(
        title=(
            f"{path}: pass@k of {len(scores)} checkpoints; gap: sampling minus likelihood mode, in standard"
            " errors"
        )
    )
    table.add_column("checkpoint", no_wrap=True)
    for column in columns:
        table.add_column(column, no_wrap=True)
    for s in scores:
        passes = [_number(s["pass"].get(str(k))) for k in (1, 4, 16, 64)]
        gap = "" if s["mode_gap_se"] is None else f"{s['mode_gap_se']:+.1f}"
        bits = str(s["bits"] or "full")
        table.add_row(
            s["key"], bits, _number(s["nll"]), _number(s["mean_p"]), *passes, f"{s['mean_tokens']:.1f}", gap
        )
    Console().print(table)


def print_sampled(path: Path, scores: Sequence[Mapping[str, Any]]) -> None:
    """Headline scores of every checkpoint, temperature and limit of tokens."""
    table = Table(title=f"{path}: pass@k by the engines; a sample longer than max_tokens is wrong")
    for column in ("checkpoint", "T", "max_tokens", "@1", "@4", "@16", "@64", "tokens"):
        table.add_column(column, no_wrap=True)
    for s in scores:
        passes = [_number(s["pass"].get(str(k))) for k in (1, 4, 16, 64)]
        axes = f"{s['temperature']:g}", str(s["max_tokens"])
        table.add_row(s["key"], *axes, *passes, f"{s['mean_tokens']:.1f}")
    Console().print(table)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
