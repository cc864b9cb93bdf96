"""Things to evaluate: one unit is the held-out set, or one suite."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from rl.engines.errors import EngineLost
from rl.evaluation.held_out import Evaluator
from rl.evaluation.likelihood import (
    Passage,
    Score,
    bits_per_byte,
    likelihood_file,
    passage_rows,
    write_rows,
)
from rl.views.evaluations import (
    Counts,
    evaluation_file,
    evaluation_files,
    likelihood_files,
    suite_folders,
    version_of,
)

HELD_OUT = "held_out"
"""Name of the run's own held-out set among the suites."""


def remove_superseded_counts(directory: Path, *, restored_step: int) -> None:
    """Remove what ``RUN/eval`` holds of versions after ``restored_step``: the attempt that begins there makes
    them anew, and may have its evaluations at other steps."""
    for folder in (directory, *suite_folders(directory).values()):
        for path in (*evaluation_files(folder), *likelihood_files(folder)):
            if version_of(path) > restored_step:
                path.unlink()


class Unit(Protocol):
    """Something that is evaluated as a whole, at one policy version."""

    name: str
    every: int
    """Steps between evaluations; 0 = before and after only."""

    def done(self, version: int) -> bool:
        """True where the counts of ``version`` are on disk."""
        ...

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
        directory: Path,
        between: int | None = None,
    ) -> None:
        """``directory``: where the evaluator's counts go; ``between``: the first so many temperatures are
        asked between steps; None = all."""
        self.name, self.every, self._directory = name, every, directory
        self._evaluator, self._temperatures, self._between = evaluator, temperatures, between

    def done(self, version: int) -> bool:
        """See ``Unit``."""
        return evaluation_file(self._directory, version).is_file()

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

    def done(self, version: int) -> bool:
        """See ``Unit``."""
        return likelihood_file(self._directory, version).is_file()

    async def run(self, version: int, *, whole: bool) -> dict[str, float]:
        """See ``Unit``."""
        rows = await passage_rows(self._passages, self._score, version=version)
        assert self._version() == version, "no weights are pushed during an evaluation"
        self._directory.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(write_rows, likelihood_file(self._directory, version), rows)
        return {"bits_per_byte": bits_per_byte(rows)}


def figures_of(counts: Sequence[Counts]) -> dict[str, float]:
    """``greedy``, and ``pass@1`` at the first other temperature."""
    found: dict[str, float] = {}
    for one in counts:
        found.setdefault("greedy" if one.greedy else "pass@1", one.pass_rate)
    return found


class Scoring(Protocol):
    """The methods of a fleet that likelihoods need."""

    async def serving(self) -> None:
        """Return once an engine is live."""
        ...

    async def score(self, sequences: list[list[int]]) -> list[list[list[float]]]:
        """[engines][n][T-1] log-probs of every live engine."""
        ...


TRIES = 3
"""Times that sequences are scored anew after an engine was lost over them."""


def first_engine(fleet: Scoring) -> Score:
    """Scores of one engine, out of those of all: they hold the same weights. Where none is left, the first
    that comes back is asked.

    The scores raise EngineLost where engines are lost again and again, and FleetDead where none comes back.
    """

    async def one(sequences: list[list[int]]) -> Sequence[Sequence[float]]:
        for _ in range(TRIES):
            await fleet.serving()
            engines = await fleet.score(sequences)
            if engines:
                return engines[0]
        raise EngineLost(f"the engines were lost {TRIES} times over one piece of the text")

    return one
