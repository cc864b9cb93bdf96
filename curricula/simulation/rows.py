"""The pool of a simulation: JSONL rows ``{id, category?, difficulty?, pass_rate, length?, metadata?}``,
checked line by line."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curricula.simulation.curves import Curves
from rollout.json_lines import text_lines
from rollout.types import Prompt

FIELDS = ("id", "category", "difficulty", "pass_rate", "length", "metadata")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedPool:
    """P prompts with what happens to them over training."""

    prompts: tuple[Prompt, ...]
    pass_rates: Curves
    """Probability that one rollout is right."""
    lengths: Curves | None
    """Mean completion tokens; None if no row says, and every completion then counts one token."""


def read_rows(path: Path) -> SimulatedPool:
    """Read a pool file.

    Raises:
        ValueError: naming file and line, for a row that is not JSON, a missing or unknown field, a rate
            outside [0, 1], an id that stands there twice.
    """
    if not path.is_file():
        raise ValueError(f"--pool {path}: no such file")
    return pool_of(_parsed(path), source=str(path))


def pool_of(rows: Iterable[Mapping[str, Any]], *, source: str = "row") -> SimulatedPool:
    """A pool of rows as in the file.

    Raises:
        ValueError: as ``read_rows``; ``source`` and the row's number, from 1, stand in front.
    """
    prompts: list[Prompt] = []
    rates: list[list[float]] = []
    lengths: list[list[float] | None] = []
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        try:
            prompts.append(_prompt(row))
            rates.append(_curve(row, "pass_rate", low=0.0, high=1.0))
            lengths.append(_curve(row, "length", low=1.0) if row.get("length") is not None else None)
        except ValueError as error:
            raise ValueError(f"{source}:{number}: {error}") from error
        first = seen.setdefault(prompts[-1].id, number)
        if first != number:
            raise ValueError(
                f"{source}:{number}: id {prompts[-1].id!r} stands in row {first} already; every prompt needs"
                " its own"
            )
    if not prompts:
        raise ValueError(f"{source}: no row; a pool needs at least one prompt")
    if any(lengths) and not all(lengths):
        bare = lengths.index(None) + 1
        raise ValueError(
            f"{source}:{bare}: length is missing, though other rows have one: give it in every row or in none"
        )
    held = [points for points in lengths if points]
    return SimulatedPool(
        prompts=tuple(prompts), pass_rates=Curves(rates), lengths=Curves(held) if held else None
    )


def _parsed(path: Path) -> Iterable[Mapping[str, Any]]:
    for number, line in text_lines(path):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}:{number}: not a JSON row ({error.msg})") from error
        if not isinstance(row, dict):
            raise ValueError(
                f"{path}:{number}: a row is an object {{id, category, pass_rate, ...}}, not"
                f" {type(row).__name__}"
            )
        yield row


def _prompt(row: Mapping[str, Any]) -> Prompt:
    unknown = sorted(set(row) - set(FIELDS))
    if unknown:
        raise ValueError(f"unknown field {unknown[0]!r}; a row has {', '.join(FIELDS)}")
    prompt_id, category, difficulty = (
        row.get("id"),
        row.get("category", "default"),
        row.get("difficulty") or 0,
    )
    metadata = row.get("metadata") or {}
    if not isinstance(prompt_id, str | int) or isinstance(prompt_id, bool) or prompt_id == "":
        raise ValueError(f"id is {prompt_id!r}; it must be text or an integer")
    if not isinstance(category, str) or not category:
        raise ValueError(f"category is {category!r}; it must be text")
    if not isinstance(difficulty, int) or isinstance(difficulty, bool):
        raise ValueError(f"difficulty is {difficulty!r}; it must be an integer level")
    if not isinstance(metadata, Mapping):
        raise ValueError(
            f"metadata is {metadata!r}; it must be an object: what parts may read of a prompt, e.g. its"
            " skills"
        )
    return Prompt(
        id=str(prompt_id),
        text="",
        token_ids=(0,),
        answer="",
        category=category,
        difficulty=difficulty,
        metadata=metadata,
    )


def _curve(row: Mapping[str, Any], name: str, *, low: float, high: float | None = None) -> list[float]:
    if name not in row:
        raise ValueError(f"{name} is missing: a number, or a list over training")
    value = row[name]
    points = value if isinstance(value, list) else [value]
    bounds = f"in [{low:g}, {high:g}]" if high is not None else f"of at least {low:g}"
    for point in points or [None]:
        number = isinstance(point, int | float) and not isinstance(point, bool)
        if not number or not low <= point <= (float("inf") if high is None else high):
            raise ValueError(
                f"{name} is {value!r}; it must be a number {bounds}, or a list of such numbers over training"
            )
    return [float(point) for point in points]
