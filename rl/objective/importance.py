"""Truncated importance weights: what corrects a proximal reference for the policy that really sampled."""

from rl.objective.shapes import PerToken


def truncated_importance(proximal: PerToken, behavior: PerToken, *, cap: float, max_log_ratio: float) -> PerToken:
    """[T] ``min(exp(proximal - behavior), cap)``, a constant to the gradient (Espeholt et al. 2018, arXiv 1802.01561, rho-bar).

    With it a stale token counts as much as the starting weights would have sampled it, and never more than ``cap``.
    """
    log_ratio = (proximal - behavior).detach().clamp(-max_log_ratio, max_log_ratio)
    return log_ratio.exp().clamp(max=cap)
