"""Hold-outs of whole cells, and how well a surface does on them: errors, ranks, and what its choice costs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

KS = (1, 4, 16, 64)


def holdouts(params: ArrayLike, ratios: ArrayLike, levels: ArrayLike) -> dict[str, np.ndarray]:
    """Masks [J] of what is held out: H1 the largest N, H2 the largest D/N, H3 the highest isoline.
    Checkpoints of one cell (seeds, base and post-trained) share its N, ratio and level, so they are always
    held out together."""
    n, r, level = (np.asarray(x, dtype=np.float64) for x in (params, ratios, levels))
    return {"H1": n >= n.max() * 0.999, "H2": r >= r.max() * 0.95, "H3": level == level.max()}


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldoutScore:
    """Scores of predictions [H, K] against measurements."""

    mae: float
    relative: float
    """Mean of |error| / measured, over entries that were measured above 0."""
    spearman: float
    """Rank correlation over cells of the mean over k; NaN below three cells."""
    regret: float
    """Measured score of the best held-out cell at the budget minus that of the cell that the surface would
    have chosen."""


def score_holdout(
    observed: ArrayLike,
    predicted: ArrayLike,
    *,
    observed_at_budget: ArrayLike,
    predicted_at_budget: ArrayLike,
) -> HoldoutScore:
    """Compare.

    Args:
        observed: [H, K] measured pass@k of the held-out checkpoints.
        predicted: [H, K].
        observed_at_budget: [H] measured pass@k, each at the k that the budget buys it.
        predicted_at_budget: [H].
    """
    truth, guess = np.asarray(observed, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    error = np.abs(guess - truth)
    positive = truth > 0
    return HoldoutScore(
        mae=float(error.mean()),
        relative=float((error[positive] / truth[positive]).mean()) if positive.any() else float("nan"),
        spearman=spearman(truth.mean(axis=1), guess.mean(axis=1)),
        regret=decision_regret(observed_at_budget, predicted_at_budget),
    )


def decision_regret(observed: ArrayLike, predicted: ArrayLike) -> float:
    """Loss from choosing by prediction: max(observed) - observed[argmax(predicted)], over [H]."""
    truth = np.asarray(observed, dtype=np.float64)
    return float(truth.max() - truth[int(np.argmax(predicted))])


def spearman(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> float:
    """Rank correlation, ties averaged; NaN where there is nothing to rank."""
    first, second = rankdata(x), rankdata(y)
    if len(first) < 3 or first.std() == 0 or second.std() == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def nearest_cell(
    params: ArrayLike, tokens: ArrayLike, known_params: ArrayLike, known_tokens: ArrayLike
) -> np.ndarray:
    """[H] index of the known cell nearest in (log N, log D): the baseline without a model."""
    ours = np.log(
        np.stack([np.asarray(params, dtype=np.float64), np.asarray(tokens, dtype=np.float64)], axis=1)
    )
    known = np.log(
        np.stack(
            [np.asarray(known_params, dtype=np.float64), np.asarray(known_tokens, dtype=np.float64)], axis=1
        )
    )
    distance = ((ours[:, None, :] - known[None, :, :]) ** 2).sum(axis=2)
    return distance.argmin(axis=1)
