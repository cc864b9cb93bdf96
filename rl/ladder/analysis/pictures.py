"""Pictures of a ladder: isolines, r* over compute, predicted against observed, the Pareto front."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import numpy as np
from matplotlib import pyplot as plt

from rl.ladder.analysis.data import Family
from rl.ladder.analysis.fit import Fits
from rl.ladder.analysis.shift import PRIMARY

matplotlib.rcParams["svg.hashsalt"] = "t2"
KEY = f"C_inf={PRIMARY:g}Nmax"
POINTS = 60


def draw_all(
    folder: Path, data: Family, fits: Fits, report: dict[str, Any], rows: Sequence[dict[str, Any]]
) -> None:
    """Write ``isolines.svg``, ``r_star.svg``, ``predicted.svg`` and ``pareto.svg``."""
    for name, picture in (
        ("isolines", lambda: _isolines(data, fits)),
        ("r_star", lambda: _r_star(report["shift"])),
        ("predicted", lambda: _predicted(report["holdouts"])),
        ("pareto", lambda: _pareto(rows)),
    ):
        if name == "pareto" and not rows:
            continue
        figure = picture()
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")
        plt.close(figure)


def _isolines(data: Family, fits: Fits) -> Any:
    """pass@1 and pass@k at C_inf over r, one line for each isoline; points are measured, lines the family
    surface."""
    kinds = [z for z in (0, 1) if (data.post == z).any()]
    figure, axes = plt.subplots(
        len(kinds), 2, figsize=(9, 3.6 * len(kinds)), squeeze=False, layout="constrained"
    )
    served = PRIMARY * data.params.max()
    for row, z in enumerate(kinds):
        some = data.of(data.post == z)
        panels = ((np.ones(len(some.keys)), None), (np.maximum(served / (2 * some.params), 1), served))
        for axis, (ks, budget) in zip(axes[row], panels, strict=True):
            observed = some.pass_at(ks)
            outside = some.levels == 0
            if outside.any():
                axis.plot(some.ratios[outside], observed[outside], "kx", markersize=5, label="on no isoline")
            for level in sorted(set(some.levels.tolist()) - {0}):
                cells = some.levels == level
                line = axis.plot(
                    some.ratios[cells], observed[cells], "o", markersize=4, label=f"level {level}"
                )[0]
                flops = float(np.exp(np.log(6 * some.params * some.tokens)[cells].mean()))
                r = np.geomspace(data.ratios.min() / 2, data.ratios.max() * 2, POINTS)
                n = np.sqrt(flops / (6 * r))
                k = np.ones_like(n) if budget is None else np.maximum(budget / (2 * n), 1)
                axis.plot(r, fits.family.accuracy(n, n * r, k, z), color=line.get_color(), linewidth=1)
            axis.set(
                xscale="log",
                xlabel="r = D / N",
                title=(
                    f"{'post-trained' if z else 'base'},"
                    f" {'pass@1' if budget is None else 'pass@k, k = C_inf / 2N'}"
                ),
            )
        axes[row][0].legend(fontsize=7)
    return figure


def _r_star(shift: dict[str, Any]) -> Any:
    """Optimal tokens per parameter over training compute, with 95% intervals."""
    figure, axis = plt.subplots(figsize=(5.5, 3.8))
    for kind, style in (("base", "-"), ("post", "--")):
        if kind not in shift:
            continue
        levels = shift[kind][KEY]["family"]["levels"]
        for name, colour in (("single", "tab:blue"), ("corrected", "tab:red")):
            value = np.array([level[name]["value"] for level in levels])
            limits = np.abs(np.array([[level[name][e] for level in levels] for e in ("low", "high")]) - value)
            x = [level["train_flops"] for level in levels]
            axis.errorbar(
                x, value, limits, fmt="o" + style, color=colour, capsize=3, label=f"{kind}, {name}", alpha=0.8
            )
    axis.set(xscale="log", yscale="log", xlabel="training FLOPs", ylabel="r* = D / N")
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize=8)
    return figure


def _predicted(holdouts: dict[str, Any]) -> Any:
    """pass@k of held-out cells."""
    figure, axis = plt.subplots(figsize=(4.2, 4.2))
    axis.plot([0, 1], [0, 1], color="grey", linewidth=1)
    for name, entry in holdouts.items():
        if "predictions" in entry:
            pairs = entry["predictions"]
            axis.plot(
                np.ravel(pairs["observed"]),
                np.ravel(pairs["predicted"]),
                "o",
                markersize=4,
                alpha=0.7,
                label=name,
            )
    axis.set(xlabel="observed pass@k, k = 1, 4, 16, 64", ylabel="predicted", xlim=(0, 1), ylim=(0, 1))
    if axis.get_legend_handles_labels()[0]:
        axis.legend()
    return figure


def _pareto(rows: Sequence[dict[str, Any]]) -> Any:
    """FLOPs of a query against accuracy; the front drawn through."""
    figure, axis = plt.subplots(figsize=(6, 4))
    for bits in sorted({r["bits"] for r in rows}):
        some = [r for r in rows if r["bits"] == bits]
        x, y = [r["flops_per_query"] for r in some], [r["selected_acc"] for r in some]
        axis.plot(x, y, ".", markersize=4, alpha=0.5, label=f"int{bits}" if bits else "full precision")
    front = sorted((r for r in rows if r["on_pareto"]), key=lambda r: r["flops_per_query"])
    axis.step(
        [r["flops_per_query"] for r in front],
        [r["selected_acc"] for r in front],
        where="post",
        color="black",
        linewidth=1,
        label="front",
    )
    axis.set(xscale="log", xlabel="FLOPs of a query", ylabel="solved, exact verifier")
    axis.legend(fontsize=8)
    return figure
