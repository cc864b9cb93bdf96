"""A pretrained chat model of 135M parameters: ``t2rl train smollm2`` against TRL's GRPOTrainer on the same
model, prompts, lengths, verifier, objective, optimizer and learning rate, 8 x 8 rollouts a step.

    python -m benchmarks.speed.real_model                 # what is missing, TRL at START: half an hour
    python -m benchmarks.speed.real_model --steps 24 16   # of ours and of TRL's, as many as the target takes
    python -m benchmarks.speed.real_model --settings 5    # other settings of TRL are tried first
    python -m benchmarks.speed.real_model --minutes 10    # nothing new begins after ten

Each part is kept in ``runs/benchmarks/real_model_speed/parts.json`` when it is done:

* with ``--settings`` TRL's settings, a few steps each, changed one at a time from ``START``; a change that
  helps is kept. ``bfloat16`` weights are tried but not taken: at this rate most updates round away;
* the repeats: both sides, in alternating order, for a fixed number of steps;
* the weight push at both sizes, beside a copy of the same bytes in memory.

Rates are from the end of the second step. The target is a mean training reward of ``TARGET`` over three
steps in a row (192 rollouts; the base has about .12), in seconds of training since the first step began. Both
sides learn at ``RATE``.

Claims, written before the first run:

1. ``rollouts_per_s_ratio`` has a median of at least 4, ours over TRL's.
2. ``rollouts_per_cpu_s_ratio`` has a median of at least 4.
3. ``target_time_ratio`` (TRL's seconds over ours) has a median of at least 4, where both get there.
4. ``gap``: the probe's gap of a bfloat16 engine and an autocast learner is at most .1 nats in every version.
5. ``push``: publish and push of either size take at most 10 copies of the same bytes.
"""

import argparse
import asyncio
import itertools
import json
import re
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.learning.learning import ENGINE_PROCESS, LEARNER_PROCESS, ROOT
from benchmarks.lib.common import CONSOLE, command_line, machine, parser, save, show, spread
from benchmarks.lib.process_tree import CpuClock
from benchmarks.lib.rig import Rig
from benchmarks.lib.rig import Setting as RigSetting
from benchmarks.speed.overhead import weight_sync
from benchmarks.speed.vs_trl import (
    CORES,
    NO_EVALUATION,
    Setting,
    run_ours,
    run_trl,
    try_trl,
    write_config,
)
from benchmarks.speed.vs_trl_figures import Step, summarise, time_to
from rl.cluster.ray_runtime import start_ray, stop_ray
from rl.config.load import load_config
from rl.config.number_format import bfloat16_is_fast
from rl.records.metrics import read_metrics
from rl.run.prepare.inputs import locate_model

CONFIG = "smollm2"
TARGET, WINDOW = 0.3, 3
FIRST = 1
"""Index of the step whose end rates are measured from."""
STEPS = (8, 5)
"""Of ours and of TRL's."""
REPEATS = 3
"""With fewer no claim about a ratio is decided."""
RATE = "learner.lr=2e-5"
"""Of both sides: twice the config's, so that TRL reaches the target in minutes."""
FAST = bfloat16_is_fast("cpu")
"""Of this machine; without it both sides compute in float32."""
START = Setting(generator="vllm", threads=CORES, dtype="autocast" if FAST else "float32", correction=False)
"""The fastest of a first look in November 2026, and a pass less than TRL's default."""
CHANGES: tuple[dict[str, Any], ...] = (
    {"rows": 16},
    {"threads": 1},
    {"correction": True},
    {"generator": "transformers", "correction": True},
    *([{"dtype": "bfloat16"}] if FAST else []),
)
PHASE = re.compile(r"^\[ *([\d.]+) s\] (.+)$", re.MULTILINE)
PUSHES = {"float32": (), "bfloat16": ("rollout.dtype=bfloat16", "learner.dtype=autocast")}
"""What engines hold -> overrides; a push has 538 and 269 MB."""


class Parts:
    """What is measured, kept in a file part by part."""

    def __init__(self, directory: Path, *, minutes: float) -> None:
        self.directory = directory
        self._file = directory / "parts.json"
        self._until = time.monotonic() + 60 * minutes
        directory.mkdir(parents=True, exist_ok=True)
        self.done: dict[str, Any] = json.loads(self._file.read_text()) if self._file.is_file() else {}

    def get(self, name: str, measure: Callable[[Path], Any]) -> Any:
        """The part, measured now unless it was before; None where there is no time to begin it."""
        if name not in self.done:
            if time.monotonic() > self._until:
                return None
            work = self.directory / "work"
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            load = machine()["load_before"]
            self.done[name] = {"value": measure(work), "load_before": load}
            self._file.write_text(json.dumps(self.done, indent=1) + "\n", encoding="utf-8")
            CONSOLE.print(name, {k: v for k, v in self.done[name].items() if k != "steps"})
        return self.done[name]["value"]


