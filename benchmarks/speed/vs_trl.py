"""T2RL's quickstart against TRL's GRPOTrainer, on the same base, prompts, verifier, objective, optimizer and
number of steps.

Both train the whole run, one after the other, in alternating order. Compared are

* rollouts generated, scored and consumed per second and per CPU-second (of the whole process tree, Ray
  included; groups without a gradient count on both sides), between two optimizer steps far from the start;
* seconds of training until a target held-out pass@1. Both sides leave snapshots every few steps, off the
  clock, and one evaluator (``held_out.py``) judges all of them afterwards on the same prompts with the same
  seeds; between snapshots pass@1 is interpolated;
* held-out pass@1 after equal training time, seed by seed.

Our side runs twice: with the quickstart's uniform curriculum, which is TRL's too, and with ``--stack``. TRL
gets every core. Before the repeats its settings are tried for a few steps each, and the fastest is used
throughout.

    python -m benchmarks.speed.vs_trl                                   # everything
    # overrides of the quickstart, for both sides
    python -m benchmarks.speed.vs_trl stream.rollouts_per_prompt=8
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.lib.common import CONSOLE, command_line, machine, parser, save
from benchmarks.lib.process_tree import CpuClock, run_logged
from benchmarks.speed.vs_trl_figures import TRL, Curve, Side, Step, against_trl, common_target, raw, summarise
from rl.config.load import dump_config, load_config
from rl.records.metrics import read_metrics
from rl.run.prepare.inputs import locate_model
from rl.views.evaluations import read_counts

CORES = os.cpu_count() or 1
Snapshots = dict[int, Path]
"""Batches trained -> weights."""
NO_EVALUATION = (
    "num_prompts=1",
    "samples_per_prompt=1",
    "ks=[1]",
    "greedy=false",
    "extra_temperatures=[]",
    "every=0",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How TRL runs."""

    generator: str
    """``transformers``, or ``vllm`` in TRL's process."""
    threads: int
    attention: str = "sdpa"
    """transformers' name of the learner's attention."""
    dtype: str = "float32"
    """``float32``; ``autocast`` over float32 weights, which is TRL's ``bf16=True``; ``bfloat16`` weights."""
    rows: int = 0
    """Rollouts of one forward and backward pass; 0 = all of an update."""
    correction: bool = True
    """TRL scores vLLM's samples again and weights them; without it trusts vLLM's log-probs, a pass less."""

    def __str__(self) -> str:
        rows, trust = f"{self.rows or 'all'} rows", "" if self.correction else ", no correction"
        return f"{self.generator}, {self.threads} threads, {self.attention}, {self.dtype}, {rows}{trust}"

    @property
    def options(self) -> list[str]:
        """Of ``trl_side.py``; threads are in the environment."""
        options = ["--generator", self.generator, "--attention", self.attention, "--dtype", self.dtype]
        options += ["--rows", str(self.rows)]
        return options if self.correction else [*options, "--no-correction"]


CANDIDATES = tuple(
    Setting(generator=generator, threads=threads, attention=attention)
    for generator, attentions in {"transformers": ("sdpa", "eager"), "vllm": ("sdpa",)}.items()
    for attention in attentions
    for threads in sorted({1, CORES})
)
"""What TRL may run with on the quickstart's base."""


