"""PassUntil: the success probability of a problem that is rarely solved, by sampling until r successes.

See docs/methods/pass_at_k.md#rare-successes.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RareEstimate:
    """The estimate for one problem."""

    value: float
    """(r - 1) / (K - 1), unbiased; if censored c / K, for orientation only."""
    standard_error: float
    """sqrt(value (1 - value) / (K - 2)), from the unbiased estimate of the variance (Finney 1949); NaN if
    censored or K = 2."""
    censored: bool
    """The cap came before the r-th success: give (n = K, c) to a beta-binomial fit, whose likelihood the stop
    does not touch."""


def pass_until(successes: int, trials: int, *, wanted: int) -> RareEstimate:
    """From a run that stopped at the ``wanted``-th success or at its cap (Haldane 1945).

    The naive r / K is biased up: with p = .03 and r = 3 its mean is .0438.

    Args:
        successes: seen, at most ``wanted``.
        trials: samples drawn, K; the last one was the ``wanted``-th success unless the cap came first.
        wanted: r, at least 2.

    Raises:
        ValueError: r < 2, or counts that such a run cannot give.
    """
    if wanted < 2:
        raise ValueError(f"wanted is {wanted}: with fewer than 2 successes there is no unbiased estimate")
    if not 0 <= successes <= min(wanted, trials):
        raise ValueError(
            f"{successes} successes in {trials} trials: a run that stops at {wanted} has between 0 and"
            f" {wanted}"
        )
    if successes < wanted:
        return RareEstimate(
            value=successes / trials if trials else 0.0, standard_error=math.nan, censored=True
        )
    value = (wanted - 1) / (trials - 1)
    spread = math.sqrt(value * (1 - value) / (trials - 2)) if trials > 2 else math.nan
    return RareEstimate(value=value, standard_error=spread, censored=False)
