"""The picture of ``learning.py``: held-out accuracy against optimizer steps, beside what the base reaches
without any training."""

from pathlib import Path
from typing import Any

import numpy as np

COLOURS = {"sampled": "#1f6fb4", "greedy": "#c8541b"}


def plot_curves(result: dict[str, Any], path: Path) -> None:
    """One thin line per seed and the mean over seeds, for sampling at the training temperature and for greedy
    decoding.

    Args:
        result: what ``learning.py`` writes: ``seeds`` with curves, ``over_seeds``, ``config``, ``problems``.
        path: ``.svg`` or ``.png``.
    """
    import matplotlib as mpl

    mpl.use("agg")
    mpl.rcParams["svg.hashsalt"] = "t2rl"  # the same data gives the same file
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.2, 4.2), layout="constrained")
    curves = [facts["curve"] for facts in result["seeds"].values()]
    sampled = next(key for key in curves[0][0] if key not in ("step", "0"))
    for name, key, label in (("greedy", "0", "greedy"), ("sampled", sampled, f"pass@1, T={sampled}")):
        lines = [[(point["step"], point[key]) for point in curve if key in point] for curve in curves]
        if not all(lines):
            continue
        for line in lines:
            axes.plot(*zip(*line, strict=True), color=COLOURS[name], linewidth=0.8, alpha=0.45)
        shared = [step for step, _ in lines[0] if all(step in dict(line) for line in lines)]
        mean = [np.mean([dict(line)[step] for line in lines]) for step in shared]
        axes.plot(shared, mean, color=COLOURS[name], linewidth=2.2, marker="o", markersize=3.5, label=label)
    for metric, style in (("greedy", "--"), ("pass@1 at T=0.6", ":")):
        if metric in result["over_seeds"]:
            level = result["over_seeds"][metric]["before"]
            axes.axhline(
                level, color="#444444", linestyle=style, linewidth=1.2, label=f"base: {metric} ({level:.3f})"
            )
    axes.set(xlabel="optimizer step", ylabel=f"held-out accuracy ({result['problems']} problems)")
    axes.set_title(
        f"{result['config']}: {len(curves)} seeds and their mean, {result['machine']['date']}", fontsize=10
    )
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, loc="best")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)
