"""From sums over tokens to the metrics of a step. Sums add up over micro-batches, ranks and updates; means are taken once."""

import torch

from rl.objective.estimator import SUMS

EXTRA = ("loss", "squared_norm")
"""What is reduced together with the estimator's sums, after them."""
SIZE = len(SUMS) + len(EXTRA)


def loss_metrics(totals: torch.Tensor, gap: torch.Tensor, *, dropped_before: int) -> dict[str, float]:
    """``loss/...`` of a step from all its updates.

    ``totals`` [SIZE] float64 over all updates, the loss entry being their mean. ``gap`` [2] is the sum of absolute log-prob
    differences, policy against behaviour, and the tokens of the first update, before which nothing had moved.
    ``dropped_before`` counts tokens whose behaviour log-prob was not finite.
    """
    value = dict(zip(SUMS + EXTRA, totals.tolist(), strict=True))
    tokens = max(value["tokens"], 1.0)
    gap_sum, gap_tokens = gap.tolist()
    return {
        "loss/total": value["loss"],
        "loss/ratio_mean": value["ratio"] / tokens,
        "loss/ratio_clipped_frac": value["ratio_clipped"] / tokens,
        "loss/entropy": value["neg_logprob"] / tokens,
        "loss/kl_behavior_k3": value["kl_behavior_k3"] / tokens,
        "loss/importance_capped_frac": value["importance_capped"] / tokens,
        "loss/dropped_tokens": value["dropped"] + dropped_before,
        "learner/trained_tokens": value["tokens"],
        "learner/logprob_gap": gap_sum / max(gap_tokens, 1.0),
    }
