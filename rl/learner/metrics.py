"""From sums over tokens to the metrics of a step. Sums add up over micro-batches, ranks and updates; means
are taken once."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from rl.batch.types import TrainingBatch
from rl.config.algorithm import AlgorithmConfig
from rl.learner.context import Measured, Progress
from rl.learner.update import EXTRA, SIZE, UpdateResult
from rl.learner.update_plan import PlannedUpdate, token_kl
from rl.objective.estimator import SUMS
from rl.objective.kl import adapted
from rl.objective.value_loss import explained_variance


def step_metrics(
    batch: TrainingBatch,
    updates: Sequence[PlannedUpdate],
    measured: Measured,
    policy: Sequence[UpdateResult],
    critic: Sequence[UpdateResult],
    *,
    dropped: int,
    lr: float,
) -> dict[str, float]:
    """Metrics of one training batch from its updates, and from the ``policy``'s and the separate ``critic``'s
    results of them; ``dropped`` tokens had no usable behaviour log-prob, ``lr`` is the first update's."""
    # No update of the policy ran while a critic of its own warms up.
    metrics = {"loss/dropped_tokens": float(dropped)}
    if policy:
        totals = torch.stack([r.totals for r in policy]).cpu()
        metrics = loss_metrics(totals, dropped_before=dropped)
        metrics["learner/grad_norm"] = policy[-1].grad_norm
    with_advantage = np.any([u.with_advantage for u in updates], axis=0)
    metrics["learner/lr"] = lr
    metrics["learner/tokens"] = float(len(batch.token_ids))
    metrics["learner/zero_advantage_frac"] = float(np.mean(~with_advantage))
    if measured.values is not None:
        value_losses = critic or [replace(r, totals=r.totals[-1:]) for r in policy]
        metrics |= critic_metrics(updates, measured.values.numpy(), value_losses)
    return metrics


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
    """Metrics of a step with a critic: how well its ``values`` [N] had foreseen the returns, and its loss;
    ``losses`` end in the value loss's total."""
    counted, returns = np.zeros(len(values), dtype=bool), np.zeros(len(values), dtype=np.float32)
    for update in updates:
        assert update.terms.returns is not None
        counted[update.flat] = (update.terms.value_weights > 0).numpy()
        returns[update.flat] = update.terms.returns.numpy()
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


def watched_kl(
    batch: TrainingBatch, reference: torch.Tensor, progress: Progress, algorithm: AlgorithmConfig
) -> dict[str, float]:
    """Mean KL per sampled token to the ``reference`` policy's log-probs [N]; sets the coefficient that it
    leads to."""
    kl = algorithm.kl
    assert kl is not None
    owner = np.repeat(np.arange(len(batch.rewards)), np.diff(batch.offsets))
    flat = np.flatnonzero(batch.loss_mask & ~batch.demonstration[owner])
    measured = float(token_kl(batch, flat, reference, algorithm).double().mean()) if len(flat) else 0.0
    used = progress.kl_coefficient
    if kl.adaptive is not None:
        target, horizon = kl.adaptive.target, kl.adaptive.horizon
        progress.kl_coefficient = adapted(used, measured=measured, target=target, horizon=horizon)
    return {"loss/kl_reference": measured, "learner/kl_coefficient": used}
