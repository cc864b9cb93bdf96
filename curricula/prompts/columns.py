"""Columns that parts read from prompts' metadata or from a file, once per pool."""

import functools
import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from curricula.pool import PromptPool
from rollout.json_lines import text_lines


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tags:
    """Tags of every prompt, flattened: those of prompt i are ``codes[starts[i] : starts[i + 1]]``, at least
    one."""

    names: tuple[str, ...]
    codes: np.ndarray
    """[T] int64 index into ``names``."""
    starts: np.ndarray
    """[P + 1] int64."""

    def of(self, index: int) -> list[str]:
        """Names of one prompt's tags."""
        return [self.names[code] for code in self.codes[self.starts[index] : self.starts[index + 1]]]

    def sum_by_prompt(self, values: np.ndarray) -> np.ndarray:
        """[P] sum of tag values [names] over each prompt's tags."""
        return np.add.reduceat(values[self.codes], self.starts[:-1])


@functools.lru_cache(maxsize=2)
def read_tags(pool: PromptPool, key: str) -> Tags:
    """``metadata[key]`` (a string or a list of them) of every prompt; its category where there is none.

    Raises:
        ValueError: naming the prompt, if it is something else.
    """
    metadata: Iterable[Mapping[str, Any]] = pool.metadata or itertools.repeat({}, len(pool))
    rows: list[list[str]] = []
    for prompt_id, facts, category in zip(pool.ids, metadata, pool.categories.tolist(), strict=True):
        found = facts.get(key) or []
        row = [found] if isinstance(found, str) else found
        if not (isinstance(row, list | tuple) and all(isinstance(tag, str) for tag in row)):
            raise ValueError(
                f"prompt {prompt_id}: metadata[{key!r}] is {found!r}, but tags are a string or a list of"
                " strings"
            )
        rows.append(sorted(set(row)) or [pool.category_names[category]])
    names, codes = np.unique(list(itertools.chain.from_iterable(rows)), return_inverse=True)
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return Tags(
        names=tuple(str(name) for name in names), codes=codes.astype(np.int64), starts=starts.astype(np.int64)
    )


@functools.lru_cache(maxsize=2)
def numbers(pool: PromptPool, key: str, path: str | None) -> np.ndarray:
    """[P] float64 signal of every prompt, NaN where it has none.

    Args:
        pool: the prompts.
        key: of the number in a prompt's metadata, or in the rows of the file.
        path: JSONL with rows ``{"id": prompt id, key: number}``; None = the metadata.

    Raises:
        ValueError: if the file is missing, or a value is no number; naming line or prompt.
    """
    found = _from_metadata(pool, key) if path is None else _from_file(path, key)
    out = np.full(len(pool), np.nan)
    for index, prompt_id in enumerate(pool.ids):
        value = found.get(prompt_id)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"prompt {prompt_id}: {key} is {value!r}, but it must be a number")
        out[index] = value
    return out


def _from_metadata(pool: PromptPool, key: str) -> dict[str, object]:
    return {prompt_id: facts.get(key) for prompt_id, facts in zip(pool.ids, pool.metadata, strict=False)}


def _from_file(path: str, key: str) -> dict[str, object]:
    out: dict[str, object] = {}
    try:
        lines = list(text_lines(Path(path)))
    except OSError as error:
        raise ValueError(
            f"{path}: {error.strerror}; write rows of id and {key}, one JSON object a line"
        ) from error
    for number, line in lines:
        try:
            row = json.loads(line)
            out[row["id"]] = row[key]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path}:{number}: a row must be a JSON object with id and {key}, not {line[:80]!r}"
            ) from error
    return out
