"""The compact categories: generator knobs per level, and how an item is written in a few characters.

A *cell* is one (category, level). Its generator is a pure function of (seed, index), and the split of a
problem is a pure function of its text, so the same text can never be in two splits, whatever the seed or the
level.
"""

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from reasoning_gym.factory import DATASETS, create_dataset

Split = Literal["train", "dev", "test"]
Item = Mapping[str, Any]

TEST_BUCKETS, DEV_BUCKETS, NUM_BUCKETS = 15, 10, 100
STALL_LIMIT = 2_000
"""Draws in a row without a new problem after which a cell counts as exhausted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactCategory:
    """How one reasoning-gym dataset is written in characters."""

    levels: tuple[Mapping[str, Any], ...]
    """Generator arguments, easiest first."""
    question: Callable[[Item], str]
    """Metadata of an item -> prompt text."""
    answer: Callable[[Item], str]
    """Metadata of an item -> gold answer in compact form."""
    answer_format: Literal["plain", "int_list"] = "plain"
    """``int_list``: ``2,5,9`` stands for the library's list of number strings."""


def _ints(values: list[str]) -> str:
    return ",".join(str(int(float(v))) for v in values)


CATEGORIES: dict[str, CompactCategory] = {
    "chain_sum": CompactCategory(
        levels=tuple(
            {"min_terms": t, "max_terms": t, "min_digits": 1, "max_digits": 1} for t in (2, 3, 4, 6)
        ),
        question=lambda m: "s " + m["expression"].replace(" ", "") + "=",
        answer=lambda m: str(sum(int(x) for x in signed_terms(m["expression"]))),
    ),
    "count_bits": CompactCategory(
        levels=tuple({"min_n": a, "max_n": b} for a, b in ((1, 127), (128, 255), (256, 511), (512, 1023))),
        question=lambda m: f"b {m['number']}=",
        answer=lambda m: str(m["solution"]),
    ),
    "gcd": CompactCategory(
        levels=tuple({"min_value": a, "max_value": b} for a, b in ((1, 15), (5, 25), (10, 35), (20, 50))),
        question=lambda m: "g " + ",".join(map(str, m["numbers"])) + "=",
        answer=lambda m: str(m["result"]),
    ),
    "number_sorting": CompactCategory(
        levels=tuple(
            {
                "min_numbers": n,
                "max_numbers": n,
                "min_decimals": 0,
                "max_decimals": 0,
                "min_value": 0,
                "max_value": 9,
            }
            for n in (3, 4, 5, 7)
        ),
        question=lambda m: (
            ("u " if m["direction"] == "ascending" else "d ") + _ints(m["original_numbers"]) + "="
        ),
        answer=lambda m: _ints(m["sorted_numbers"]),
        answer_format="int_list",
    ),
    "spell_backward": CompactCategory(
        levels=tuple({"min_word_len": a, "max_word_len": b} for a, b in ((3, 3), (4, 4), (5, 6), (7, 7))),
        question=lambda m: "r " + m["word"].lower() + "=",
        answer=lambda m: m["word"].lower()[::-1],
    ),
}


def signed_terms(expression: str) -> list[str]:
    """``"3 - 7 + 8"`` -> ``["3", "-7", "+8"]``."""
    return expression.replace(" ", "").replace("-", " -").replace("+", " +").split()


def split_of(text: str) -> Split:
    """Which split a problem text belongs to: a hash of the text and nothing else."""
    bucket = zlib.crc32(text.encode()) % NUM_BUCKETS
    return "test" if bucket < TEST_BUCKETS else "dev" if bucket < TEST_BUCKETS + DEV_BUCKETS else "train"


def generator_args(
    category: str, level: int, overrides: Mapping[str, tuple[Mapping[str, Any], ...]]
) -> dict[str, Any]:
    """Generator arguments of one cell; a ``ValueError`` says which field to mend."""
    levels = overrides.get(category) or (CATEGORIES[category].levels if category in CATEGORIES else ())
    if category not in DATASETS:
        raise ValueError(
            f"task.categories: {category!r} is no reasoning-gym dataset; known compact ones:"
            f" {sorted(CATEGORIES)}"
        )
    if level > len(levels):
        fix = (
            f"give task.level_args.{category} at least {level} generator configurations, or lower task.levels"
        )
        raise ValueError(
            f"task.levels: {category} has {len(levels)} level(s), level {level} was asked for; {fix}"
        )
    return dict(levels[level - 1])


@lru_cache(maxsize=256)
def _dataset(category: str, args_json: str, seed: int) -> Any:
    try:
        return create_dataset(category, seed=seed, size=2**31 - 1, **json.loads(args_json))
    except (AssertionError, TypeError) as error:
        raise ValueError(f"task.level_args.{category}: reasoning-gym refuses {args_json}: {error}") from error


def iter_entries(
    category: str, args: Mapping[str, Any], *, seed: int
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Endless (index, library entry) of one cell; entry = {question, answer, metadata}, fixed by (seed,
    index)."""
    # The library draws item i from seed + i, so neighbouring seeds would share items: spread them.
    args_json = json.dumps(args, sort_keys=True)
    spread = zlib.crc32(f"{seed}/{category}/{args_json}".encode())
    dataset = _dataset(category, args_json, spread)
    index = 0
    while True:
        try:
            entry = dataset[index]
        # e.g. a range of word lengths that its word list has no word in
        except (IndexError, ValueError) as error:
            fix = "widen the range, or leave the level out of task.levels"
            raise ValueError(
                f"task.level_args.{category}: reasoning-gym draws nothing from {args_json} ({error}); {fix}"
            ) from error
        yield index, entry
        index += 1


def iter_unique(
    entries: Iterator[tuple[int, dict[str, Any]]],
    *,
    text_of: Callable[[dict[str, Any]], str],
    split: Split,
    seen: set[str],
) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """(index, text, entry) of one split, no text that is in ``seen`` (which grows); ends when the cell seems
    to hold no more."""
    stalled = 0
    for index, entry in entries:
        text = text_of(entry)
        stalled += 1
        if text not in seen and split_of(text) == split:
            seen.add(text)
            stalled = 0
            yield index, text, entry
        elif stalled >= STALL_LIMIT:
            return
