"""Per-problem counts from a file: JSONL rows ``{id, n, c, category?}``, or an evaluation file of a run."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollout.json_lines import text_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class CountRow:
    """One problem under one sampling config."""

    id: str
    n: int
    c: int
    category: str | None
    tokens: float | None = None
    """Completion tokens of the n samples together, as evaluation files have it."""


def read_counts_file(path: Path, *, temperature: float | None = None, least: int = 1) -> list[CountRow]:
    """Rows in file order.

    Args:
        path: JSONL. Rows with a ``temperature`` (evaluation files have one line for each problem and
            temperature) are of several sampling configs, which must not be pooled.
        temperature: which of them; may be None if there is only one.
        least: samples that a row must have; 0 where problems without any are welcome. A problem of an
            evaluation file none of whose samples could be judged says nothing, and is left out unless it is
            0.

    Raises:
        ValueError: naming file and line: no JSON, a field missing or wrong, an id twice; or several
            temperatures and none named.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file; rows {{id, n, c}} are expected, one problem a line")
    lines = [(where, row, _temperature(where, row)) for where, row in _objects(path)]
    found = sorted({t for _, _, t in lines if t is not None})
    if temperature is not None and temperature not in found:
        raise ValueError(
            f"{path}: no row has temperature {temperature}" + (f"; there are {found}" if found else "")
        )
    if temperature is None and len(found) > 1:
        raise ValueError(
            f"{path}: rows of temperatures {found}: name one with --temperature, since counts of two must not"
            " be pooled"
        )
    rows: dict[str, CountRow] = {}
    for where, row, at in lines:
        if (temperature is None or at == temperature) and not (
            least and row.get("n") == 0 and row.get("unjudged")
        ):
            made = _row(where, row, least)
            if made.id in rows:
                raise ValueError(
                    f"{where}: id {made.id!r} is there already: one row for each problem, counts of one"
                    " sampling config"
                )
            rows[made.id] = made
    if not rows:
        raise ValueError(f"{path}: no rows")
    return list(rows.values())


def _objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in text_lines(path):
        where = f"{path}:{number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{where}: not JSON ({error.msg} at column {error.colno})") from error
        if not isinstance(row, dict):
            raise ValueError(f"{where}: a row is an object {{id, n, c}}, not {type(row).__name__}")
        yield where, row


def _temperature(where: str, row: dict[str, Any]) -> float | None:
    value = row.get("temperature")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise ValueError(f"{where}: temperature is {value!r}, not a number")
    return None if value is None else float(value)


def _row(where: str, row: dict[str, Any], least: int) -> CountRow:
    if missing := [name for name in ("id", "n", "c") if name not in row]:
        raise ValueError(
            f"{where}: {' and '.join(missing)} missing; a row is {{id, n, c}}, with category if you like"
        )
    n, c = _whole(where, "n", row["n"]), _whole(where, "c", row["c"])
    if n < least:
        raise ValueError(
            f"{where}: n is {n}: " + ("at least one sample is needed" if least else "it cannot be negative")
        )
    if not 0 <= c <= n:
        raise ValueError(f"{where}: c is {c} of n = {n}: the right samples lie between 0 and n")
    category = row.get("category")
    tokens = row.get("tokens")
    if tokens is not None and (isinstance(tokens, bool) or not isinstance(tokens, int | float) or tokens < 0):
        raise ValueError(
            f"{where}: tokens is {tokens!r}, not a number of at least 0: completion tokens of the n samples"
            " together"
        )
    return CountRow(
        id=str(row["id"]), n=n, c=c, category=None if category is None else str(category), tokens=tokens
    )


def _whole(where: str, name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{where}: {name} is {value!r}, not a whole number")
    return value
