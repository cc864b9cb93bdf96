"""``t2rl plan bases``: surfaces, hold-outs, optima, the trade-off table and its pictures, all from the scores
on disk."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from planner.cost.devices import Device
from planner.cost.flops import ModelShape
from planner.cost.measured import read_costs
from planner.cost.tradeoff import Scored, choices, to_csv, to_markdown, tradeoff
from planner.t2.budget import Deployment, end_to_end
from planner.t2.overtraining import fit_overtraining
from planner.t2.shift import discrete_choice
from rl.ladder.analysis.data import (
    Family,
    chosen_axis,
    family_of,
    load_scores,
    only_categories,
    sampled_scores,
)
from rl.ladder.analysis.fit import Fits, fit_surfaces
from rl.ladder.analysis.holdout import judge_holdouts
from rl.ladder.analysis.shift import PRIMARY, shift_report
from rl.ladder.layout import LadderDir
from rl.ladder.sampled import Axis
from rl.ladder.scores import headline

MAX_K = 1024.0
"""Largest k of the end-to-end optimum; more is extrapolation beyond the samples."""
SERVING_COSTS = ("flops_per_query", "latency_ms_par", "usd_per_1k_queries")
CHOICE_KS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def plan_bases(
    path: Path,
    *,
    device: Device,
    queries: Sequence[float],
    total_flops: float | None,
    resamples: int,
    categories: Sequence[str] = (),
    cost_files: Sequence[Path] = (),
    temperature: float | None = None,
    max_tokens: int | None = None,
) -> dict[str, Any]:
    """Everything about one ladder; also written to ``DIR/plan``.

    Args:
        path: the ladder's directory, evaluated.
        device: for latency and price.
        queries: numbers of queries that the end-to-end optimum is found for.
        total_flops: budget from training to the last query; None = four times the most expensive base.
        resamples: bootstrap replicates.
        categories: only their problems; written to ``DIR/plan/A+B``, without the trade-off table and its
            picture.
        cost_files: of ``t2rl bench --to``, for the trade-off table.
        temperature: read what the engines sampled at this temperature (``t2rl bases eval --config``).
        max_tokens: cut their samples at so many tokens. With either of the two, and where there are no other
            scores, the trade-off table has every temperature and limit that was asked for.

    Raises:
        ValueError: nothing is scored, or on unequal problems; a cost file that does not fit.
    """
    directory = LadderDir(path)
    axis = chosen_axis(directory, temperature, max_tokens)
    scores, every = _read(directory, axis, categories)
    data = family_of(scores)
    fits = fit_surfaces(data)
    served = PRIMARY * float(data.params.max())
    rows = [] if categories else _tradeoff(every, device, cost_files)
    heads = [headline(s) for s in scores]
    mean_tokens = float(np.mean([h["mean_tokens"] for h in heads if not h["bits"]]))
    budget = total_flops or 4 * float((6 * data.params * data.tokens).max())
    report = {
        "ladder": directory.ladder().name,
        "device": asdict(device),
        "axis": None if axis is None else asdict(axis),
        "checkpoints": heads,
        "problems": len(data.category),
        "surface": _surface(fits),
        "overtraining_law": _overtraining(data),
        "baselines": _baselines(data, fits, queries, mean_tokens),
        "holdouts": judge_holdouts(data, served_flops=served),
        "shift": shift_report(data, fits, resamples=resamples),
        "end_to_end": [row for q in queries for row in _end_to_end(data, fits, heads, budget, q)],
        "discrete": _discrete(data, mean_tokens),
        "middle_cell": _middle_cell(data),
        "serving": {cost: choices(rows, cost=cost) for cost in SERVING_COSTS} if rows else None,
    }
    folder = plan_folder(path, categories)
    _write(folder, report, rows, data, fits)
    return report


def _write(
    folder: Path, report: dict[str, Any], rows: Sequence[dict[str, Any]], data: Family, fits: Fits
) -> None:
    from rl.ladder.analysis.pictures import draw_all

    LadderDir.write_json(folder / "surface.json", _without_nan(report))
    if rows:
        (folder / "tradeoff.csv").write_text(to_csv(rows), encoding="utf-8")
        (folder / "tradeoff.md").write_text(to_markdown(rows), encoding="utf-8")
    draw_all(folder, data, fits, report, rows)


def _read(
    directory: LadderDir, axis: Axis | None, categories: Sequence[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what surfaces are fitted to, and what the trade-off table holds: every axis of samples."""
    every = load_scores(directory) if axis is None else sampled_scores(directory, None)
    scores = every if axis is None else sampled_scores(directory, axis)
    return (only_categories(scores, categories) if categories else scores), every


def _tradeoff(
    scores: Sequence[dict[str, Any]], device: Device, cost_files: Sequence[Path]
) -> list[dict[str, Any]]:
    checkpoints, costs = [_scored(one) for one in scores], read_costs(cost_files)
    strangers = sorted(name for name, _ in costs.keys() - {(one.name, one.bits) for one in checkpoints})
    if strangers:
        known = ", ".join(sorted({one.name for one in checkpoints}))
        raise ValueError(f"--cost: measured for {strangers[0]}, which is not in the ladder ({known})")
    return tradeoff(checkpoints, device, costs=costs)


def plan_folder(path: Path, categories: Sequence[str]) -> Path:
    """Where ``plan_bases`` writes."""
    plan = LadderDir(path).plan
    return plan / "+".join(categories) if categories else plan


