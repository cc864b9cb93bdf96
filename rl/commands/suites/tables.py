"""The table of ``t2rl eval --suite``: suites down, models across."""

import math
from collections.abc import Sequence

from rich.table import Table

from planner.estimators.bootstrap import Difference, Interval
from rl.commands.suites.figures import Figure, Spent


def table_of(
    models: Sequence[str], found: Sequence[Figure], costs: Sequence[Spent], *, confidence: float
) -> Table:
    """Figures of each suite, then what they cost. Differences are to the first model; those whose interval
    excludes 0 are bold."""
    compared = list(dict.fromkeys(label for figure in found for label in figure.differences))
    table = Table(
        title=f"{confidence:.0%} intervals over problems"
        + (f"; differences to {models[0]}" if compared else ""),
        box=None,
        padding=(0, 1, 0, 0),
    )
    table.add_column("suite", no_wrap=True)
    table.add_column("metric", no_wrap=True)
    for label in models:
        table.add_column(label, justify="right", no_wrap=True)
    for label in compared:
        table.add_column(f"{label} -", justify="right", no_wrap=True)
    for suite in dict.fromkeys(figure.suite for figure in found):
        rows = [figure for figure in found if figure.suite == suite]
        for i, figure in enumerate(rows):
            head = f"{suite} ({figure.problems})" if i == 0 else ""
            values = [_span(figure.values.get(label)) for label in models]
            differences = [_difference(figure.differences.get(label)) for label in compared]
            table.add_row(head, _metric(figure), *values, *differences)
        by_model = {cost.model: cost for cost in costs if cost.suite == suite}
        for name, cells in _cost_rows(models, by_model):
            table.add_row("", f"[dim]{name}[/dim]", *cells)
        table.add_row()
    return table


def _metric(figure: Figure) -> str:
    return figure.metric if figure.temperature in (0, 1) else f"{figure.metric} T={figure.temperature:g}"


def _cost_rows(models: Sequence[str], by_model: dict[str, Spent]) -> list[tuple[str, list[str]]]:
    costs = [by_model.get(label) for label in models]
    rows = [
        ("tokens/answer", [_number(None if c is None else c.tokens) for c in costs]),
        ("cut at the limit", ["" if c is None else f"{c.truncated:.1%}" for c in costs]),
        ("seconds", [_number(None if c is None else c.seconds) for c in costs]),
        (
            "GFLOP/query",
            [
                "" if c is None or c.flops_per_query is None else _number(c.flops_per_query / 1e9)
                for c in costs
            ],
        ),
    ]
    if any(c is not None and c.unjudged for c in costs):
        rows.append(("unjudged", ["" if c is None else str(c.unjudged) for c in costs]))
    if any(c is not None and c.money is not None for c in costs):
        rows.append(("money", ["" if c is None or c.money is None else f"{c.money:.2f}" for c in costs]))
    return rows


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"


def _difference(found: Difference | None) -> str:
    if found is None:
        return ""
    text = _span(found, sign="+")
    return f"[bold]{text}[/bold]" if found.excludes_zero else text


def _span(interval: Interval | None, *, sign: str = "") -> str:
    """``.338 (.30 .38)``: leading zeros and brackets (which rich reads as markup) left out."""
    if interval is None:
        return ""
    numbers = [f"{interval.value:{sign}.3f}", f"{interval.low:{sign}.2f}", f"{interval.high:{sign}.2f}"]
    value, low, high = (number.replace("0.", ".", 1) for number in numbers)
    return value if math.isnan(interval.low) else f"{value} ({low} {high})"
