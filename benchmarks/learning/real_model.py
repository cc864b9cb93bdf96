"""Does a pretrained chat model learn, and is it more than sharpening?

``t2rl train smollm2`` over three seeds: accuracy on held-out problems before and after, sampled, greedy and
at temperature 0.6, pass@8, and levels that never trained; with what it took.

    python -m benchmarks.learning.real_model                    # seeds 0 1 2, 25 steps
    python -m benchmarks.learning.real_model --name lora learner.lora.r=16 learner.lr=1e-4
    # harder, and without levels, so without claim 5
    python -m benchmarks.learning.real_model --name words task=word_problems \\
        rollout.max_tokens=128 rollout.max_model_len=320

Runs go one after the other into ``runs/benchmarks/``; what is finished is remembered, so a second call goes
on where the first was interrupted.

Claims, written before the runs, those of a variant before its own (25 steps of 8 x 8 rollouts, three seeds,
95% intervals over problems and seeds):

1. ``gain``: held-out pass@1 at temperature 1 rises by at least .15, with an interval above .05.
2. ``greedy``: greedy accuracy on held-out problems rises, with an interval above 0. Else the policy only
   samples what it would have answered greedily.
3. ``beats_sharpening``: trained pass@1 at temperature 1 is above the base's at temperature 0.6, with an
   interval above 0.
4. ``keeps_reach``: held-out pass@8 falls by less than .05.
5. ``carries_over``: pass@1 on the levels that never trained rises, with an interval above 0.
6. ``in_an_hour``: each run takes at most 60 minutes on two cores, start and evaluations included.
"""

import argparse
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks.learning.learning import ROOT, Runs, cost, interval, metrics_of, per_problem
from benchmarks.lib.common import CONSOLE, command_line, machine, parser, save
from planner.estimators.bootstrap import MIN_SEEDS, paired_difference, seeds_difference
from rl.config.load import load_config
from rl.config.task_reasoning_gym import ReasoningGymTaskConfig
from rl.run.prepare.inputs import locate_model
from rl.views.evaluations import read_counts

CONFIG = "smollm2"
UNSEEN = (3, 4)
"""Levels of ``task=arithmetic`` that the config never trains on."""
SAMPLED, COOLER, REACH = "pass@1", "pass@1 at T=0.6", "pass@8"
Pairs = dict[str, tuple[np.ndarray, np.ndarray]]
"""Metric -> (before, after), each [problems]."""


def unseen_levels(target: Path, directory: Path, overrides: Sequence[str]) -> dict[str, np.ndarray]:
    """Metric -> [problems] of a run or a model on the levels that never trained; kept in ``directory``."""
    file = directory / "version-00000000.jsonl"
    if not file.is_file():
        levels = f"task.levels={list(UNSEEN)}"
        settings = [levels, "evaluation.extra_temperatures=[]", *overrides]
        command = [sys.executable, "-m", "rl.cli", "eval", str(target), *settings, "--to", str(directory)]
        subprocess.run(command, check=True)
    counts = {one.sampling.temperature: one for one in read_counts(file, max_tokens=1, top_p=1)}
    sampled = next(t for t in counts if t > 0)
    return {
        SAMPLED: per_problem(counts[sampled]),
        REACH: per_problem(counts[sampled], 8),
        "greedy": per_problem(counts[0]),
    }


def seed_result(run: Path, facts: dict[str, Any], pairs: Pairs) -> dict[str, Any]:
    """Figures of one seed: what it reached, and what it took."""
    took = cost(run)
    return {
        "minutes": round(facts["seconds"] / 60, 1),
        "learner_peak_mib": facts["learner_peak_mib"],
        "engine_peak_mib": facts.get("engine_peak_mib"),
        "steps_per_minute": round(60 * took["steps"] / took["train_s"], 3),
        "sampled_tokens_per_s": round(took["tokens"] / took["train_s"], 1),
        "cost": took,
        "metrics": {
            name: {"before": round(before.mean(), 4), "after": round(after.mean(), 4)}
            for name, (before, after) in pairs.items()
        },
    }


