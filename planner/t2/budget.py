"""Optima of a surface: under T²'s two separate budgets, and under one budget from training to the q-th
query.

See docs/methods/t2.md#two-budgets and docs/methods/t2.md#one-budget-to-the-last-query.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Score = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(N, D, k) -> what is maximised; broadcasts."""

GRID_N, GRID_K = 121, 60
MAX_RATIO = 5000.0
REACH = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The range that the surface was fitted on: optima far outside of it are refused unless asked for."""

    params: tuple[float, float]
    """Smallest and largest N."""
    tokens: tuple[float, float]
    """Smallest and largest D."""

    def params_grid(self) -> np.ndarray:
        """[121] N, half the smallest to 8 times the largest."""
        return np.geomspace(self.params[0] / 2, self.params[1] * 8, GRID_N)

    def allows(self, params: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """True where D is within a factor 4 of what was measured and D/N at most 5000."""
        near = (tokens >= self.tokens[0] / REACH) & (tokens <= self.tokens[1] * REACH)
        return near & (tokens / params <= MAX_RATIO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """Where the score is best."""

    params: float
    tokens: float
    k: float
    score: float
    inference_share: float
    """Share of the total budget; NaN under two separate ones."""
    edges: tuple[str, ...]
    """Which limits of the search it lies on; an optimum with any is a bound, not an optimum."""

    @property
    def ratio(self) -> float:
        """r = D/N."""
        return self.tokens / self.params


def two_budgets(
    score: Score,
    *,
    train_flops: float,
    served_flops: float | None,
    measured: Measured,
    extrapolate: bool = False,
) -> Optimum:
    """Best N with D = C/6N and k = C_inf/2N (real, at least 1), the problem of arXiv 2604.01411.

    Args:
        score: the surface.
        train_flops: C = 6ND.
        served_flops: C_inf, FLOPs for each served token; None: one sample, the single-pass optimum.
        measured: limits of the search.
        extrapolate: search beyond them.

    Raises:
        ValueError: no N fits both budgets within the limits.
    """

    def split(params: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        k = np.ones_like(params) if served_flops is None else served_flops / (2 * params)
        return train_flops / (6 * params), k

    def values(params: np.ndarray) -> np.ndarray:
        tokens, k = split(params)
        fits = (k >= 1) & (extrapolate | measured.allows(params, tokens))
        return np.where(fits, score(params, tokens, np.maximum(k, 1.0)), -np.inf)

    grid = measured.params_grid()
    best, edge = _search(
        grid, values, f"no model fits C = {train_flops:g} and C_inf = {served_flops} within what was measured"
    )
    tokens, k = split(np.array([best]))
    top = float(values(np.array([best]))[0])
    return Optimum(
        params=best,
        tokens=float(tokens[0]),
        k=float(k[0]),
        score=top,
        inference_share=float("nan"),
        edges=edge,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One budget for everything: 6ND + post(N) + q (prefill(N) + k decode(N)) <= total."""

    total_flops: float
    queries: float
    tokens_per_sample: float
    """L; decode costs 2NL unless ``decode`` is given."""
    post: Callable[[np.ndarray], np.ndarray] = np.zeros_like
    """FLOPs of post-training a model of N."""
    prefill: Callable[[np.ndarray], np.ndarray] = np.zeros_like
    """FLOPs of a query before its first token."""
    decode: Callable[[np.ndarray], np.ndarray] | None = None
    """FLOPs of one sample."""

    def inference(self, params: np.ndarray, k: np.ndarray) -> np.ndarray:
        """FLOPs of all queries."""
        sample = 2 * params * self.tokens_per_sample if self.decode is None else self.decode(params)
        return self.queries * (self.prefill(params) + k * sample)

    def tokens(self, params: np.ndarray, k: np.ndarray) -> np.ndarray:
        """Training tokens that the rest of the budget pays; not positive where nothing is left."""
        return (self.total_flops - self.post(params) - self.inference(params, k)) / (6 * params)


def end_to_end(
    score: Score,
    deployment: Deployment,
    *,
    measured: Measured,
    max_k: float = 1e5,
    extrapolate: bool = False,
    fixed_k: int | None = None,
) -> Optimum:
    """Best (N, D, k) under one budget: 121 sizes x about 60 integers k, D from what is left, then a finer
    pass.

    Raises:
        ValueError: nothing fits within the limits.
    """
    ks = (
        np.unique(np.round(np.geomspace(1, max_k, GRID_K))) if fixed_k is None else np.array([float(fixed_k)])
    )

    def best_k(params: np.ndarray, choices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        n, k = params[:, None], choices[None, :]
        tokens = deployment.tokens(n, k)
        fits = (tokens > 0) & (extrapolate | measured.allows(n, tokens))
        values = np.where(fits, score(n, np.maximum(tokens, 1.0), k), -np.inf)
        at = values.argmax(axis=1)
        return values[np.arange(len(params)), at], choices[at]

    grid = measured.params_grid()
    message = (
        f"no model, tokens and samples fit a total of {deployment.total_flops:g} FLOPs within what was"
        " measured"
    )
    coarse, _ = _search(grid, lambda n: best_k(n, ks)[0], message)
    k0 = best_k(np.array([coarse]), ks)[1][0]
    at = int(np.searchsorted(ks, k0))
    finer = np.unique(np.round(np.geomspace(ks[max(at - 1, 0)], ks[min(at + 1, len(ks) - 1)], GRID_K)))
    n, edge = _search(grid, lambda n: best_k(n, finer)[0], message)
    value, k = best_k(np.array([n]), finer)
    if fixed_k is None and k[0] == ks[-1]:
        edge = (*edge, "k")
    tokens = float(deployment.tokens(np.array([n]), k)[0])
    share = float(deployment.inference(np.array([n]), k)[0]) / deployment.total_flops
    return Optimum(
        params=n, tokens=tokens, k=float(k[0]), score=float(value[0]), inference_share=share, edges=edge
    )


def _search(
    grid: np.ndarray, values: Callable[[np.ndarray], np.ndarray], message: str
) -> tuple[float, tuple[str, ...]]:
    """Best of the grid, refined between its neighbours; "N" if it lies on the grid's end, "range" if beside
    what is refused."""
    scores = values(grid)
    if not np.isfinite(scores).any():
        raise ValueError(f"{message}; change the budget, add cells, or pass extrapolate")
    at = int(scores.argmax())
    low, high = grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)]
    fine = np.geomspace(low, high, GRID_N)
    refined = values(fine)
    best = float(fine[int(refined.argmax())])
    edges = []
    if at in (0, len(grid) - 1):
        edges.append("N")
    elif not np.isfinite(scores[[at - 1, at + 1]]).all():
        edges.append("range")
    return best, tuple(edges)