def main() -> None:
    args = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # stop the child and clean up, as after Ctrl-C
    overrides = [*args.overrides, *(f"evaluation.{o}" for o in NO_EVALUATION), "tracker=none"]
    config = load_config(args.config, overrides)
    every = max(1, args.steps // args.snapshots)
    work = Path(tempfile.mkdtemp(prefix="t2rl-vs-trl-"))
    locate_model(config)  # builds the base outside of everything that is timed
    try:
        result = compare(args, overrides, work, every=every)
    finally:
        if args.keep is None:
            shutil.rmtree(work, ignore_errors=True)
        else:
            shutil.move(work, args.keep)
    save("vs_trl", result, args=args)


def compare(args: argparse.Namespace, overrides: list[str], work: Path, *, every: int) -> dict[str, Any]:
    """The whole comparison, as the result to be written."""
    result: dict[str, Any] = {
        "machine": machine(),
        "command": command_line(),
    }
    trial = write_config(work / "trial.yaml", args.config, [*overrides, f"run.steps={args.trial_steps}"])
    candidates = CANDIDATES if not args.quick else CANDIDATES[:2]
    tried = {
        setting: try_trl(trial, work / f"trial-{index}", setting) for index, setting in enumerate(candidates)
    }
    setting = max(tried, key=tried.__getitem__)
    by_name = {str(one): rate for one, rate in tried.items()}
    CONSOLE.print("TRL, rollouts/s:", {k: round(v, 1) for k, v in by_name.items()}, "->", str(setting))
    result |= {"trl_rollouts_per_s_by_setting": by_name, "trl_setting": asdict(setting)}
    ways = {"t2rl": [], f"t2rl, {args.stack}": [f"curriculum={args.stack}"], TRL: []}
    sides: dict[str, list[Side]] = {name: [] for name in ways}
    curves: dict[str, list[Curve]] = {name: [] for name in ways}
    for repeat in range(args.repeats):
        seeded = [*overrides, f"run.seed={args.seed + repeat}", f"run.steps={args.steps}"]
        for name in list(ways)[:: 1 if repeat % 2 == 0 else -1]:
            out = work / f"{name.split(', ')[-1]}-{repeat}"
            if name == TRL:
                path = write_config(work / f"{repeat}.yaml", args.config, seeded)
                steps, clock, snapshots = run_trl(path, out, setting, every=every)
            else:
                steps, clock, snapshots = run_ours(args.config, [*seeded, *ways[name]], out, every=every)
            sides[name].append(summarise(steps, clock, first=args.first))
            curves[name].append(_curve(args, overrides, out, snapshots, sides[name][-1]))
            CONSOLE.print(
                f"repeat {repeat}, {name}: {sides[name][-1].rollouts_per_s:.0f} rollouts/s,"
                f" {curves[name][-1][-1]}"
            )
    target = common_target(curves) if args.target is None else args.target
    result |= {"target_pass_at_1": target, "snapshot_every": every}
    return result | {"over_trl": against_trl(sides, curves, target=target), "raw": raw(sides, curves)}


# -- the two sides -------------------------------------------------------------------------------------------


def run_ours(
    config: str, overrides: Sequence[str], out: Path, *, every: int
) -> tuple[list[Step], CpuClock, Snapshots]:
    """``t2rl train``, with a checkpoint as the snapshot. Writing it is off the clock, as far as training
    waits for it."""
    settings = [
        *overrides,
        f"run.dir={out}",
        "run.name=run",
        f"checkpoint.every={every}",
        "checkpoint.keep=1000000",
    ]
    clock = run_logged([sys.executable, "-m", "rl.cli", "train", config, *settings], out / "log.txt")
    ends = _train_ends(out / "run" / "trace.json")
    steps, seconds, rollouts, tokens = [], 0.0, 0, 0
    for row in read_metrics(out / "run" / "metrics.jsonl"):
        seconds += row["time/step_s"] - row["time/save_s"]
        rollouts += row["rollout/rollouts"]
        tokens += row["rollout/tokens"]
        steps.append(
            Step(
                seconds=seconds,
                ended=ends[row["step"]],
                rollouts=rollouts,
                tokens=tokens,
                reward=row["reward/mean"],
            )
        )
    return steps, clock, {int(p.name.split("-")[1]): p for p in (out / "run" / "checkpoints").glob("step-*")}


def run_trl(
    config: Path, out: Path, setting: Setting, *, every: int
) -> tuple[list[Step], CpuClock, Snapshots]:
    """``trl_side.py`` with every core at its disposal."""
    # TRL counts optimizer steps; here a step is a batch
    updates = load_config(str(config)).learner.updates_per_batch
    options = [*setting.options, "--snapshot-every", str(every * updates)]
    command = [
        sys.executable,
        "-m",
        "benchmarks.speed.trl_side",
        "--config",
        str(config),
        "--out",
        str(out),
        *options,
    ]
    clock = run_logged(command, out / "log.txt", {"OMP_NUM_THREADS": str(setting.threads)})
    rows = [json.loads(line) for line in (out / "steps.jsonl").read_text(encoding="utf-8").splitlines()]
    batches = rows[updates - 1 :: updates]
    steps = [
        Step(**{name: r[name] for name in ("seconds", "ended", "rollouts", "tokens", "reward")})
        for r in batches
    ]
    return steps, clock, {int(p.name) // updates: p for p in (out / "snapshots").glob("*")}


def try_trl(config: Path, out: Path, setting: Setting, *, first: int | None = None) -> float:
    """Rollouts per second over a few steps, from the end of the ``first`` (default: of a third of them); 0 if
    this setting does not run here."""
    try:
        steps, clock, _ = run_trl(config, out, setting, every=0)
    except RuntimeError as error:
        CONSOLE.print(f"TRL does not run with {setting}: {error}")
        return 0.0
    return summarise(steps, clock, first=len(steps) // 3 if first is None else first).rollouts_per_s


def _train_ends(trace: Path) -> dict[int, float]:
    """Step -> when the learner finished it, seconds since the epoch."""
    events = [e for e in json.loads(trace.read_text()) if e["ph"] == "X" and e["name"].startswith("train ")]
    return {int(e["name"].split()[1]): (e["ts"] + e["dur"]) / 1e6 for e in events}


def write_config(path: Path, config: str, overrides: Sequence[str]) -> Path:
    path.write_text(dump_config(load_config(config, list(overrides))), encoding="utf-8")
    return path


def _curve(
    args: argparse.Namespace, overrides: Sequence[str], out: Path, snapshots: Snapshots, side: Side
) -> Curve:
    """(training seconds, held-out pass@1) of the base and of each snapshot."""
    evaluation = [
        f"evaluation.num_prompts={args.eval_prompts}",
        f"evaluation.samples_per_prompt={args.eval_samples}",
    ]
    paths = [snapshots[step] for step in sorted(snapshots)]
    config = write_config(out / "held-out.yaml", args.config, [*overrides, *evaluation])
    command = [
        sys.executable,
        "-m",
        "benchmarks.lib.held_out",
        "--config",
        str(config),
        "--out",
        str(out / "eval"),
    ]
    run_logged([*command, *map(str, paths)], out / "held-out.txt")
    files = sorted((out / "eval").glob("version-*.jsonl"))
    rates = [read_counts(f, max_tokens=1, top_p=1)[0].pass_rate for f in files]
    times = [0.0] + [side.step_seconds[step - 1] for step in sorted(snapshots)]
    return [(round(t, 2), round(r, 4)) for t, r in zip(times, rates, strict=True)]


def _arguments() -> argparse.Namespace:
    made = parser(__doc__ or "")
    made.add_argument("--config", default="quickstart")
    made.add_argument("--steps", type=int, default=None, help="of both; default: the config's")
    made.add_argument("--repeats", type=int, default=None, help="default 3")
    made.add_argument(
        "--first", type=int, default=None, help="batches left out of the rates, default a tenth"
    )
    made.add_argument(
        "--trial-steps", type=int, default=None, help="steps of each trial of a TRL setting, default 9"
    )
    made.add_argument("--snapshots", type=int, default=None, help="per run, default 20")
    made.add_argument(
        "--target",
        type=float,
        default=None,
        help="held-out pass@1; default three quarters of the smallest gain",
    )
    made.add_argument(
        "--stack",
        default="sec+mixed",
        help="curriculum of our second row; default: the best on a real model",
    )
    made.add_argument("--seed", type=int, default=0)
    made.add_argument(
        "--keep", type=Path, default=None, help="move the run directories there instead of removing them"
    )
    made.add_argument("overrides", nargs="*", help="of the config, for both sides")
    args = made.parse_args()
    quick = {
        "steps": 8,
        "repeats": 1,
        "trial_steps": 3,
        "snapshots": 2,
        "eval_prompts": 40,
        "eval_samples": 4,
    }
    full = {
        "steps": load_config(args.config, args.overrides).run.steps,
        "repeats": 3,
        "trial_steps": 9,
        "snapshots": 20,
    }
    for name, value in (quick if args.quick else full | {"eval_prompts": 240, "eval_samples": 8}).items():
        if getattr(args, name, None) is None:
            setattr(args, name, value)
    args.first = args.first if args.first is not None else max(1, args.steps // 10)
    return args


if __name__ == "__main__":
    started = time.monotonic()
    main()
    CONSOLE.print(f"{time.monotonic() - started:.0f} s in all")
