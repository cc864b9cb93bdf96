"""The Pareto front of a serving plan as SVG."""

from pathlib import Path

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot as plt

from planner.joint.choice import Limits, Plan
from planner.joint.options import Options

matplotlib.rcParams["svg.hashsalt"] = "t2"
LABELS = {"usd": "USD for 1000 queries", "flops": "FLOPs of a query", "latency": "seconds of a query"}


def draw_front(path: Path, options: Options, limits: Limits, found: Plan) -> None:
    """Every option as a point, the front as a line, the choice as a ring, the limits as dotted lines."""
    cost, right = options.costs[limits.cost].mean(axis=1), options.right.mean(axis=1)
    figure, axis = plt.subplots(figsize=(6.5, 4.2))
    for name in dict.fromkeys(o.candidate for o in options.options):
        some = [i for i, o in enumerate(options.options) if o.candidate == name]
        axis.plot(cost[some], right[some], ".", markersize=4, alpha=0.5, label=name)
    front = list(found.front)
    axis.step(cost[front], right[front], where="post", color="black", linewidth=1, label="front")
    axis.plot(
        cost[found.chosen], right[found.chosen], "o", color="tab:red", fillstyle="none", markersize=11,
        label="chosen",
    )  # fmt: skip
    if limits.budget is not None:
        axis.axvline(limits.budget, color="grey", linestyle=":")
    if limits.target is not None:
        axis.axhline(limits.target, color="grey", linestyle=":")
    axis.set(xscale="log", xlabel=LABELS[limits.cost], ylabel="solved")
    axis.legend(fontsize=8)
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)
