"""The picture of ``benchmarks.reliability.soak``, from its result:
``python -m benchmarks.reliability.soak_picture``."""

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot as plt

from benchmarks.lib.common import RESULTS

matplotlib.rcParams["svg.hashsalt"] = "soak"
PICTURE = Path(__file__).parents[2] / "docs" / "img" / "soak.svg"


def draw(soak: dict[str, Any]) -> Any:
    """Memory by process, and tokens a second, over time; a line for each stretch."""
    figure, (memory, speed) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
    for number in sorted({block["stretch"] for block in soak["series"]}):
        blocks = [block for block in soak["series"] if block["stretch"] == number]
        minutes = [block["minute"] for block in blocks]
        roles = sorted(blocks[0]["mib"], key=lambda role: -blocks[0]["mib"][role])
        for colour, role in enumerate(roles):
            level = [block["mib"].get(role, 0.0) for block in blocks]
            label = role if number == 1 else None
            memory.plot(minutes, level, color=f"C{colour}", linewidth=1.2, label=label)
        speed.plot(minutes, [block["tokens_per_s"] for block in blocks], color="C0", linewidth=1.2)
    memory.set(title="proportional set size, MiB", xlabel="minutes", ylim=(0, None))
    memory.legend(fontsize=7, ncols=2)
    speed.set(title="tokens a second, blocks of two minutes", xlabel="minutes", ylim=(0, None))
    return figure


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--results", type=Path, default=RESULTS / "soak.json")
    options.add_argument("--to", type=Path, default=PICTURE)
    args = options.parse_args()
    figure = draw(json.loads(args.results.read_text(encoding="utf-8"))["soak"])
    figure.savefig(args.to, metadata={"Date": None}, bbox_inches="tight")


if __name__ == "__main__":
    main()
