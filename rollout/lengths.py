"""Completion lengths, given right and given wrong: decayed histograms under the statistics store. numpy
only.

See docs/methods/cost.md#lengths.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rollout.decayed import DecayedCounts
from rollout.types import RolloutStat

NUM_BINS = 32
BINS_PER_DOUBLING = 2
"""Bin j holds lengths of [2**(j/2), 2**((j+1)/2)) tokens; the last one everything from 2**15.5 on."""
WIDTH = 2 * (NUM_BINS + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthProfile:
    """Decayed lengths of one category."""

    counts: np.ndarray
    """[2, NUM_BINS] completions by outcome (right, wrong) and bin."""
    tokens: np.ndarray
    """[2] sums of their lengths."""

    @property
    def mean_correct(self) -> float:
        """Mean tokens of a right completion; NaN before the first."""
        return self._mean(0)

    @property
    def mean_wrong(self) -> float:
        """Mean tokens of a wrong completion; NaN before the first."""
        return self._mean(1)

    def _mean(self, outcome: int) -> float:
        total = float(self.counts[outcome].sum())
        return float(self.tokens[outcome]) / total if total > 0 else float("nan")

    def quantile(self, share: float) -> float:
        """Tokens that ``share`` of all completions stay under, to within a bin; NaN before the first."""
        counts = self.counts.sum(axis=0)
        if counts.sum() <= 0:
            return float("nan")
        reached = np.cumsum(counts) >= share * counts.sum() * (1 - 1e-12)
        return float(2 ** ((int(np.argmax(reached)) + 1) / BINS_PER_DOUBLING))


def values_of(stat: RolloutStat) -> np.ndarray:
    """[WIDTH] histogram and token sum of the right completions, then of the wrong ones."""
    return np.array(_bin_counts(stat.correct_lengths) + _bin_counts(stat.wrong_lengths))


def profile(values: np.ndarray) -> LengthProfile:
    """The profile that a row [WIDTH] of sums stands for."""
    halves = values.reshape(2, NUM_BINS + 1)
    return LengthProfile(counts=halves[:, :NUM_BINS], tokens=halves[:, NUM_BINS])


def length_counts(discount: float, budget_discount: float) -> DecayedCounts:
    """Empty rows of ``values_of``."""
    return DecayedCounts(discount, budget_discount, width=WIDTH)


def _bin_counts(lengths: Sequence[int]) -> list[float]:
    """[NUM_BINS + 1]. Plain Python: for the few lengths of a group numpy takes twice as long, and the
    controller's loop waits."""
    counts = [0.0] * (NUM_BINS + 1)
    for length in lengths:
        tokens = max(int(length), 1)
        # floor(2 log2(n)) = floor(log2(n * n))
        counts[min((tokens**BINS_PER_DOUBLING).bit_length() - 1, NUM_BINS - 1)] += 1.0
        counts[NUM_BINS] += tokens
    return counts
