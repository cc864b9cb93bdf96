"""The cost layer of the last full result of ``benchmarks/curricula/`` as a picture.

python -m benchmarks.curricula.plot        # writes docs/img/curricula_cost.svg
"""

import json
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

from benchmarks.lib.common import RESULTS

OUT = Path(__file__).parents[2] / "docs" / "img" / "curricula_cost.svg"


def main() -> None:
    cost = json.loads((RESULTS / "curricula.json").read_text(encoding="utf-8"))["cost"]
    sizes = [int(size) for size in cost["by_size"]]
    matplotlib.rcParams["svg.hashsalt"] = "curricula"
    figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    for preset in cost["by_size"][str(sizes[0])]["plan_ms"]:
        spreads = [cost["by_size"][str(size)]["plan_ms"][preset] for size in sizes]
        axes.plot(sizes, [s["median"] for s in spreads], marker="o", markersize=3, label=preset)
    axes.axhline(100, color="grey", linewidth=0.8, linestyle="--")
    axes.set(xscale="log", yscale="log", xlabel="prompts in the pool", ylabel="ms for a plan (median)")
    axes.set_title(f"Choosing {cost['budget']:,} rollouts over {cost['prompts']:,} prompts", fontsize=10)
    axes.legend(fontsize=7, frameon=False)
    figure.savefig(OUT, metadata={"Date": None})


if __name__ == "__main__":
    main()
