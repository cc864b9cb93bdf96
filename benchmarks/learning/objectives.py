"""Every objective on the same job: all presets of ``configs/algorithm``, same base, task, prompts and rollout
budget, three seeds.

    python -m benchmarks.learning.objectives [--presets grpo,rloo] [--seeds 0 1 2] [--steps 60] [--quick]
    [--json FILE] # the table of the last result, for docs/objectives.md; runs nothing
    [overrides] python -m benchmarks.learning.objectives --markdown

Held-out pass@1, pass@8 and greedy accuracy of the final policy, each with its difference to ``grpo`` (paired
by seed and problem, 95% interval), seconds of a training step, peak resident memory of the learner. Presets
are as shipped. One that draws dropped groups again (DAPO) ends at the tokens that ``grpo`` sampled with the
same seed, if its steps are not over before.

Finished runs are remembered (``runs/benchmarks/objectives``), so a second call goes on where the first was
interrupted; the result is written after every run. A preset whose run fails is in the result with the reason,
and the exit status is 1.
"""

import argparse
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks.learning.learning import ROOT, Runs, cost, interval, metrics_of
from benchmarks.lib.common import CONSOLE, RESULTS, command_line, machine, parser, save
from planner.estimators.bootstrap import MIN_SEEDS, paired_difference, seeds_difference
from rl.config.load import load_config
from rl.records.metrics import read_metrics

PRESETS = tuple(sorted(p.stem for p in (ROOT / "configs" / "algorithm").glob("*.yaml")))
REFERENCE = "grpo"
WARM_SHARE = 0.2
"""Of a run's steps, left out of the seconds."""


@dataclass(slots=True)
class Arm:
    """One preset: what each seed's run reached."""

    runs: list[dict[str, Any]] = field(default_factory=list)
    after: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    """Seed -> metric -> [problems], of the final policy."""
    failed: str | None = None


def main() -> None:
    args = _arguments()
    path = args.json or RESULTS / "objectives.json"
    if args.markdown:
        print(markdown(json.loads(path.read_text(encoding="utf-8"))))
        return
    runs = Runs(
        ROOT / "runs" / "benchmarks" / f"objectives{'-quick' if args.quick else ''}", fresh=args.fresh
    )
    facts = {
        "machine": machine(),
        "command": command_line(),
        "config": args.config,
        "overrides": args.overrides,
        "base": {},
        "presets": {},
    }
    arms = {preset: Arm() for preset in args.presets}
    for seed in args.seeds:  # interleaved: all presets see the same weather
        for preset in args.presets:
            train(args, runs, arms, preset, seed, facts)
            shown = {name: arm for name, arm in arms.items() if arm.runs or arm.failed}
            result = facts | {"presets": {name: summary(arm, arms[REFERENCE]) for name, arm in shown.items()}}
            save("objectives", result, args=args)
    _show(result)
    if any(arm.failed for arm in arms.values()):
        raise SystemExit(1)


def train(
    args: argparse.Namespace, runs: Runs, arms: dict[str, Arm], preset: str, seed: int, facts: dict[str, Any]
) -> None:
    """One run, read into ``arms[preset]``; a failure is kept there instead, and ends this preset."""
    arm = arms[preset]
    if arm.failed is not None:
        return
    overrides = [f"algorithm={preset}", *args.overrides, f"run.seed={seed}"]
    if load_config(args.config, overrides).stream.refill_rounds and arms[REFERENCE].runs:
        tokens = next((run["tokens"] for run in arms[REFERENCE].runs if run["seed"] == seed), None)
        overrides += [] if tokens is None else [f"run.rollout_token_budget={int(tokens)}"]
    try:
        run = runs.train(args.config, overrides, label=f"{preset}, seed {seed}")
    except RuntimeError as error:
        arm.failed = " ".join(str(error).rpartition("error: ")[2].split())[-300:]
        CONSOLE.print(f"{preset}, seed {seed}: failed: {arm.failed}", style="red")
        return
    reached = metrics_of(run)
    arm.after[seed] = {name: after for name, (_, after) in reached.items()}
    facts["base"] = {name: round(float(before.mean()), 4) for name, (before, _) in reached.items()}
    rows = read_metrics(run / "metrics.jsonl")
    timed = rows[int(len(rows) * WARM_SHARE) :]
    arm.runs.append(
        {"seed": seed}
        | {name: round(float(after.mean()), 4) for name, after in arm.after[seed].items()}
        | {
            "train_step_s": round(statistics.median(row["time/train_s"] for row in timed), 4),
            "step_s": round(statistics.median(row["time/step_s"] for row in timed), 4),
            "learner_peak_mib": runs.facts(run)["learner_peak_mib"],
            "refused_steps": sum(row["learner/applied"] == 0 for row in rows),
        }
        | cost(run)
    )


def summary(arm: Arm, reference: Arm) -> dict[str, Any]:
    """Means over seeds, and each metric minus the reference's on the seeds that both have."""
    out: dict[str, Any] = {"runs": arm.runs}
    if arm.failed is not None:
        out["failed"] = arm.failed
    if not arm.runs:
        return out
    keys = [key for key in arm.runs[0] if key != "seed" and all(run[key] is not None for run in arm.runs)]
    out["mean"] = {key: round(statistics.mean(run[key] for run in arm.runs), 4) for key in keys}
    shared = [seed for seed in arm.after if seed in reference.after]
    if arm is not reference and shared:
        out[f"minus_{REFERENCE}"] = {
            name: difference([arm.after[s][name] - reference.after[s][name] for s in shared])
            for name in arm.after[shared[0]]
        }
    return out


