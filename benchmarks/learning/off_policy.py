"""What off-policy correction is worth when rollouts are old: the same job at a large ``max_staleness`` with
and without it.

    python -m benchmarks.learning.off_policy [--staleness 4] [--steps 60] [--seeds 0 1 2] [--arms a,b]
    [--quick] [--json FILE] [overrides]

Every arm sees the same prompts, number of rollouts, steps and learning rate; only how the objective treats
old tokens differs. Held-out pass@1 is read along the way, so that a run that rises and then collapses shows
as one. Finished runs are remembered (``runs/benchmarks/off-policy``); the result is written after each.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks.learning.learning import ROOT, Runs, cost, evaluations, interval, per_problem
from benchmarks.lib.common import CONSOLE, command_line, machine, parser, save
from planner.estimators.bootstrap import seeds_difference
from rl.records.metrics import read_metrics

PLAIN = ("algorithm.advantage=grpo", "algorithm.mask=none")
ARMS: dict[str, tuple[str, ...]] = {
    "uncorrected": (*PLAIN, "algorithm.reference=current"),
    "token importance": (
        *PLAIN,
        "algorithm.reference=current",
        "algorithm.importance=token",
        "algorithm.importance.cap=2",
    ),
    "sequence importance": (
        *PLAIN,
        "algorithm.reference=current",
        "algorithm.importance=sequence",
        "algorithm.importance.cap=2",
    ),
    "icepop": ("algorithm=icepop",),
    "sequence mask": (*PLAIN, "algorithm.reference=current", "algorithm.sequence_band=[0.8,1.25]"),
    "clip to sampler": ("algorithm=grpo",),
    "decoupled": ("algorithm=grpo_tis",),
}
"""Name -> overrides. The first is what the others are compared with."""


def main() -> None:
    args = _arguments()
    runs = Runs(
        ROOT / "runs" / "benchmarks" / f"off-policy{'-quick' if args.quick else ''}", fresh=args.fresh
    )
    result: dict[str, Any] = {
        "machine": machine(),
        "command": command_line(),
        "max_staleness": args.staleness,
        "arms": {},
    }
    curves: dict[str, list[dict[int, np.ndarray]]] = {arm: [] for arm in args.arms}
    for seed in args.seeds:  # interleaved: all arms see the same weather
        for arm in args.arms:
            run = runs.train(
                args.config, [*args.overrides, *ARMS[arm], f"run.seed={seed}"], label=f"{arm}, seed {seed}"
            )
            curves[arm].append(_curve(run))
            facts = result["arms"].setdefault(arm, {"overrides": list(ARMS[arm]), "runs": []})
            facts["runs"].append(_run_facts(run, curves[arm][-1]) | {"seed": seed})
            save("off_policy", result, args=args)
    _compare(result, curves, args.arms)
    save("off_policy", result, args=args)
    _show(result)


def _curve(run: Path) -> dict[int, np.ndarray]:
    """Version -> [problems] sampled pass@1."""
    return {
        version: per_problem(next(counts for temperature, counts in at.items() if temperature > 0))
        for version, at in evaluations(run).items()
    }


def _run_facts(run: Path, curve: dict[int, np.ndarray]) -> dict[str, Any]:
    """Pass@1 along the run, and what its metrics say of how old and how far off the tokens were."""
    rows = read_metrics(run / "metrics.jsonl")

    def mean(key: str) -> float:
        return round(float(np.mean([row.get(key, 0.0) for row in rows])), 4)

    return {
        "pass@1": {version: round(float(values.mean()), 4) for version, values in curve.items()},
        "staleness_mean": mean("buffer/staleness_mean"),
        "logprob_gap_mean": mean("learner/logprob_gap"),
        "kl_behavior_k3_mean": mean("loss/kl_behavior_k3"),
        "entropy_last": round(rows[-1].get("loss/entropy", float("nan")), 4),
        "refused_steps": sum(row["learner/applied"] == 0 for row in rows),
        "cost": cost(run),
    }


def _compare(result: dict[str, Any], curves: dict[str, list[dict[int, np.ndarray]]], arms: list[str]) -> None:
    """Final and worst-after-best pass@1 over seeds; each arm minus the first one, paired by seed and
    problem."""
    finals = {arm: np.stack([curve[max(curve)] for curve in curves[arm]]) for arm in arms}
    for arm in arms:
        means = [[values.mean() for _, values in sorted(curve.items())] for curve in curves[arm]]
        facts = result["arms"][arm]
        facts["final"] = round(float(finals[arm].mean()), 4)
        facts["best"] = round(float(np.mean([max(m) for m in means])), 4)
        facts["lost_since_best"] = round(float(np.mean([max(m) - m[-1] for m in means])), 4)
        if arm != arms[0]:
            facts[f"minus_{arms[0]}"] = interval(seeds_difference(finals[arm] - finals[arms[0]]))


def _show(result: dict[str, Any]) -> None:
    first = next(iter(result["arms"]))
    title = f"held-out pass@1 at max_staleness={result['max_staleness']}, over seeds (95% intervals)"
    table = Table(
        "arm",
        "each seed",
        "final",
        "best on the way",
        f"minus {first}",
        "staleness",
        "KL to sampler",
        title=title,
    )
    for arm, facts in result["arms"].items():
        each = ", ".join(f"{list(run['pass@1'].values())[-1]:.3f}" for run in facts["runs"])
        d = facts.get(f"minus_{first}")
        table.add_row(
            arm,
            each,
            f"{facts['final']:.3f}",
            f"{facts['best']:.3f}",
            f"{d['value']:+.3f} [{d['low']:+.3f}, {d['high']:+.3f}]" if d else "",
            f"{np.mean([run['staleness_mean'] for run in facts['runs']]):.2f}",
            f"{np.mean([run['kl_behavior_k3_mean'] for run in facts['runs']]):.3f}",
        )
    CONSOLE.print(table)


def _arguments() -> argparse.Namespace:
    made = parser(__doc__ or "")
    made.add_argument("--config", default=None, help="default quickstart; debug with --quick")
    made.add_argument("--staleness", type=int, default=4, help="max_staleness of every arm")
    made.add_argument("--steps", type=int, default=None, help="optimizer steps (default 60)")
    made.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    made.add_argument("--points", type=int, default=4, help="evaluations along each run")
    made.add_argument("--arms", default=",".join(ARMS), help="comma-separated; the first is compared with")
    made.add_argument("--fresh", action="store_true", help="forget finished runs")
    made.add_argument("overrides", nargs="*", help="of the config")
    args = made.parse_args()
    args.config = args.config or ("debug" if args.quick else "quickstart")
    args.arms = [arm.strip() for arm in args.arms.split(",")]
    unknown = [arm for arm in args.arms if arm not in ARMS]
    if unknown:
        made.error(f"--arms: {unknown[0]!r} is unknown; choose from {', '.join(ARMS)}")
    steps = args.steps or (4 if args.quick else 60)
    if args.quick:
        args.arms, args.seeds = args.arms[:2], args.seeds[:2]
    fixed = [
        f"stream.max_staleness={args.staleness}",
        f"run.steps={steps}",
        f"evaluation.every={max(1, steps // args.points)}",
    ]
    fixed += (
        []
        if args.quick
        else ["evaluation.num_prompts=400", "evaluation.samples_per_prompt=4", "evaluation.ks=[1,4]"]
    )
    args.overrides = [*fixed, *args.overrides]
    return args


if __name__ == "__main__":
    main()
