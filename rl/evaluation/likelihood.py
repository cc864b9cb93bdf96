"""How likely plain text is under a policy: bits a byte, passage by passage.

A byte, not a token, is the unit, so that models with other tokenizers can be compared.
"""

import json
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl.records.storage import write_whole
from rollout.json_lines import text_lines

SCORED_AT_ONCE = 2048
"""Tokens in one request: prompt log-probs hold a row of the vocabulary for each of them."""

Score = Callable[[list[list[int]]], Awaitable[Sequence[Sequence[float]]]]
"""[n][T] token ids -> [n][T-1] log-probs in nats, under the weights that serve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A piece of text in the policy's tokens."""

    id: str
    text: str
    token_ids: tuple[int, ...]
    """Its tokens, with the start token before them, if there is one; the first is given, all others are
    predicted."""

    @property
    def num_bytes(self) -> int:
        """UTF-8."""
        return len(self.text.encode())


async def passage_rows(passages: Sequence[Passage], score: Score, *, version: int) -> list[dict[str, Any]]:
    """One row a passage: ``{version, id, bytes, tokens, nats, bits_per_byte}``; nats are minus the
    log-prob."""
    rows = []
    for batch in _batches(passages):
        scored = await score([list(passage.token_ids) for passage in batch])
        for passage, logprobs in zip(batch, scored, strict=True):
            nats = -math.fsum(logprobs)
            rows.append(
                {
                    "version": version,
                    "id": passage.id,
                    "bytes": passage.num_bytes,
                    "tokens": len(logprobs),
                    "nats": nats,
                    "bits_per_byte": nats / math.log(2) / passage.num_bytes,
                }
            )
    return rows


def bits_per_byte(rows: Iterable[dict[str, Any]]) -> float:
    """Over all passages together."""
    nats = num_bytes = 0.0
    for row in rows:
        nats, num_bytes = nats + row["nats"], num_bytes + row["bytes"]
    return nats / math.log(2) / num_bytes


def likelihood_file(directory: Path, version: int) -> Path:
    """Where a version's rows are."""
    return directory / f"likelihood-{version:08d}.jsonl"


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Whole or not at all."""
    write_whole(path, "".join(json.dumps(row) + "\n" for row in rows).encode())


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows that ``write_rows`` wrote."""
    return [json.loads(line) for _, line in text_lines(path)]


def _batches(passages: Sequence[Passage]) -> Iterable[list[Passage]]:
    batch: list[Passage] = []
    size = 0
    for passage in passages:
        if batch and size + len(passage.token_ids) > SCORED_AT_ONCE:
            yield batch
            batch, size = [], 0
        batch.append(passage)
        size += len(passage.token_ids)
    if batch:
        yield batch
