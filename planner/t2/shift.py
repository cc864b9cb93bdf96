"""How far counting inference moves the optimal tokens per parameter: r* with pass@k at C_inf against r* with
pass@1, by isoline."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from planner.t2.budget import Measured, Optimum, Score, two_budgets


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """On one isoline of training compute."""

    train_flops: float
    single: Optimum
    corrected: Optimum

    @property
    def log_ratio(self) -> float:
        """log(r* corrected / r* single-pass)."""
        return float(np.log(self.corrected.ratio / self.single.ratio))


def shifts(
    score: Score, *, train_flops: Sequence[float], served_flops: float, measured: Measured
) -> list[Shift]:
    """Both optima on each isoline, within what was measured."""
    found = []
    for flops in train_flops:
        single = two_budgets(score, train_flops=flops, served_flops=None, measured=measured)
        corrected = two_budgets(score, train_flops=flops, served_flops=served_flops, measured=measured)
        found.append(Shift(train_flops=flops, single=single, corrected=corrected))
    return found


def mean_shift(found: Sequence[Shift]) -> float:
    """Mean log ratio over isolines: the statistic of claim C1."""
    return float(np.mean([s.log_ratio for s in found]))


def measured_shift(
    ratios: np.ndarray, levels: np.ndarray, single: np.ndarray, corrected: np.ndarray, *, min_cells: int = 3
) -> float:
    """The same without a surface: on each isoline with enough cells, the best measured cell [J] under either
    score. Level 0, of bases from elsewhere, is no isoline.

    Returns:
        Mean log ratio, NaN if no isoline has ``min_cells``.
    """
    logs = []
    for level in np.unique(levels):
        cells = np.nonzero(levels == level)[0]
        if level > 0 and len(cells) >= min_cells:
            logs.append(
                np.log(ratios[cells[corrected[cells].argmax()]] / ratios[cells[single[cells].argmax()]])
            )
    return float(np.mean(logs)) if logs else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A measured checkpoint with the k that a budget buys it."""

    index: int
    k: int
    score: float


def discrete_choice(
    params: np.ndarray, pass_at_k: np.ndarray, ks: np.ndarray, flops_per_sample: np.ndarray, budget: float
) -> Choice:
    """The best measured checkpoint for a query budget: needs no surface, and is always printed beside one.

    Args:
        params: [J] N, only to break ties towards the smaller.
        pass_at_k: [J, K] measured.
        ks: [K] ascending.
        flops_per_sample: [J].
        budget: FLOPs of one query.

    Raises:
        ValueError: no checkpoint affords one sample.
    """
    affordable = ks[None, :] * flops_per_sample[:, None] <= budget
    if not affordable.any():
        raise ValueError(
            f"a budget of {budget:g} FLOPs buys no sample of any checkpoint; the cheapest costs"
            f" {flops_per_sample.min():g}"
        )
    scores = np.where(affordable, pass_at_k, -1.0)
    best = scores.max(axis=1)
    j = int(np.lexsort((params, -best))[0])
    return Choice(index=j, k=int(ks[int(scores[j].argmax())]), score=float(best[j]))
