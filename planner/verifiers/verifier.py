"""How far a verifier can be believed, and what its verdicts say about the true success probability.

See docs/methods/posteriors.md#verifier-errors.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierSpec:
    """Error rates measured on labelled samples (an audit set), never guessed from the verifier's own
    verdicts."""

    fpr: float = 0.0
    """Share of wrong samples that it accepts."""
    tpr: float = 1.0
    """Share of right samples that it accepts."""

    def __post_init__(self) -> None:
        if not 0 <= self.fpr < self.tpr <= 1:
            raise ValueError(f"verifier: fpr {self.fpr} and tpr {self.tpr} must satisfy 0 <= fpr < tpr <= 1")

    @property
    def perfect(self) -> bool:
        """True if it never errs."""
        return self.fpr == 0 and self.tpr == 1

    def true_rate(self, accepted: ArrayLike) -> np.ndarray:
        """[...] share of right samples behind a share of accepted ones: (accepted - fpr) / (tpr - fpr),
        clipped to [0, 1].

        Rogan and Gladen 1978. Example: accepted .24, fpr .05, tpr 1 gives .2.
        """
        return np.clip((np.asarray(accepted, dtype=np.float64) - self.fpr) / (self.tpr - self.fpr), 0.0, 1.0)

    def true_counts(self, accepted: ArrayLike, rejected: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """[...] right and wrong samples that stand for accepted and rejected ones.

        Their sum is (tpr - fpr)^2 of what was observed: an estimate from noisy verdicts varies by that much
        more (exact where p is near the accepted share, a little careful elsewhere).
        """
        yes, no = np.asarray(accepted, dtype=np.float64), np.asarray(rejected, dtype=np.float64)
        if self.perfect:
            return yes, no
        total = yes + no
        rate = self.true_rate(np.divide(yes, total, out=np.zeros_like(total), where=total > 0))
        worth = total * (self.tpr - self.fpr) ** 2
        return rate * worth, (1 - rate) * worth

    def precision(self, p: ArrayLike) -> np.ndarray:
        """[...] share of accepted samples that are right, at success probability p: the ceiling of sampling
        without end."""
        right = np.asarray(p, dtype=np.float64) * self.tpr
        accepted = right + (1 - np.asarray(p, dtype=np.float64)) * self.fpr
        return np.divide(right, accepted, out=np.zeros_like(accepted), where=accepted > 0)
