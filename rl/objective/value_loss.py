"""The critic's loss."""

import torch

from rl.objective.shapes import PerToken, Scalar


def value_loss(
    values: PerToken, old_values: PerToken, returns: PerToken, weights: PerToken, *, clip: float | None
) -> Scalar:
    """[] ``sum of weight / 2 * max((V - R)^2, (clipped V - R)^2)``, V clipped to ``old +- clip`` (as in PPO's
    reference code, Schulman et al. 2017; for language models Ouyang et al. 2022, arXiv 2203.02155, appendix
    C).

    The larger of the two stops a value that has already moved ``clip`` towards its target, never one that
    moved away from it.
    """
    error = (values - returns).square()
    if clip is not None:
        bounded = torch.clamp(values, old_values - clip, old_values + clip)
        error = torch.maximum(error, (bounded - returns).square())
    return (weights * error).sum() / 2


def explained_variance(values: torch.Tensor, returns: torch.Tensor) -> float:
    """``1 - Var(R - V) / Var(R)``: 1 is a perfect critic, 0 no better than a constant; NaN if all returns are
    equal."""
    total = float(returns.double().var())
    return 1 - float((returns - values).double().var()) / total if total > 0 else float("nan")
