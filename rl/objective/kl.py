"""Estimators of KL(policy || reference) from the one token that was sampled (Schulman 2020, "Approximating KL
divergence")."""

from collections.abc import Callable

from rl.objective.shapes import PerToken


def k1(policy: PerToken, reference: PerToken, max_log_ratio: float) -> PerToken:
    """[T] ``log p - log q``: unbiased, of high variance, negative at times. Its gradient is 0 on average: not
    for losses."""
    return policy - reference


def k2(policy: PerToken, reference: PerToken, max_log_ratio: float) -> PerToken:
    """[T] ``(log p - log q)^2 / 2``: biased, but its gradient on the policy's own tokens is that of the
    KL."""
    return (policy - reference).clamp(-max_log_ratio, max_log_ratio).square() / 2


def k3(policy: PerToken, reference: PerToken, max_log_ratio: float) -> PerToken:
    """[T] ``q/p - 1 - log(q/p)``: unbiased and never negative (GRPO, arXiv 2402.03300, eq. 4)."""
    log_ratio = (reference - policy).clamp(-max_log_ratio, max_log_ratio)
    return log_ratio.exp() - 1 - log_ratio


KlFunction = Callable[[PerToken, PerToken, float], PerToken]

KL_ESTIMATORS: dict[str, KlFunction] = {"k1": k1, "k2": k2, "k3": k3}


def adapted(coefficient: float, *, measured: float, target: float, horizon: int) -> float:
    """The next coefficient of the adaptive controller: up where the KL is over its target, down where under,
    by at most 0.2 of itself in ``horizon`` steps (Ziegler et al. 2019, arXiv 1909.08593, section 2.2)."""
    error = min(max(measured / target - 1, -0.2), 0.2)
    return coefficient * (1 + error / horizon)
