"""Samples of checkpoints on any task, with their lengths: success counts at any temperature that was sampled
and any limit of tokens up to the one that was sampled under.

A file of ``eval/sampled`` holds, for each temperature, one row for each problem: how many right and wrong
samples had each length. A lower limit needs no samples of its own: what is longer would have been cut there,
and counts as wrong. (A reward that reads an answer off a text cut short would make it a little better.)
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rl.config.errors import ConfigError
from rl.ladder.layout import LadderDir

SIDES = ("right", "wrong")


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """How samples are drawn."""

    temperature: float
    max_tokens: int

    @property
    def label(self) -> str:
        """``T=0.6 max_tokens=64``."""
        return f"T={self.temperature:g} max_tokens={self.max_tokens}"


def histograms(lengths: Sequence[int], right: Sequence[bool]) -> dict[str, dict[str, int]]:
    """``{right: {length: count}, wrong: {length: count}}`` of one problem's samples, lengths as text (JSON's
    keys)."""
    made = {
        side: Counter(n for n, ok in zip(lengths, right, strict=True) if ok is (side == "right"))
        for side in SIDES
    }
    return {side: {str(n): counts[n] for n in sorted(counts)} for side, counts in made.items()}


def cut(row: Mapping[str, Any], limit: int) -> dict[str, Any]:
    """One problem's row as if sampled with ``max_tokens = limit``: n and c, and its lengths by verdict.

    Args:
        row: with ``right`` and ``wrong`` as ``histograms`` makes them.
        limit: at least 1; what is longer costs ``limit`` tokens and is wrong.

    Returns:
        ``{n, c, right, wrong}``, lengths as integers.
    """
    made: dict[str, Counter[int]] = {side: Counter() for side in SIDES}
    for side in SIDES:
        for length, count in row[side].items():
            over = int(length) > limit
            made["wrong" if over else side][min(int(length), limit)] += count
    c, wrong = (sum(made[side].values()) for side in SIDES)
    return {"n": c + wrong, "c": c, **{side: dict(sorted(made[side].items())) for side in SIDES}}


def scores_at(file: Mapping[str, Any], axis: Axis) -> dict[str, Any]:
    """One checkpoint's scores at one temperature and limit, in the form of ``eval/KEY.json``.

    Raises:
        ConfigError: that temperature was not sampled, or the limit is above what was.
    """
    found = next((rows for t, rows in file["temperatures"].items() if float(t) == axis.temperature), None)
    if found is None:
        raise ConfigError(
            f"{file['key']} was sampled at temperatures {', '.join(file['temperatures'])}, not at"
            f" {axis.temperature:g}: t2rl bases eval --temperatures"
        )
    if not 1 <= axis.max_tokens <= file["max_tokens"]:
        raise ConfigError(
            f"{file['key']} was sampled up to {file['max_tokens']} tokens, so a cut at {axis.max_tokens} is"
            " not among its samples: t2rl bases eval --max-tokens"
        )
    rows, lengths = [], {side: Counter[int]() for side in SIDES}
    for row in found:
        at = cut(row, axis.max_tokens)
        for side in SIDES:
            lengths[side].update(at[side])
        facts = {name: row[name] for name in ("id", "category", "difficulty", "prompt_tokens")}
        rows.append({**facts, "n": at["n"], "c": at["c"], "logp": None})
    return {
        **{name: value for name, value in file.items() if name not in ("temperatures", "asked")},
        "temperature": axis.temperature,
        "max_tokens": axis.max_tokens,
        "lengths": {side: dict(sorted(lengths[side].items())) for side in SIDES},
        "rows": rows,
    }


def axes_of(file: Mapping[str, Any]) -> list[Axis]:
    """Every temperature with every limit that was asked for."""
    limits = sorted({*file["asked"]["cuts"], file["max_tokens"]})
    return [Axis(temperature=float(t), max_tokens=m) for t in file["temperatures"] for m in limits]


def read_sampled(directory: LadderDir, key: str) -> dict[str, Any] | None:
    """A checkpoint's file, None where there is none."""
    path = directory.sampled_file(key)
    if not path.is_file():
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def parse_axis(text: str, option: str, kind: type[float] | type[int]) -> list[Any]:
    """``"64,128"`` -> [64, 128], each once, in order.

    Raises:
        ConfigError: not numbers above 0; names the option.
    """
    try:
        values = [kind(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise ConfigError(f"{option} {text}: give numbers, for example {option} 1") from error
    if any(value <= 0 for value in values):
        raise ConfigError(f"{option} {text}: every number must be above 0")
    return sorted(set(values))