def overrides_of(args: argparse.Namespace, *more: str) -> list[str]:
    """Of the config, for both sides."""
    evaluation = [f"evaluation.{o}" for o in NO_EVALUATION]
    return [*evaluation, "tracker=none", "checkpoint.every=0", RATE, *args.overrides, *more]


def settings(args: argparse.Namespace, parts: Parts) -> tuple[Setting, dict[str, float]] | None:
    """TRL's fastest, by one change after the other, and the rate of each; None while some are missing."""
    rates: dict[str, float] = {}
    if not args.settings:
        return START, rates

    def rate(setting: Setting) -> float | None:
        def measure(work: Path) -> float:
            steps = overrides_of(args, f"run.steps={args.trial_steps}")
            config = write_config(work / "trial.yaml", CONFIG, steps)
            reached = try_trl(config, work / "trial", setting, first=0)
            if not reached and setting == START:
                raise RuntimeError("TRL does not run here; nothing to compare with")
            return reached

        found = parts.get(f"TRL, {setting}", measure)
        if found is not None:
            rates[str(setting)] = round(found, 3)
        return found

    best, fastest = START, rate(START)
    for change in CHANGES[: args.settings]:
        changed = replace(best, **change)
        found = rate(changed)
        if found is None or fastest is None:
            return None
        if found > fastest and changed.dtype != "bfloat16":
            best, fastest = changed, found
    return best, rates


def one_run(
    args: argparse.Namespace, work: Path, *, name: str, setting: Setting, seed: int
) -> dict[str, Any]:
    """One side's run: its rates, its curve, its start and its memory."""
    overrides = overrides_of(args, f"run.seed={seed}", f"run.steps={args.steps[name]}")
    if name == "t2rl":
        steps, clock, _ = run_ours(CONFIG, overrides, work / name, every=0)
    else:
        config = write_config(work / f"{name}.yaml", CONFIG, overrides)
        steps, clock, _ = run_trl(config, work / name, setting, every=0)
    facts = asdict(summarise(steps, clock, first=FIRST))
    facts |= {"curve": reward_curve(steps), "rewards": [round(s.reward, 4) for s in steps]}
    facts |= {"first_step_s": round(steps[0].ended - clock.began, 1), "peak_mib": peaks(clock, name)}
    return facts | (ours_only(work / name) if name == "t2rl" else {})


def reward_curve(steps: Sequence[Step]) -> list[tuple[float, float]]:
    """(seconds of training, mean reward of the last ``WINDOW`` steps) from the first full window on."""
    means = [
        (step.seconds, statistics.mean(one.reward for one in steps[index + 1 - WINDOW : index + 1]))
        for index, step in enumerate(steps)
        if index + 1 >= WINDOW
    ]
    return [(round(seconds, 2), round(mean, 4)) for seconds, mean in means]


def peaks(clock: CpuClock, name: str) -> dict[str, float | None]:
    """Process -> most resident memory, MiB."""
    processes = (
        {"learner": LEARNER_PROCESS, "engine": ENGINE_PROCESS} if name == "t2rl" else {"trainer": "python"}
    )
    return {key: clock.peak_memory_mib(process) for key, process in processes.items()}


def ours_only(out: Path) -> dict[str, Any]:
    """Phases of the start, where a step's time goes, the probe's gap."""
    rows = read_metrics(out / "run" / "metrics.jsonl")
    later = rows[FIRST + 1 :]

    def mean(key: str) -> float:
        return round(statistics.mean(row[key] for row in later if key in row), 3)

    names = ("time/step_s", "time/train_s", "time/publish_s", "time/learner_wait_s", "sync/push_s")
    shares = ("time/learner_idle_share", "time/engine_idle_share", "learner/zero_advantage_frac")
    return {
        "start": {  # without what follows a colon: folders of this machine
            text.partition(":")[0]: float(at) for at, text in PHASE.findall((out / "log.txt").read_text())
        },
        "means": {name: mean(name) for name in (*names, *shares)},
        "probe_gaps": [round(row["sync/probe_gap"], 4) for row in rows if "sync/probe_gap" in row],
    }


async def push(dtype: str, *, repeats: int) -> dict[str, Any]:
    """Publish and push of the whole model to an idle engine, beside a copy of the same bytes."""
    from transformers import AutoTokenizer

    model = locate_model(load_config(CONFIG))
    placed = ("stream.max_staleness=1", "rollout.cores=[0]", "learner.cores=[1]")
    setting = RigSetting(name=dtype, overrides=(*placed, *PUSHES[dtype]))
    rig = Rig(setting, model_path=model, tokenizer=AutoTokenizer.from_pretrained(model))
    try:
        await rig.start()
        found = await weight_sync(rig, repeats=repeats)
    finally:
        await rig.stop()
    seconds = {key: value / 1e3 for key, value in found["sync_ms"].items()}
    return found | {"gb_per_s": {key: found["bytes"] / 1e9 / value for key, value in seconds.items()}}


