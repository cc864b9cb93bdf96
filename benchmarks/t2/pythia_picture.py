"""The picture of ``benchmarks.t2.pythia``, from its results: ``python -m benchmarks.t2.pythia_picture``."""

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot as plt

from benchmarks.lib.common import RESULTS

matplotlib.rcParams["svg.hashsalt"] = "t2"
PICTURE = Path(__file__).parents[2] / "docs" / "img" / "t2_pythia.svg"
PRIMARY, WITHIN = "C_inf=8Nmax", 2.0


def draw(result: dict[str, Any]) -> Any:
    """One row a benchmark: measured pass@1 and pass@k by isoline, and r* with and without inference."""
    names = list(result["cells"])
    figure, axes = plt.subplots(
        len(names), 3, figsize=(12, 3.6 * len(names)), squeeze=False, layout="constrained"
    )
    for row, name in zip(axes, names, strict=True):
        shift = result["shift"][name][PRIMARY]
        isolines = [level["train_flops"] for level in shift["measured"]["levels"]]
        _measured(row[0], result["cells"][name], isolines, "1")
        _measured(row[1], result["cells"][name], isolines, "at_budget")
        row[0].set(yscale="log", title=f"{name}, pass@1")
        row[0].legend(fontsize=7)
        row[1].set(title=f"{name}, pass@k, k = C_inf / 2N")
        _optima(row[2], shift["family"]["levels"])
        row[2].set(title=f"{name}, family surface (triangle: a bound)")
    return figure


def _measured(axis: Any, cells: list[dict[str, Any]], isolines: list[float], k: str) -> None:
    for flops in isolines:
        low, high = flops / WITHIN / (1 + 1e-6), flops * WITHIN * (1 + 1e-6)
        inside = [c for c in cells if low <= 6 * c["params"] * c["tokens"] <= high]
        points = sorted((c["tokens"] / c["params"], c["pass"][k]) for c in inside)
        x, y = zip(*points, strict=True)
        axis.plot(x, y, "o-", markersize=4, linewidth=0.8, label=f"C = {flops:.0e}")
    axis.set(xscale="log", xlabel="r = D / N")


def _optima(axis: Any, levels: list[dict[str, Any]]) -> None:
    for key, colour in (("single", "tab:blue"), ("corrected", "tab:red")):
        x, y = ([level["train_flops"] for level in levels], [level[key]["ratio"] for level in levels])
        axis.plot(x, y, "o-", color=colour, label=f"r*, {key}")
        bounds = [i for i, level in enumerate(levels) if level[key]["edges"]]
        axis.plot(
            [x[i] for i in bounds], [y[i] for i in bounds], "^", color=colour, markersize=10, fillstyle="none"
        )
    axis.axhline(20, color="grey", linewidth=0.8, linestyle=":")
    axis.set(xscale="log", yscale="log", xlabel="training FLOPs")
    axis.legend(fontsize=7)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--results", type=Path, default=RESULTS / "t2_pythia.json")
    options.add_argument("--to", type=Path, default=PICTURE)
    args = options.parse_args()
    figure = draw(json.loads(args.results.read_text(encoding="utf-8")))
    figure.savefig(args.to, metadata={"Date": None}, bbox_inches="tight")


if __name__ == "__main__":
    main()
