"""From sums over tokens to the metrics of a step. Sums add up over micro-batches, ranks and updates; means
are taken once."""

from collections.abc import Sequence

import numpy as np
import torch

from rl.learner.update import UpdateResult
from rl.learner.update_plan import PlannedUpdate
from rl.objective.estimator import SUMS
from rl.objective.value_loss import explained_variance

EXTRA = ("loss", "value_loss")
"""What is reduced together with the estimator's sums, after them."""
SIZE = len(SUMS) + len(EXTRA)


def loss_metrics(totals: torch.Tensor, *, dropped_before: int) -> dict[str, float]:
    """``loss/...`` of a step from ``totals`` [updates, SIZE] float64: means over all updates' tokens, the
    loss being the mean.

    The log-prob gap, policy against behaviour, is the first update's, before which nothing had moved.
    ``dropped_before`` counts tokens whose behaviour log-prob was not finite.
    """
    assert totals.shape[1] == SIZE
    value = dict(zip(SUMS + EXTRA, totals.sum(0).tolist(), strict=True))
    first = dict(zip(SUMS + EXTRA, totals[0].tolist(), strict=True))
    tokens = max(value["tokens"], 1.0)
    return {
        "loss/total": value["loss"] / len(totals),
        "loss/ratio_mean": value["ratio"] / tokens,
        "loss/ratio_clipped_frac": value["ratio_clipped"] / tokens,
        "loss/entropy": value["neg_logprob"] / tokens,
        "loss/kl_behavior_k3": value["kl_behavior_k3"] / tokens,
        "loss/importance_capped_frac": value["importance_capped"] / tokens,
        "loss/band_masked_frac": value["band_masked"] / tokens,
        "loss/clamped_tokens": value["clamped"],
        "loss/dropped_tokens": value["dropped"] + dropped_before,
        "learner/demonstration_tokens": value["demonstration_tokens"],
        "learner/trained_tokens": value["tokens"],
        "learner/logprob_gap": first["abs_gap"] / max(first["tokens"], 1.0),
    }


def critic_metrics(
    updates: Sequence[PlannedUpdate], values: np.ndarray, losses: Sequence[UpdateResult]
) -> dict[str, float]:
    """Of a step with a critic: how well it had foreseen the returns, and its loss; ``losses`` end in the
    value loss's total."""
    counted = np.any([u.terms.value_weights > 0 for u in updates], axis=0)
    returns = np.sum([u.terms.returns for u in updates if u.terms.returns is not None], axis=0)
    found = {
        "critic/explained_variance": explained_variance(
            torch.from_numpy(values[counted]), torch.from_numpy(returns[counted])
        ),
        "critic/value_mean": float(values[counted].mean()),
        "critic/return_mean": float(returns[counted].mean()),
    }
    if losses:
        found["critic/loss"] = float(np.mean([float(r.totals[-1]) for r in losses]))
        found["critic/grad_norm"] = losses[-1].grad_norm
        found["critic/refused_updates"] = float(sum(not r.applied for r in losses))
    return found
