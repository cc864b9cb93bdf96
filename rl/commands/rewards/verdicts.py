"""Where verdicts go: a file that appears whole, or standard output; and what they amount to."""

import contextlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from rollout.types import RewardResult


def to_row(result: RewardResult) -> dict[str, Any]:
    """A verdict as it stands in the file; ``judged`` is there where it is false, and
    ``failure`` where there is one."""
    row = {
        "value": result.value,
        "correct": result.correct,
        "components": dict(result.components),
        "reason": result.reason,
    }
    if result.failure is not None:
        row["failure"] = result.failure.value
    return row if result.judged else {**row, "judged": False}


@contextlib.contextmanager
def verdict_stream(out: Path | None) -> Iterator[IO[str]]:
    """Lines go here; None is standard output.

    A file takes its name only once it is complete, so an interrupted command leaves the old one, or none.
    """
    if out is None:
        yield sys.stdout
        return
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        with partial.open("w", encoding="utf-8") as stream:
            yield stream
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)


@dataclass(slots=True)
class Tally:
    """Counts over the verdicts so far."""

    rows: int = 0
    unjudged: int = 0
    correct: int = 0
    value: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, result: RewardResult) -> None:
        """Count one verdict."""
        self.rows += 1
        if result.judged:
            self.correct += result.correct
            self.value += result.value
        else:
            self.unjudged += 1
        self.reasons[result.reason] += 1

    def summary(self) -> dict[str, Any]:
        """``rows``, how many of them are ``unjudged``, ``correct`` and ``mean_value`` of the others (None
        without any), and ``reasons``, the commonest first; ``""`` is "right"."""
        judged = self.rows - self.unjudged
        counts = {"rows": self.rows, "unjudged": self.unjudged, "correct": self.correct}
        return {
            **counts,
            "mean_value": self.value / judged if judged else None,
            "reasons": dict(self.reasons.most_common()),
        }


def write_verdict(stream: IO[str], result: RewardResult) -> None:
    """One line."""
    stream.write(json.dumps(to_row(result)) + "\n")