def difference(by_seed: Sequence[np.ndarray]) -> dict[str, float]:
    """Mean over seeds and problems with its 95% interval; both count as random from three seeds on, problems
    alone before."""
    table = np.stack(by_seed)
    if len(table) >= MIN_SEEDS:
        return interval(seeds_difference(table))
    means = table.mean(axis=0)
    return interval(paired_difference(np.zeros_like(means), means))


# -- showing it ----------------------------------------------------------------------------------------------


def ranked(result: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Finished presets, best pass@1 first."""
    done = [(name, facts) for name, facts in result["presets"].items() if "mean" in facts]
    return sorted(done, key=lambda item: -item[1]["mean"]["pass@1"])


def metric_names(result: dict[str, Any]) -> list[str]:
    """pass@1 first, then the others as they were read."""
    return list(result["base"])


def cells(name: str, facts: dict[str, Any], metrics: Sequence[str]) -> list[str]:
    """One row of the table."""
    mean, against = facts["mean"], facts.get(f"minus_{REFERENCE}", {})
    out = [name]
    for metric in metrics:
        out += [f"{mean[metric]:.3f}", _span(against.get(metric))]
    peak = mean.get("learner_peak_mib")
    return [
        *out,
        f"{mean['train_step_s']:.2f}",
        "-" if peak is None else f"{peak:.0f}",
        f"{mean['rollouts']:.0f}",
    ]


def header(metrics: Sequence[str]) -> list[str]:
    """Of the table's columns."""
    pairs = [text for metric in metrics for text in (metric, f"minus {REFERENCE}")]
    return ["preset", *pairs, "s / training step", "learner peak MiB", "rollouts"]


def markdown(result: dict[str, Any]) -> str:
    """The table as docs/objectives.md shows it."""
    metrics = metric_names(result)
    names = header(metrics)
    base = [
        "base",
        *(text for metric in metrics for text in (f"{result['base'][metric]:.3f}", "")),
        "",
        "",
        "",
    ]
    rows = [
        names,
        ["---"] * len(names),
        *(cells(name, facts, metrics) for name, facts in ranked(result)),
        base,
    ]
    failed = [
        f"`{name}` failed: {facts['failed']}"
        for name, facts in result["presets"].items()
        if "failed" in facts
    ]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([*lines, *(["", *failed] if failed else [])])


def _show(result: dict[str, Any]) -> None:
    metrics = metric_names(result)
    table = Table(
        *header(metrics), title="held-out accuracy of the final policy, mean over seeds (95% intervals)"
    )
    for name, facts in ranked(result):
        table.add_row(*cells(name, facts, metrics))
    CONSOLE.print(table)
    CONSOLE.print(f"base: {result['base']}")


def _span(d: dict[str, float] | None) -> str:
    return "" if d is None else f"{d['value']:+.3f} ({d['low']:+.3f} to {d['high']:+.3f})"


def _arguments() -> argparse.Namespace:
    made = parser(__doc__ or "")
    made.add_argument("--config", default=None, help="default quickstart; debug with --quick")
    made.add_argument(
        "--presets", default=None, help="comma-separated; default all, grpo,ppo,kimi with --quick"
    )
    made.add_argument("--seeds", type=int, nargs="+", default=None, help="default 0 1 2; 0 with --quick")
    made.add_argument("--steps", type=int, default=None, help="of every run; default 60, 3 with --quick")
    made.add_argument("--eval-prompts", type=int, default=None, help="held-out prompts, default 400")
    made.add_argument(
        "--markdown", action="store_true", help="print the table of the saved result and run nothing"
    )
    made.add_argument("--fresh", action="store_true", help="forget finished runs")
    made.add_argument("overrides", nargs="*", help="of the config")
    args = made.parse_args()
    args.config = args.config or ("debug" if args.quick else "quickstart")
    args.seeds = args.seeds or ([0] if args.quick else [0, 1, 2])
    default = ("grpo", "ppo", "kimi") if args.quick else PRESETS
    args.presets = [p.strip() for p in args.presets.split(",")] if args.presets else list(default)
    unknown = [p for p in args.presets if p not in PRESETS]
    if unknown:
        made.error(f"--presets: {unknown[0]!r} is unknown; choose from {', '.join(PRESETS)}")
    # First, since the others are compared with it.
    args.presets = [REFERENCE, *(p for p in args.presets if p != REFERENCE)]
    steps = args.steps or (3 if args.quick else 60)
    prompts = args.eval_prompts or (None if args.quick else 400)
    fixed = [
        f"run.steps={steps}",
        "evaluation.every=0",
        "evaluation.extra_temperatures=[]",
        "checkpoint.every=0",
    ]
    args.overrides = [*fixed, *([f"evaluation.num_prompts={prompts}"] if prompts else []), *args.overrides]
    return args


if __name__ == "__main__":
    main()