def pushes(args: argparse.Namespace, parts: Parts) -> dict[str, Any]:
    """Both sizes, as far as there is time."""

    def measure(work: Path, *, dtype: str) -> Any:
        start_ray(load_config(CONFIG))
        try:
            return asyncio.run(push(dtype, repeats=3 if args.quick else 7))
        finally:
            stop_ray()

    found = {dtype: parts.get(f"push, {dtype}", partial(measure, dtype=dtype)) for dtype in PUSHES}
    return {dtype: one for dtype, one in found.items() if one is not None}


def figures(sides: dict[str, list[dict[str, Any]]], sent: dict[str, Any]) -> dict[str, Any]:
    """Ratios by repeat, ours over TRL's (of times the other way round), and the claims."""
    pairs = list(zip(sides["t2rl"], sides["trl"], strict=False))
    keys = ("rollouts_per_s", "rollouts_per_cpu_s")
    result: dict[str, Any] = {f"{k}_ratio": spread([a[k] / b[k] for a, b in pairs]) for k in keys}
    reached = {name: [time_to(one["curve"], TARGET) for one in ones] for name, ones in sides.items()}
    times = zip(reached["t2rl"], reached["trl"], strict=False)
    if both := [theirs / ours for ours, theirs in times if ours and theirs]:
        result["target_time_ratio"] = spread(both)
    show("T2RL over TRL", result)
    gaps = itertools.chain.from_iterable(one["probe_gaps"] for one in sides["t2rl"])
    decided = len(pairs) >= REPEATS
    claims = {name: rows["median"] >= 4 for name, rows in result.items() if decided}
    claims["gap"] = max(gaps) <= 0.1
    if sent:
        claims["push"] = all(one["over_memcpy"]["median"] <= 10 for one in sent.values())
    return result | {"target_reached_s": reached, "claims": claims}


def main() -> None:
    args = _arguments()
    base = "real_model_speed-quick" if args.quick else "real_model_speed"
    parts = Parts(args.directory or ROOT / "runs" / "benchmarks" / base, minutes=args.minutes)
    locate_model(load_config(CONFIG))  # converts it outside of everything that is timed
    facts = {
        "machine": machine(),
        "command": command_line(),
    }
    chosen = settings(args, parts)
    if chosen is None:
        CONSOLE.print("TRL's settings are not all tried: call again")
        return
    setting, rates = chosen
    sides: dict[str, list[dict[str, Any]]] = {"t2rl": [], "trl": []}
    for repeat in range(args.repeats):
        for name in ("t2rl", "trl") if repeat % 2 == 0 else ("trl", "t2rl"):
            run = partial(one_run, args, name=name, setting=setting, seed=repeat)
            found = parts.get(f"{name}, {args.steps[name]} steps, repeat {repeat}", run)
            sides[name] += [found] if found is not None else []
    sent = pushes(args, parts)
    if not all(sides.values()):
        CONSOLE.print("no repeat of both sides yet: call again")
        return
    ratios = figures(sides, sent)
    detail = facts | {
        "target": TARGET,
        "trl_setting": asdict(setting),
        "trl_rollouts_per_s_by_setting": rates,
    }
    top = {name: ratios[name] for name in ratios if name.endswith("_ratio")}
    detail |= {"claims": ratios["claims"], "target_reached_s": ratios["target_reached_s"]}
    save("real_model", {**top, "speed": detail | {"push": sent, "raw": sides}}, args=args, beside=True)


def _arguments() -> argparse.Namespace:
    made = parser(__doc__ or "")
    made.add_argument("--minutes", type=float, default=float("inf"), help="begin nothing new after so many")
    made.add_argument("--settings", type=int, default=0, help="how many changes of TRL's setting to try")
    made.add_argument("--repeats", type=int, default=None, help="default 3; 1 with --quick")
    made.add_argument("--steps", type=int, nargs=2, default=STEPS, help="of ours and of TRL's runs")
    made.add_argument("--trial-steps", type=int, default=3, help="of each of TRL's settings")
    made.add_argument("--directory", type=Path, default=None, help="where the parts are kept")
    made.add_argument("overrides", nargs="*", help="of the config, for both sides")
    args = made.parse_args()
    args.repeats = args.repeats or (1 if args.quick else REPEATS)
    args.steps = dict(zip(("t2rl", "trl"), (4, 4) if args.quick else args.steps, strict=True))
    return args


if __name__ == "__main__":
    main()
