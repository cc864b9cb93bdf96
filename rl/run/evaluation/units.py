"""Things to evaluate: one unit is the held-out set, or one suite."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from rl.evaluation.held_out import Evaluator
from rl.evaluation.likelihood import (
    Passage,
    Score,
    bits_per_byte,
    likelihood_file,
    passage_rows,
    write_rows,
)
from rl.views.evaluations import Counts

HELD_OUT = "held_out"
"""Name of the run's own held-out set among the suites."""


class Unit(Protocol):
    """Something that is evaluated as a whole, at one policy version."""

    name: str
    every: int
    """Steps between evaluations; 0 = before and after only."""

    async def run(self, version: int, *, whole: bool) -> dict[str, float]:
        """Evaluate, write, and return figures by their last names (``greedy``, ``pass@1``).

        ``whole``: before and after the training, with every temperature.
        """
        ...


class SampledUnit:
    """Problems that are answered and judged."""

    def __init__(
        self,
        *,
        name: str,
        every: int,
        evaluator: Callable[[], AbstractAsyncContextManager[Evaluator]],
        temperatures: Sequence[float],
        between: int | None = None,
    ) -> None:
        """``between``: the first so many temperatures are asked between steps; None = all."""
        self.name, self.every = name, every
        self._evaluator, self._temperatures, self._between = evaluator, temperatures, between

    async def run(self, version: int, *, whole: bool) -> dict[str, float]:
        """See ``Unit``."""
        temperatures = self._temperatures if whole else self._temperatures[: self._between]
        async with self._evaluator() as evaluator:
            return figures_of(await evaluator.run(version=version, temperatures=temperatures))


class TextUnit:
    """Passages whose likelihood is measured."""

    def __init__(
        self,
        *,
        name: str,
        every: int,
        passages: Sequence[Passage],
        directory: Path,
        score: Score,
        version: Callable[[], int],
    ) -> None:
        """``score``: by the engines; ``version``: what they serve, before and after."""
        self.name, self.every = name, every
        self._passages, self._directory, self._score, self._version = passages, directory, score, version

    async def run(self, version: int, *, whole: bool) -> dict[str, float]:
        """See ``Unit``."""
        rows = await passage_rows(self._passages, self._score, version=version)
        assert self._version() == version, "no weights are pushed during an evaluation"
        self._directory.mkdir(parents=True, exist_ok=True)
        write_rows(likelihood_file(self._directory, version), rows)
        return {"bits_per_byte": bits_per_byte(rows)}


def figures_of(counts: Sequence[Counts]) -> dict[str, float]:
    """``greedy``, and ``pass@1`` at the first other temperature."""
    found: dict[str, float] = {}
    for one in counts:
        found.setdefault("greedy" if one.greedy else "pass@1", one.pass_rate)
    return found


def first_engine(score: Callable[[list[list[int]]], Awaitable[list[list[list[float]]]]]) -> Score:
    """Scores of one engine, out of the [engines][n][T-1] that a fleet gives: all hold the same weights."""

    async def one(sequences: list[list[int]]) -> Sequence[Sequence[float]]:
        engines = await score(sequences)
        if not engines:
            raise RuntimeError("no engine is left to score the text with")
        return engines[0]

    return one
