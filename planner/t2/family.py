"""One surface for a family of checkpoints, bases and post-trained: beta-binomial counts, fitted as a maximum
a posteriori.

For checkpoint j and category g, with N and D in millions::

    u = A N^-alpha + B D^-beta
    logit mu = h0_g + z (delta0 + delta1 log10(D / 20N)) - u        z = 1 where post-trained
    log nu   = t0_g - t1 u
    c ~ BetaBinomial(n, mu nu, (1 - mu) nu)

The predictor is shaped like Chinchilla's law because a linear one in log N and log D is constant along an
isoline of compute, and would send every optimum to a corner.

See docs/methods/t2.md#family-surface.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import betaln, digamma, expit

from planner.t2.beta import beta_pass_at_k
from planner.t2.rows import FamilyRows

MILLION = 1e6
SHARED = ("log_A", "log_alpha", "log_B", "log_beta", "t1", "delta0", "delta1")
PRIOR_MEAN = np.array([0.0, np.log(0.4), np.log(5.0), np.log(0.4), 0.0, 0.5, 0.0])
PRIOR_SD = np.array([1.5, 0.4, 1.5, 0.4, 0.5, 2.0, 0.5])
H0_SD, T0_SD = 3.0, 2.0
JITTER = 0.3
SMALLEST = 1e-10
"""Smallest a and b, where mu has rounded to 0 or 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilySurface:
    """Fitted parameters. Single ones trade off against each other and mean little; predictions are what is
    judged."""

    shared: np.ndarray
    """[7] as named in ``SHARED``."""
    h0: np.ndarray
    """[G]."""
    t0: np.ndarray
    """[G]."""
    shares: np.ndarray
    """[G] weight of each category in the mean."""
    categories: tuple[str, ...]
    objective: float
    """Negative log posterior at the optimum."""

    def beta(self, params: ArrayLike, tokens: ArrayLike, post: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """(a, b) [..., G] of the categories' problems."""
        n, d, z = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (params, tokens, post)))
        u, offset = _predictor(self.shared, n / MILLION, d / MILLION, z)
        mu = expit(self.h0 + (offset - u)[..., None])
        nu = np.exp(self.t0 - self.shared[4] * u[..., None])
        return np.maximum(mu * nu, SMALLEST), np.maximum((1 - mu) * nu, SMALLEST)

    def accuracy(self, params: ArrayLike, tokens: ArrayLike, k: ArrayLike, post: ArrayLike = 0) -> np.ndarray:
        """Mean pass@k over the problems; real k; broadcasts."""
        a, b = self.beta(params, tokens, post)
        return beta_pass_at_k(a, b, np.asarray(k, dtype=np.float64)[..., None]) @ self.shares

    @property
    def delta1(self) -> float:
        """Return what ten times the tokens per parameter add to the logit gain of post-training; below 0,
        overtrained bases gain less."""
        return float(self.shared[6])