def over_seeds(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
    """Before, after and the difference with its interval, over problems and seeds; with fewer than three
    seeds over problems alone."""
    before, after = (np.stack(side) for side in zip(*pairs, strict=True))
    enough = len(pairs) >= MIN_SEEDS
    found = seeds_difference(after - before) if enough else paired_difference(before.mean(0), after.mean(0))
    difference = interval(found)
    return {
        "before": round(before.mean(), 4),
        "after": round(after.mean(), 4),
        "estimate": difference["value"],
        "low": difference["low"],
        "high": difference["high"],
    }


def verdicts(all_seeds: dict[str, Any], minutes: Sequence[float]) -> dict[str, bool]:
    """The claims of the module's docstring, each held or not."""
    claims = {
        "gain": all_seeds[SAMPLED]["estimate"] >= 0.15 and all_seeds[SAMPLED]["low"] > 0.05,
        "greedy": all_seeds["greedy"]["low"] > 0,
        "beats_sharpening": all_seeds["pass@1 after, over T=0.6 before"]["low"] > 0,
        "keeps_reach": all_seeds[REACH]["estimate"] > -0.05,
        "in_an_hour": max(minutes) <= 60,
    }
    unseen = all_seeds.get("unseen levels: pass@1")
    return claims if unseen is None else claims | {"carries_over": unseen["low"] > 0}


def measure(args: argparse.Namespace, runs: Runs, directory: Path) -> dict[str, Any]:
    """All seeds, one after the other."""
    config = load_config(CONFIG, args.overrides)
    small = [o for o in args.overrides if o.startswith(("evaluation.", "rollout."))]
    has_levels = isinstance(config.task, ReasoningGymTaskConfig)
    base_unseen = directory / "base-unseen"
    before = unseen_levels(locate_model(config), base_unseen, [CONFIG, *small]) if has_levels else {}
    seeds: dict[int, Pairs] = {}
    result: dict[str, Any] = {"seeds": {}}
    for seed in args.seeds:
        own = [f"run.steps={args.steps}", f"run.seed={seed}", *args.overrides]
        run = runs.train(CONFIG, own, label=f"{CONFIG}, seed {seed}")
        after = unseen_levels(run, run.parent / "unseen", small) if has_levels else {}
        pairs = metrics_of(run)
        pairs["pass@1 after, over T=0.6 before"] = (pairs[COOLER][0], pairs[SAMPLED][1])
        pairs["pass@1 after, over greedy before"] = (pairs["greedy"][0], pairs[SAMPLED][1])
        pairs |= {f"unseen levels: {name}": (before[name], after[name]) for name in before}
        seeds[seed] = pairs
        result["seeds"][seed] = seed_result(run, runs.facts(run), pairs)
    result["over_seeds"] = {
        name: over_seeds([seeds[s][name] for s in seeds]) for name in seeds[args.seeds[0]]
    }
    result["minutes"] = statistics.median(one["minutes"] for one in result["seeds"].values())
    result["problems"] = len(seeds[args.seeds[0]][SAMPLED][0])
    gain = result["over_seeds"][SAMPLED]
    result["gain"] = {key: gain[key] for key in ("estimate", "low", "high")}
    result["claims"] = verdicts(result["over_seeds"], [one["minutes"] for one in result["seeds"].values()])
    return result


def show(result: dict[str, Any]) -> None:
    """The table over seeds, and the claims."""
    table = Table("metric", "before", "after", "difference (95%)", title=f"{len(result['seeds'])} seeds")
    for name, row in result["over_seeds"].items():
        span = f"{row['estimate']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
        table.add_row(name, f"{row['before']:.3f}", f"{row['after']:.3f}", span)
    CONSOLE.print(table)
    CONSOLE.print(result["claims"])


def main() -> None:
    made = parser(__doc__ or "")
    made.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    made.add_argument("--steps", type=int, default=25)
    made.add_argument("--name", default="", help="of a variant: its own directory and result file")
    made.add_argument("overrides", nargs="*", help="of the config")
    args = made.parse_args()
    if args.quick:
        args.seeds, args.steps = args.seeds[:1], 2
        args.overrides = [*args.overrides, "evaluation.num_prompts=8", "evaluation.samples_per_prompt=8"]
    stem = "_".join(part for part in ("real_model", args.name) if part)
    directory = ROOT / "runs" / "benchmarks" / (stem + ("-quick" if args.quick else ""))
    runs = Runs(directory, fresh=False)
    command = command_line()
    result = {"machine": machine(), "command": command} | measure(args, runs, directory)
    show(result)
    save(stem, result, args=args, beside=True)  # benchmarks.speed.real_model has keys of its own there


if __name__ == "__main__":
    main()
