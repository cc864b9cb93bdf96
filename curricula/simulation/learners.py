"""Who is being trained: pass rates that follow given curves, or that rise with the gradient spent on them."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from curricula.pool import PromptPool
from curricula.simulation.curves import Curves
from rollout.types import RolloutStat


class SimulatedLearner(Protocol):
    """Pass rates now, and what a training step does to them."""

    def pass_rates(self, indices: np.ndarray, *, progress: float) -> np.ndarray:
        """[K] probabilities that a rollout of prompts [K] is right, at ``progress`` in [0, 1] of the run."""
        ...

    def update(self, trained: Sequence[RolloutStat]) -> None:
        """Take one step on the groups that were kept."""
        ...


class CurveLearner:
    """Pass rates follow their curves whatever is trained: constants for a frozen pool, real trajectories for
    a moving one."""

    def __init__(self, curves: Curves) -> None:
        self._curves = curves

    def pass_rates(self, indices: np.ndarray, *, progress: float) -> np.ndarray:
        """[K] read off the curves."""
        return self._curves.at(indices, progress=progress)

    def update(self, trained: Sequence[RolloutStat]) -> None:
        """Nothing changes."""


class LogisticLearner:
    """One skill a category: p_i = sigmoid(logit p_i(0) + skill of its category), and skills rise with
    effective gradient.

    With log-odds as the only parameter, the group-normalised policy gradient of a group of N rollouts with
    success rate m is sum_j (r_j - m) / sqrt(m (1 - m)) * (r_j - p) = N sqrt(m (1 - m)): 0 where all outcomes
    agree, largest at m = 1/2. A step adds ``rate`` times its mean over the trained rollouts, as a loss
    normalised over the batch does (docs/methods/stack.md#simulated-learners). Prompts of pass rate 0 or 1
    stay what they are.
    """

    def __init__(self, curves: Curves, pool: PromptPool, *, rate: float = 1.0) -> None:
        """Start from the curves' first points.

        Raises:
            ValueError: if the rate is not positive.
        """
        if rate <= 0:
            raise ValueError(f"the logistic learner's rate is {rate}; it must be positive")
        start = curves.at(np.arange(len(pool)), progress=0.0)
        with np.errstate(divide="ignore"):
            self._logits = np.log(start) - np.log1p(-start)
        self._categories = pool.categories
        self._code = {name: code for code, name in enumerate(pool.category_names)}
        self._rate = rate
        self.skills = np.zeros(len(pool.category_names))
        """[C] log-odds gained so far."""

    def pass_rates(self, indices: np.ndarray, *, progress: float) -> np.ndarray:
        """[K] under today's skills; ``progress`` plays no part."""
        with np.errstate(over="ignore"):
            return 1.0 / (1.0 + np.exp(-(self._logits[indices] + self.skills[self._categories[indices]])))

    def update(self, trained: Sequence[RolloutStat]) -> None:
        """One step."""
        total = sum(stat.num_rollouts for stat in trained)
        for stat in trained:
            mean = stat.num_correct / stat.num_rollouts
            self.skills[self._code[stat.category]] += (
                self._rate * stat.num_rollouts / total * float(np.sqrt(mean * (1 - mean)))
            )