def _surface(fits: Fits) -> dict[str, Any]:
    family = fits.family
    return {
        "family": {
            "shared": dict(
                zip(
                    ("log_A", "log_alpha", "log_B", "log_beta", "t1", "delta0", "delta1"),
                    family.shared.tolist(),
                    strict=True,
                )
            ),
            "h0": dict(zip(family.categories, family.h0.tolist(), strict=True)),
            "t0": dict(zip(family.categories, family.t0.tolist(), strict=True)),
        },
        "approach1": None if fits.approach1 is None else asdict(fits.approach1),
        "approach2": None if fits.approach2 is None else asdict(fits.approach2),
    }


def _overtraining(data: Family) -> dict[str, float] | None:
    bases = data.of(data.post == 0)
    if bases.log_p is None or len(bases.keys) < 5:
        return None
    return asdict(fit_overtraining(bases.params, bases.tokens, -bases.log_p.mean(axis=1)))


def _baselines(data: Family, fits: Fits, queries: Sequence[float], tokens: float) -> dict[str, Any] | None:
    """Chinchilla's N and r on each full isoline, and what Sardana would build to serve that loss to so many
    queries."""
    if fits.approach2 is None:
        return None
    law = fits.approach2.law
    found = {}
    for level, flops in data.full_levels().items():
        n = law.optimal_params(flops)
        loss = float(law.loss(n, flops / 6 / n))
        sardana = {}
        for count in queries:
            served_n, served_d = law.sardana(loss, count * tokens)
            sardana[f"{count:g} queries"] = {"params": served_n, "ratio": served_d / served_n}
        found[str(level)] = {
            "chinchilla": {"params": n, "ratio": flops / 6 / n**2, "loss": loss},
            "sardana": sardana,
        }
    return found


def _end_to_end(
    data: Family, fits: Fits, heads: Sequence[dict[str, Any]], total: float, queries: float
) -> list[dict[str, Any]]:
    """Find the end-to-end optimum of bases, and of post-trained ones with what their training cost."""
    tokens, prompt = (
        float(np.mean([h[name] for h in heads if not h["bits"]]))
        for name in ("mean_tokens", "mean_prompt_tokens")
    )
    spent = [h["post_flops"] / h["params"] for h in heads if h["post"] and not h["bits"]]
    found = []
    for z in sorted(set(data.post.tolist())):
        per_weight = float(np.mean(spent)) if z and spent else 0.0
        deployment = Deployment(
            total_flops=total,
            queries=queries,
            tokens_per_sample=tokens,
            prefill=_times(2 * prompt),
            post=_times(per_weight),
        )
        common = {"total_flops": total, "queries": queries, "tokens_per_sample": tokens, "post": int(z)}
        found.append({**common, **_optimum(data, fits, int(z), deployment)})
    return found


def _optimum(data: Family, fits: Fits, z: int, deployment: Deployment) -> dict[str, Any]:
    """``error`` where nothing fits within what was measured."""

    def score(n: np.ndarray, d: np.ndarray, k: np.ndarray) -> np.ndarray:
        return fits.family.accuracy(n, d, k, z)

    try:
        best = end_to_end(score, deployment, measured=data.measured(), max_k=MAX_K)
    except ValueError as error:
        return {"error": str(error)}
    return {**asdict(best), "ratio": best.ratio}


def _times(factor: float) -> Callable[[np.ndarray], np.ndarray]:
    """N -> factor N."""
    return lambda n: factor * n


def _discrete(data: Family, tokens: float) -> list[dict[str, Any]]:
    """For a range of query budgets: the measured checkpoint and k that score best."""
    ks = [k for k in CHOICE_KS if k <= data.n.min()]
    table = data.pass_table(tuple(ks))
    flops = 2 * data.params * tokens
    budgets = np.geomspace(flops.min(), flops.max() * ks[-1], 9)
    choices = [
        discrete_choice(data.params, table, np.array(ks), flops, float(b * (1 + 1e-9))) for b in budgets
    ]
    return [
        {"flops_per_query": float(b), "checkpoint": data.keys[c.index], "k": c.k, "pass": c.score}
        for b, c in zip(budgets, choices, strict=True)
    ]


def _middle_cell(data: Family) -> dict[str, Any]:
    """pass@1 by category at the base of median compute: C1 is vacuous unless half of them lie between .02 and
    .6."""
    bases = data.of(data.post == data.post.min())
    order = np.argsort(bases.params * bases.tokens)
    j = int(order[len(order) // 2])
    rates = {
        name: float((bases.c[j] / bases.n[j])[bases.category == g].mean())
        for g, name in enumerate(bases.categories)
    }
    inside = sum(0.02 <= r <= 0.6 for r in rates.values())
    return {"checkpoint": bases.keys[j], "pass@1": rates, "vacuous": inside < len(rates) / 2}


def _scored(scores: dict[str, Any]) -> Scored:
    shape = scores["shape"]
    lengths = {side: {int(k): v for k, v in counts.items()} for side, counts in scores["lengths"].items()}
    return Scored(
        name=scores["key"].partition("@")[0],
        shape=ModelShape(
            params=scores["params"],
            layers=shape["layers"],
            attention_width=shape["attention_width"],
            kv_width=shape["kv_width"],
            width=shape["width"],
            vocabulary=shape["vocabulary"],
            embedding_params=scores["params_total"] - scores["params"],
        ),
        tokens=scores["tokens"],
        train_flops=6 * scores["params"] * scores["tokens"] + scores["post_flops"],
        post=scores["post"],
        bits=scores["bits"],
        n=np.array([r["n"] for r in scores["rows"]]),
        c=np.array([r["c"] for r in scores["rows"]]),
        prompt_tokens=float(np.mean([r["prompt_tokens"] for r in scores["rows"]])),
        right_lengths=lengths["right"],
        wrong_lengths=lengths["wrong"],
        temperature=scores["temperature"],
        max_tokens=scores.get("max_tokens"),
    )


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