def _predictor(
    shared: np.ndarray, n: np.ndarray, d: np.ndarray, z: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(u, post-training offset), N and D in millions."""
    a, alpha, b, beta = np.exp(shared[:4])
    return a * n**-alpha + b * d**-beta, z * (shared[5] + shared[6] * np.log10(d / (20 * n)))


def fit_family(
    rows: FamilyRows,
    *,
    weights: np.ndarray | None = None,
    restarts: int = 6,
    seed: int = 0,
    start: FamilySurface | None = None,
) -> FamilySurface:
    """Maximum a posteriori by L-BFGS-B with exact gradients, best of several jittered starts.

    Args:
        rows: counts; at least two checkpoints.
        weights: [P] of the problems (a bootstrap draw); 1 unless given.
        restarts: starts around the prior's mean.
        seed: of the jitter.
        start: an earlier fit to begin from, instead.
    """
    if len(rows.params) < 2:
        raise ValueError("a surface needs at least two checkpoints; add cells, or use the discrete choice")
    problem = _Posterior(rows, weights)
    if start is not None:
        begins = [np.concatenate([start.shared, start.h0, start.t0])]
    else:
        rng = np.random.default_rng(seed)
        centre = problem.start()
        begins = [centre + (JITTER * rng.standard_normal(len(centre)) if i else 0.0) for i in range(restarts)]
    runs = [
        minimize(problem, x, jac=True, method="L-BFGS-B", bounds=problem.bounds(), options={"maxiter": 2000})
        for x in begins
    ]
    best = min(runs, key=lambda run: run.fun)
    shared, h0, t0 = problem.split(best.x)
    return FamilySurface(
        shared=shared,
        h0=h0,
        t0=t0,
        shares=rows.shares(weights),
        categories=rows.categories,
        objective=float(best.fun),
    )


class _Posterior:
    """Negative log posterior and its gradient. Equal (checkpoint, category, n, c) are one term with a
    weight."""

    def __init__(self, rows: FamilyRows, weights: np.ndarray | None) -> None:
        keys = np.stack([rows.checkpoint, rows.category, rows.n, rows.c])
        unique, inverse = np.unique(keys, axis=1, return_inverse=True)
        per_row = np.ones(len(rows.n)) if weights is None else weights[rows.problem]
        self.weight = np.bincount(inverse.ravel(), per_row, minlength=unique.shape[1])
        self.checkpoint, self.category = unique[0], unique[1]
        self.n, self.c = unique[2].astype(np.float64), unique[3].astype(np.float64)
        self.params, self.tokens, self.post = (
            rows.params / MILLION,
            rows.tokens / MILLION,
            rows.post.astype(np.float64),
        )
        self.num_categories = len(rows.categories)
        rates = [
            (self._weighted(self.c, g) + 0.5) / (self._weighted(self.n, g) + 1)
            for g in range(self.num_categories)
        ]
        self.rate = np.array(rates)

    def _weighted(self, values: np.ndarray, category: int) -> float:
        return float((self.weight * values)[self.category == category].sum())

    def start(self) -> np.ndarray:
        """The prior's mean, with h0 where the categories' mean rates would put it."""
        u, offset = _predictor(PRIOR_MEAN, self.params, self.tokens, self.post)
        h0 = np.log(self.rate / (1 - self.rate)) + float((u - offset).mean())
        return np.concatenate([PRIOR_MEAN, np.clip(h0, -6, 6), np.zeros(self.num_categories)])

    def bounds(self) -> list[tuple[float, float]]:
        """Five prior deviations: far from every optimum, near enough that nothing overflows."""
        shared = [(m - 5 * s, m + 5 * s) for m, s in zip(PRIOR_MEAN, PRIOR_SD, strict=True)]
        return (
            shared
            + [(-5 * H0_SD, 5 * H0_SD)] * self.num_categories
            + [(-4 * T0_SD, 4 * T0_SD)] * self.num_categories
        )

    def split(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(shared, h0, t0)."""
        return x[:7], x[7 : 7 + self.num_categories], x[7 + self.num_categories :]

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        shared, h0, t0 = self.split(x)
        u, offset = _predictor(shared, self.params, self.tokens, self.post)
        mu = expit((h0[None, :] + (offset - u)[:, None])[self.checkpoint, self.category])
        nu = np.exp(np.clip(t0[None, :] - shared[4] * u[:, None], -15, 15))[self.checkpoint, self.category]
        a, b = np.maximum(mu * nu, SMALLEST), np.maximum((1 - mu) * nu, SMALLEST)
        value = -float(self.weight @ (betaln(self.c + a, self.n - self.c + b) - betaln(a, b)))
        both = digamma(a + b) - digamma(self.n + a + b)
        to_a = self.weight * (digamma(self.c + a) - digamma(a) + both)
        to_b = self.weight * (digamma(self.n - self.c + b) - digamma(b) + both)
        logit = -nu * (to_a - to_b) * mu * (1 - mu)
        log_nu = -nu * (mu * to_a + (1 - mu) * to_b)
        gradient = self._chain_rule(shared, u, logit, log_nu)
        mean = np.concatenate([PRIOR_MEAN, np.zeros(2 * self.num_categories)])
        spread = [PRIOR_SD, np.full(self.num_categories, H0_SD), np.full(self.num_categories, T0_SD)]
        pull = (x - mean) / np.concatenate(spread)
        return value + 0.5 * float(pull @ pull), gradient + pull / np.concatenate(spread)

    def _chain_rule(
        self, shared: np.ndarray, u: np.ndarray, logit: np.ndarray, log_nu: np.ndarray
    ) -> np.ndarray:
        """From gradients in logit mu and log nu of each term to the parameters'."""
        j, g = len(self.params), self.num_categories
        by_logit, by_nu = (np.bincount(self.checkpoint, v, minlength=j) for v in (logit, log_nu))
        to_u = -by_logit - shared[4] * by_nu
        a, alpha, b, beta = np.exp(shared[:4])
        size, data = a * self.params**-alpha, b * self.tokens**-beta
        ratio = np.log10(self.tokens / (20 * self.params))
        own = [
            to_u @ size,
            -to_u @ (size * np.log(self.params)) * alpha,
            to_u @ data,
            -to_u @ (data * np.log(self.tokens)) * beta,
            -by_nu @ u,
            by_logit @ self.post,
            by_logit @ (self.post * ratio),
        ]
        return np.concatenate(
            [
                own,
                np.bincount(self.category, logit, minlength=g),
                np.bincount(self.category, log_nu, minlength=g),
            ]
        )
