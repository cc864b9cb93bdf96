"""Recorded samples of one candidate: a model in one weight format at one temperature, on P problems."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Samples and their verdicts; arrays of one problem have its samples in one order."""

    name: str
    bits: int
    """Bits of the weights; 0 = as the device holds them."""
    temperature: float
    max_tokens: int
    """The limit that the samples were drawn under."""
    problems: tuple[str, ...]
    """[P] ids."""
    prompt_tokens: np.ndarray
    """[P]."""
    lengths: tuple[np.ndarray, ...]
    """[P] of [n] completion tokens."""
    right: tuple[np.ndarray, ...]
    """[P] of [n] verdicts."""
    answers: tuple[tuple[str | None, ...], ...] | None = None
    """[P] of [n] canonical answers, None where there is none; without them nothing is said about votes."""
    lengths_known: bool = True
    """False where only a problem's mean length was recorded: a lower limit cannot be tried then."""

    @property
    def samples(self) -> int:
        """Fewest samples of a problem."""
        return min(len(right) for right in self.right)

    def only(self, problems: Sequence[str]) -> "Recorded":
        """These problems, in this order."""
        at = {problem: i for i, problem in enumerate(self.problems)}
        index = [at[problem] for problem in problems]
        return replace(
            self,
            problems=tuple(problems),
            prompt_tokens=self.prompt_tokens[index],
            lengths=tuple(self.lengths[i] for i in index),
            right=tuple(self.right[i] for i in index),
            answers=None if self.answers is None else tuple(self.answers[i] for i in index),
        )

    def cut(self, limit: int) -> "Recorded":
        """As if sampled with ``max_tokens = limit``: a longer sample costs ``limit`` tokens and is wrong. A
        verifier that can read an answer off a text cut short would make it a little better."""
        over = [lengths > limit for lengths in self.lengths]
        answers = self.answers
        if answers is not None:
            answers = tuple(
                tuple(None if cut else a for a, cut in zip(row, rows_over, strict=True))
                for row, rows_over in zip(answers, over, strict=True)
            )
        return replace(
            self,
            max_tokens=limit,
            lengths=tuple(np.minimum(lengths, limit) for lengths in self.lengths),
            right=tuple(right & ~cut for right, cut in zip(self.right, over, strict=True)),
            answers=answers,
        )

    def limits(self, count: int) -> list[int]:
        """``count`` limits at even quantiles of the lengths, the recorded one among them."""
        if not self.lengths_known:
            return [self.max_tokens]
        every = np.concatenate(self.lengths)
        shares = np.linspace(0, 1, count + 1)[1:-1]
        lower = {int(np.ceil(q)) for q in np.quantile(every, shares)} if count > 1 else set()
        return sorted({limit for limit in lower if 0 < limit < self.max_tokens} | {self.max_tokens})


def on_same_problems(candidates: Sequence[Recorded]) -> list[Recorded]:
    """All candidates on the problems that every one of them has, in the order of the first.

    Raises:
        ValueError: there is no candidate, or fewer than four problems are shared.
    """
    if not candidates:
        raise ValueError("no candidate: give at least one run or evaluation with samples")
    shared = set.intersection(*(set(c.problems) for c in candidates))
    if len(shared) < 4:
        raise ValueError(
            f"the candidates share {len(shared)} problems, and a choice that is scored on problems which did"
            " not make it needs at least 4: evaluate them on the same task, split and evaluation.num_prompts"
        )
    order = [problem for problem in candidates[0].problems if problem in shared]
    return [c.only(order) for c in candidates]
