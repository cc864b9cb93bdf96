"""Lengths and learning when batches close without their last groups.

    python -m benchmarks.learning.late_groups [--seeds 0 1 2] [--tokens N] [OVERRIDES ...]

Four ways to stream the quickstart, each for the same rollout tokens (``run.rollout_token_budget``), several
seeds: as it is; with spare groups of which the late ones are dropped (``stream.redundant_share``, all are
too old for the next batch at ``max_staleness=1``); at ``max_staleness=2`` and ``pipeline_depth=1`` as it is,
and with spare groups that join the next batch. Generated lengths are those of the same prompts' groups in the
runs without spare ones.

Claims, written before the first run:

1. Late groups that join the next batch leave the mean length of trained answers within 2% of the run without
   spare groups (over the first tenth of the tokens, while the policies are nearly the same).
2. Late groups that are dropped shorten it: the interval over seeds is below 0.
3. pass@1 at equal tokens differs by less than .03 from the run without, either way (the interval over seeds
   lies inside).
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.curricula.simulation import interval as over_seeds
from benchmarks.learning.learning import ROOT, Runs, cost, interval, metrics_of
from benchmarks.lib.common import CONSOLE, command_line, machine, parser, save, show
from planner.estimators.bootstrap import seeds_difference
from rl.records.metrics import read_metrics

CONFIG = "quickstart"
SPARE = "stream.redundant_share=0.25"
FRESH = ("stream.max_staleness=2", "stream.pipeline_depth=1")
ARMS: dict[str, tuple[str, ...]] = {
    "none": (),
    "dropped": (SPARE,),
    "none, bound 2": FRESH,
    "joined": (*FRESH, SPARE),
}
AGAINST = {"dropped": "none", "joined": "none, bound 2"}
"""What an arm is compared with."""
EARLY = 0.1
LENGTHS_ALIKE, PASS_ALIKE = 0.02, 0.03


def early_lengths(run: Path, tokens: float) -> list[float]:
    """Tokens of the mean trained answer, step by step, while fewer than ``EARLY`` of ``tokens`` were
    sampled."""
    rows = read_metrics(run / "metrics.jsonl")
    return [r["rollout/length_mean_tokens"] for r in rows if r["rollout/total_tokens"] <= EARLY * tokens]


def one_run(arm: str, seed: int, runs: Runs, args: argparse.Namespace) -> dict[str, Any]:
    """Train it, unless that was done before, and read what counts."""
    budget = [f"run.rollout_token_budget={args.tokens}", "run.steps=100000"]
    overrides = [*args.overrides, *ARMS[arm], *budget, f"run.seed={seed}", "evaluation.every=0"]
    run = runs.train(CONFIG, overrides, label=f"{arm}, seed {seed}")
    rows = read_metrics(run / "metrics.jsonl")
    return {
        "cost": cost(run),
        "early_length": statistics.mean(early_lengths(run, args.tokens)),
        "groups_late": sum(row.get("rollout/dropped_late", 0.0) for row in rows),
        "groups_rolled_over": sum(row["rollout/groups_rolled_over"] for row in rows),
        "pass@1": metrics_of(run)["pass@1"][1],
    }


def compare(found: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Each arm with spare groups against its like without, over seeds."""
    out: dict[str, Any] = {}
    for arm, other in AGAINST.items():
        pairs = list(zip(found[arm], found[other], strict=True))
        ratios = [a["early_length"] / b["early_length"] - 1 for a, b in pairs]
        out[arm] = {
            "length_change": over_seeds(np.array(ratios)),
            "pass@1": interval(seeds_difference([a["pass@1"] - b["pass@1"] for a, b in pairs])),
        }
    return out


def claims(compared: dict[str, Any]) -> dict[str, Any]:
    """The three, with their limits."""
    joined, dropped = compared["joined"], compared["dropped"]
    passes = [compared[arm]["pass@1"] for arm in AGAINST]
    return {
        "joined_lengths_alike": {
            "limit": LENGTHS_ALIKE,
            "passed": abs(joined["length_change"]["mean"]) < LENGTHS_ALIKE,
        },
        "dropped_shortens": {"limit": 0.0, "passed": dropped["length_change"]["high"] < 0},
        "pass_alike": {
            "limit": PASS_ALIKE,
            "passed": all(p["low"] > -PASS_ALIKE and p["high"] < PASS_ALIKE for p in passes),
        },
    }


def main() -> None:
    made = parser(__doc__ or "")
    made.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="at least three")
    made.add_argument("--tokens", type=int, default=None, help="of each run, default 1,000,000")
    made.add_argument("--fresh", action="store_true", help="forget finished runs")
    made.add_argument("overrides", nargs="*", help="of the config")
    args = made.parse_args()
    args.tokens = args.tokens or (40_000 if args.quick else 1_000_000)
    quick = "-quick" if args.quick else ""
    runs = Runs(ROOT / "runs" / "benchmarks" / f"late_groups{quick}", fresh=args.fresh)
    found = {arm: [one_run(arm, seed, runs, args) for seed in args.seeds] for arm in ARMS}
    compared = compare(found)
    result = {
        "machine": machine(),
        "command": command_line(),
        "tokens": args.tokens,
        "arms": {
            arm: [row | {"pass@1": round(float(row["pass@1"].mean()), 4)} for row in rows]
            for arm, rows in found.items()
        },
        "against": compared,
        "claims": claims(compared),
    }
    save("late_groups", result, args=args)
    lengths = {arm: [row["early_length"] for row in rows] for arm, rows in found.items()}
    show(
        "tokens of a trained answer, first tenth",
        {arm: {"min": min(v), "median": statistics.median(v), "max": max(v)} for arm, v in lengths.items()},
    )
    CONSOLE.print(result["claims"])


if __name__ == "__main__":
    main()
