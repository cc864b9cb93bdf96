"""Hold-outs H1 to H3 of a ladder: every surface and every baseline fitted without some cells, then judged on
them."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from planner.t2.approach2 import naive_accuracy
from planner.t2.holdout import KS, holdouts, nearest_cell, score_holdout
from rl.ladder.analysis.data import Family
from rl.ladder.analysis.fit import Fits, fit_surfaces, loss_table

Predict = Callable[[np.ndarray], np.ndarray]
"""k [H, K] -> pass@k [H, K] of the held-out checkpoints."""


def judge_holdouts(data: Family, *, served_flops: float) -> dict[str, Any]:
    """``{H1: {held: [...], model: {mae, relative, spearman, regret}}, ...}`` and ``predictions`` for the
    picture."""
    ks = np.array([k for k in KS if k <= data.n.min()])
    report: dict[str, Any] = {}
    for name, out in holdouts(data.params, data.ratios, data.levels).items():
        known, held = data.of(~out), data.of(out)
        if len(known.keys) < 3:
            report[name] = {
                "held": list(held.keys),
                "skipped": "fewer than three checkpoints are left to fit",
            }
            continue
        fits = fit_surfaces(known)
        observed = held.pass_table(tuple(ks))
        budget_k = np.maximum(served_flops / (2 * held.params), 1.0)
        at_budget = held.pass_at(budget_k)
        entry: dict[str, Any] = {"held": list(held.keys), "models": {}}
        for model, predict in _models(fits, known, held).items():
            predicted = predict(np.broadcast_to(ks[None, :], observed.shape).astype(float))
            chosen = predict(budget_k[:, None])[:, 0]
            score = score_holdout(
                observed, predicted, observed_at_budget=at_budget, predicted_at_budget=chosen
            )
            entry["models"][model] = asdict(score)
            if model == "family":
                entry["predictions"] = {"observed": observed.tolist(), "predicted": predicted.tolist()}
        if fits.approach1 is not None:
            entry["approach1_loss_relative_error"] = _loss_error(fits, held, [int(k) for k in ks])
        report[name] = entry
    return report


def _loss_error(fits: Fits, held: Family, ks: list[int]) -> float:
    """Mean relative error of approach 1 in its own loss, over held-out bases."""
    assert fits.approach1 is not None
    bases = held.of(held.post == held.post.min())
    truth = loss_table(bases, ks)
    guess = fits.approach1.loss(
        bases.params[:, None], bases.tokens[:, None], np.array(ks, dtype=float)[None, :]
    )
    return float((np.abs(guess - truth) / truth).mean())


def _models(fits: Fits, known: Family, held: Family) -> dict[str, Predict]:
    """Surfaces and baselines. Approach 2 and the naive law know nothing of post-training and predict as for
    the base."""
    n, d, z = held.params[:, None], held.tokens[:, None], held.post[:, None]
    family = fits.family
    models: dict[str, Predict] = {
        "family": lambda k: family.accuracy(n, d, k, z),
        "family_without_k": lambda k: family.accuracy(n, d, np.ones_like(k), z),
        "nearest_cell": _nearest(known, held),
    }
    second = fits.approach2
    if second is not None:
        models["approach2"] = lambda k: second.accuracy(n, d, k)
        models["naive"] = lambda k: naive_accuracy(second.theta, second.law.loss(n, d), k)
    return models


def _nearest(known: Family, held: Family) -> Predict:
    """Measured pass@k of the nearest known checkpoint, of the same kind (base or post-trained) where there is
    one."""
    index = []
    for j in range(len(held.keys)):
        same = known.post == held.post[j]
        pool = np.nonzero(same if same.any() else np.ones_like(same, dtype=bool))[0]
        index.append(
            pool[
                nearest_cell(
                    held.params[j : j + 1], held.tokens[j : j + 1], known.params[pool], known.tokens[pool]
                )[0]
            ]
        )

    def predict(k: np.ndarray) -> np.ndarray:
        columns = []
        for column in k.T:
            columns.append(
                [known.pass_at(np.full(len(known.keys), kj))[i] for i, kj in zip(index, column, strict=True)]
            )
        return np.array(columns).T

    return predict
