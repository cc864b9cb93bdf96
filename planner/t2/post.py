"""pass@k against the compute of post-training: a law with a plateau, its forecast, and a rule for stopping
early.

See docs/methods/t2.md#post-training-as-an-axis.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import least_squares
from scipy.special import expit, logit

from planner.estimators.pass_at_k import pass_at_k

WOBBLE = 0.005
"""Standard deviation of a held-out value from one evaluation to the next, beyond that of the samples:
training does not climb smoothly."""
PLATEAU_SD, MIDPOINT_SD, SLOPE_SD = 1.5, 1.5, 0.4
REPLICATES = 100
LEAST_POINTS = 4
EDGE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class PostLaw:
    """y(C) = y0 + (A - y0) / (1 + (C_mid / C)^B): the form of Khatri et al. (arXiv 2510.13786). It may fall:
    A below y0 is what sharpening does to pass@k at large k."""

    theta: np.ndarray
    """[4] logit y0, logit A, log C_mid, log B."""
    replicates: np.ndarray
    """[S, 4] of theta, each fitted to values and prior means that were drawn anew."""

    @property
    def start(self) -> float:
        """y0."""
        return float(expit(self.theta[0]))

    @property
    def plateau(self) -> float:
        """A."""
        return float(expit(self.theta[1]))

    def value(self, compute: ArrayLike) -> np.ndarray:
        """y at compute, in the units that were fitted; broadcasts."""
        return _value(self.theta, np.asarray(compute, dtype=np.float64))

    def draws(self, compute: ArrayLike) -> np.ndarray:
        """[S, ...] of y at compute, one for each replicate."""
        at = np.asarray(compute, dtype=np.float64)
        return np.array([_value(theta, at) for theta in self.replicates])

    def forecast(self, compute: float, *, confidence: float = 0.9) -> tuple[float, float, float]:
        """(value, low, high) of what an evaluation without sampling noise would show, wobble included."""
        found = self.draws(compute)
        found = found + WOBBLE * np.random.default_rng(1).standard_normal(len(found))
        low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2])
        return float(self.value(compute)), float(low), float(high)


def _value(theta: np.ndarray, compute: np.ndarray) -> np.ndarray:
    first, last = expit(theta[0]), expit(theta[1])
    with np.errstate(divide="ignore"):
        log_ratio = np.exp(np.clip(theta[3], -5, 5)) * (np.log(compute) - theta[2])
    return first + (last - first) * expit(log_ratio)  # 1 / (1 + (mid/C)^B), 0 at C = 0.


def fit_post(
    compute: ArrayLike,
    value: ArrayLike,
    error: ArrayLike,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> PostLaw:
    """Maximum a posteriori over evaluations. Its uncertainty is that of fits to values and prior means with
    noise of their own size added (randomise, then optimise): a normal approximation around the optimum held
    the truth of made curves in .7 to .8 of cases where it said .9, this one in .97.

    Priors: the plateau around the last value (1.5 in logits), the midpoint around the largest compute (a
    factor 4.5), the slope around 1 (a factor 1.5). With few points on the rising part they are what bounds
    the forecast.

    Args:
        compute: [T] spent by each evaluation, 0 for the base; steps, tokens or FLOPs.
        value: [T] pass@k.
        error: [T] standard error of each from its samples (``sampling_error``).
        replicates: S.
        seed: of their noise.

    Raises:
        ValueError: fewer than four evaluations, or none before and after training.
    """
    c, y, se = (np.asarray(x, dtype=np.float64) for x in (compute, value, error))
    if len(c) < LEAST_POINTS or not np.any(c > 0):
        raise ValueError(
            f"a curve of {len(c)} evaluations says nothing about a plateau: at least {LEAST_POINTS} are"
            " needed, evaluation.every lower gives more"
        )
    order = np.argsort(c, kind="stable")
    c, y, se = c[order], y[order], np.hypot(se[order], WOBBLE)
    ends = logit(np.clip(y[[0, -1]], EDGE, 1 - EDGE))
    centre = np.array([ends[0], ends[1], np.log(c.max()), 0.0])
    spread = np.array([10.0, PLATEAU_SD, MIDPOINT_SD, SLOPE_SD])

    def fitted(target: np.ndarray, prior: np.ndarray, begin: np.ndarray) -> Any:
        def residual(theta: np.ndarray) -> np.ndarray:
            return np.concatenate([(_value(theta, c) - target) / se, (theta - prior) / spread])

        return least_squares(residual, begin)

    starts = [centre + np.array([0.0, p, m, 0.0]) for p in (-0.5, 0.0, 0.7) for m in (-2.0, -0.7, 0.3)]
    best = min((fitted(y, centre, s) for s in starts), key=lambda run: run.cost).x
    rng = np.random.default_rng(seed)
    drawn = [
        fitted(y + se * rng.standard_normal(len(y)), centre + spread * rng.standard_normal(4), best).x
        for _ in range(replicates)
    ]
    return PostLaw(theta=best, replicates=np.array(drawn))


def sampling_error(n: ArrayLike, c: ArrayLike, k: int) -> float:
    """Standard error of mean pass@k on these problems from the samples alone, by the jackknife: the problems
    are the same at every evaluation, so their own spread is no noise of a curve.

    Args:
        n: [P] samples of each problem, more than k.
        c: [P] of which right.
        k: samples that count.
    """
    trials, right = np.asarray(n, dtype=np.int64), np.asarray(c, dtype=np.int64)
    if k >= trials.min():
        raise ValueError(
            f"k is {k}: the error needs more samples than that, and a problem has {trials.min()}"
        )
    without_right = pass_at_k(trials - 1, np.maximum(right - 1, 0), k)
    without_wrong = pass_at_k(trials - 1, np.minimum(right, trials - 1), k)
    share = right / trials
    # (n-1)/n times the sum of squares of n leave-one-out values, of which there are two.
    variance = (trials - 1) * share * (1 - share) * (without_wrong - without_right) ** 2
    return float(np.sqrt(variance.sum()) / len(trials))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Whether to go on."""

    stop: bool
    gain: float
    """Forecast value at the horizon minus the law's value now."""
    low: float
    high: float
    """90% interval of the gain."""


def stop_early(law: PostLaw, *, now: float, horizon: float, least: float = 0.01) -> Stop:
    """Stop if even the upper end of the forecast gain up to ``horizon`` is below ``least``.

    Args:
        law: fitted to the evaluations so far.
        now: compute spent.
        horizon: compute at which training would end.
        least: gain in pass@k that would be worth the rest.

    Raises:
        ValueError: the horizon is not ahead.
    """
    if horizon <= now:
        raise ValueError(f"the horizon {horizon:g} must lie beyond what is spent, {now:g}")
    found = law.draws(np.array([now, horizon]))
    gains = found[:, 1] - found[:, 0]
    low, high = np.quantile(gains, [0.05, 0.95])
    gain = law.value(np.array([now, horizon]))
    return Stop(stop=bool(high < least), gain=float(gain[1] - gain[0]), low=float(low), high=float(high))
