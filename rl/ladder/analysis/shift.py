"""Claims C1 and C3 of a ladder: r* with and without inference, by isoline, with bootstrap intervals over
problems."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from planner.t2.budget import Score
from planner.t2.shift import Shift, mean_shift, measured_shift, shifts
from rl.ladder.analysis.data import Family
from rl.ladder.analysis.fit import Fits, fit_surfaces

SERVED_MULTIPLES = (2.0, 8.0, 32.0)
"""C_inf over the largest N: the largest model has 1, 4, 16 samples."""
PRIMARY = 8.0
RESAMPLES = 200


def shift_report(data: Family, fits: Fits, *, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Any]:
    """``{base: {...}, post: {...} or absent, delta1: {...} or None}``; each part by surface and C_inf."""
    rng = np.random.default_rng(seed)
    size = len(data.category)
    draws = [rng.integers(0, size, size) for _ in range(resamples)]
    replicates = [fit_surfaces(data, draw=draw, start=fits) for draw in draws]
    report: dict[str, Any] = {"resamples": resamples}
    for kind, z in (("base", 0), ("post", 1)):
        some = data.of(data.post == z) if (data.post == z).any() else None
        if some is not None and some.full_levels():
            report[kind] = _of_kind(some, z, fits, replicates, draws)
    both = data.post.any() and not data.post.all()
    report["delta1"] = _interval(fits.family.delta1, [r.family.delta1 for r in replicates]) if both else None
    report["delta0"] = (
        _interval(float(fits.family.shared[5]), [float(r.family.shared[5]) for r in replicates])
        if both
        else None
    )
    return report


def _of_kind(
    data: Family, z: int, fits: Fits, replicates: Sequence[Fits], draws: Sequence[np.ndarray]
) -> dict[str, Any]:
    surfaces = {"family": [_family(f, z) for f in (fits, *replicates)]}
    if z == 0 and fits.approach1 is not None:
        surfaces["approach1"] = [_approach1(f) for f in (fits, *replicates)]
    if z == 0 and fits.approach2 is not None:
        surfaces["approach2"] = [_approach2(f) for f in (fits, *replicates)]
    largest = float(data.params.max())
    report: dict[str, Any] = {"levels": data.full_levels()}
    for multiple in SERVED_MULTIPLES:
        served = multiple * largest
        entry: dict[str, Any] = {
            "served_flops": served,
            "primary": multiple == PRIMARY,
            "measured": _measured(data, served, draws),
        }
        for name, scores in surfaces.items():
            entry[name] = _of_surface(data, scores, served)
        report[f"C_inf={multiple:g}Nmax"] = entry
    return report


def _of_surface(data: Family, scores: Sequence[Score], served: float) -> dict[str, Any]:
    """The point fit first, then the replicates."""
    flops, measured = list(data.full_levels().values()), data.measured()
    found = [shifts(score, train_flops=flops, served_flops=served, measured=measured) for score in scores]
    means = [mean_shift(f) for f in found]
    levels = [
        {
            "train_flops": c,
            "single": _ratio([f[i] for f in found], corrected=False),
            "corrected": _ratio([f[i] for f in found], corrected=True),
        }
        for i, c in enumerate(flops)
    ]
    return {"mean_log_ratio": _interval(means[0], means[1:]), "levels": levels}


def _ratio(found: Sequence[Shift], *, corrected: bool) -> dict[str, Any]:
    """r* with its interval, N*, k, the limits that the point fit touches, and how many replicates touch
    one."""
    optima = [f.corrected if corrected else f.single for f in found]
    return {
        **_interval(optima[0].ratio, [o.ratio for o in optima[1:]]),
        "params": optima[0].params,
        "k": optima[0].k,
        "score": optima[0].score,
        "edges": list(optima[0].edges),
        "replicates_on_edge": float(np.mean([bool(o.edges) for o in optima[1:]])) if len(optima) > 1 else 0.0,
    }


def _measured(data: Family, served: float, draws: Sequence[np.ndarray]) -> dict[str, Any]:
    """The same from measured cells alone."""
    one, many = np.ones(len(data.keys)), np.maximum(served / (2 * data.params), 1.0)

    def value(draw: np.ndarray | None) -> float:
        return measured_shift(data.ratios, data.levels, data.pass_at(one, draw), data.pass_at(many, draw))

    return _interval(value(None), [value(d) for d in draws])


def _interval(value: float, replicates: Sequence[float]) -> dict[str, float]:
    """Point, percentile limits, and the share of replicates strictly above 0."""
    values = np.asarray(replicates, dtype=float)
    low, high = np.quantile(values, [0.025, 0.975]) if len(values) else (np.nan, np.nan)
    return {
        "value": value,
        "low": float(low),
        "high": float(high),
        "p_positive": float((values > 0).mean()) if len(values) else np.nan,
    }


def _family(fits: Fits, z: int) -> Score:
    return lambda n, d, k: fits.family.accuracy(n, d, k, z)


def _approach1(fits: Fits) -> Score:
    law = fits.approach1
    assert law is not None
    return lambda n, d, k: -law.loss(n, d, k)


def _approach2(fits: Fits) -> Score:
    law = fits.approach2
    assert law is not None
    return law.accuracy
