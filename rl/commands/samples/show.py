"""Rollouts in the terminal: one block each, or one prompt's completions by policy version."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from rl.commands.samples.choose import Row

LONGEST = 2000
"""Characters of a text that are shown; --json has all."""
VERSIONS = 4
"""Columns of the table of one prompt."""


def show(rows: Sequence[Row], console: Console, *, evaluation: bool) -> None:
    """Print each rollout: a line of facts, its prompt once for neighbours that share it, its completion."""
    previous = None
    for row in rows:
        if row["prompt_id"] != previous:
            console.rule(
                f"[bold]{escape(str(row['prompt_id']))}[/]  {escape(str(row['category']))}", align="left"
            )
            console.print(_text(row["prompt"]), style="dim")
            previous = row["prompt_id"]
        console.print(Text.assemble(*_verdict(row), f"  {_facts(row, evaluation)}"))
        console.print(_text(row["completion"]))


def show_versions(rows: Sequence[Row], console: Console, *, evaluation: bool) -> None:
    """One prompt's completions side by side, a column for each of a few policy versions, first to last."""
    versions = sorted({_version(row) for row in rows})
    if len(versions) > VERSIONS:
        last = len(versions) - 1
        versions = [versions[round(i * last / (VERSIONS - 1))] for i in range(VERSIONS)]
    console.print(_text(rows[0]["prompt"]), style="dim")
    table = Table(show_lines=True, expand=True)
    coldest_first = sorted(rows, key=lambda row: row["temperature"] or 0.0)
    columns = [[row for row in coldest_first if _version(row) == version] for version in versions]
    for version, of_version in zip(versions, columns, strict=True):
        judged = [row for row in of_version if row["judged"]]
        right = sum(row["correct"] for row in judged)
        table.add_column(f"version {version}: {right} of {len(judged)} right", overflow="fold", ratio=1)
    for place in range(max(map(len, columns))):
        table.add_row(*(_cell(column[place]) if place < len(column) else Text() for column in columns))
    console.print(table)


def _cell(row: Row) -> Text:
    heat = "" if row["temperature"] is None else f"  T {_number(row['temperature'])}"
    return Text.assemble(*_verdict(row), heat, "\n", _text(row["completion"]))


def _version(row: Row) -> int:
    """The version that finished it; of an evaluation the only one."""
    return int(row["version_max"] if row["version_max"] is not None else row["step"])


def _verdict(row: Row) -> list[tuple[str, str]]:
    if not row["judged"]:
        return [("not judged", "yellow"), (f" {row['reason'] or row['failure'] or ''}", "")]
    said = ("right", "green") if row["correct"] else ("wrong", "red")
    return [said, (f" {row['reason']}" if row["reason"] and row["reason"] != said[0] else "", "")]


def _facts(row: Row, evaluation: bool) -> str:
    facts: list[tuple[str, Any]] = [
        ("version" if evaluation else "step", row["step"]),
        ("reward", _number(row["reward"]) if row["judged"] else None),
        ("advantage", _number(row["advantage"])),
        ("tokens", row["length"]),
        ("ended by", row["finish_reason"] if row["finish_reason"] != "stop" else None),
        ("staleness", row["staleness"] or None),
        ("gap", _number(row["gap_max"])),
        ("dropped", row["decision"] or None),
        ("T", _number(row["temperature"]) if evaluation else None),
    ]
    parts = {part["name"]: part["value"] for part in row["components"] or ()}
    if len(parts) > 1:
        facts += [(name, _number(value)) for name, value in parts.items()]
    return "  ".join(f"{name} {value}" for name, value in facts if value is not None)


def _number(value: float | None) -> str | None:
    return None if value is None or value != value else f"{value:.3g}"


def _text(text: str | None) -> Text:
    """Never read as markup or as terminal commands: a model writes what it likes."""
    shown = "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text or "")
    return Text(shown if len(shown) <= LONGEST else f"{shown[:LONGEST]} ... ({len(shown):,} characters)")
