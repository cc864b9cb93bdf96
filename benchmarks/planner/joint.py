"""The joint plan (``t2rl plan serve``) on a large evaluation, against the best fixed choice.

    python -m benchmarks.planner.joint --run RUN

RUN is a finished run of ``t2rl train quickstart``. Its base and the policy that it ended with are two
models, sampled at two temperatures on ``PROBLEMS`` held-out problems of the task,
``SAMPLES`` each, by the real engine with their lengths recorded. The plan chooses model, temperature, token
limit, samples and strategy together; the best *fixed* choice chooses model, temperature and samples in the
same way but draws all samples at once at the recorded token limit. Both choose on one half of the problems
and are scored on the other, over 400 random halves, each drawn again with replacement
(docs/methods/cost.md#joint-choice).

Cost is FLOPs of a query, which no machine changes. Written and committed before the first run:

- T, verifier, the cheapest that solves as much as the base solves with four samples at temperature 1: passes
  if the saving's 95% interval is above 0 and the accuracy's difference not below -.02.
- B, verifier, the most accurate at the FLOPs of four such samples: passes if the gain's interval is above 0.
- N, no verifier (votes), the cheapest that solves as much as the best fixed vote of the recorded samples less
  .05: the threshold of T.
- L: the limits that a choice was made for are kept on the other half at least half of the time in T and B.

Expected: T passes, since stopping at the first accepted sample saves most of four samples; B passes by a
little; N fails or is near 0, because only the token limit is left to choose and wrong answers are not much
longer than right ones.
"""

import argparse
import asyncio
import os
import tempfile
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.lib.common import CONSOLE, machine, parser, save
from benchmarks.lib.held_out import evaluate
from planner.cost.devices import device
from planner.cost.roofline import Server
from planner.joint.choice import Limits, plan
from planner.joint.options import Candidate, Options, tabulate
from planner.joint.recorded import on_same_problems
from rl.commands.plan_serve.read import read_candidates
from rl.commands.suites.evaluate import keep_samples
from rl.config.load import load_config
from rl.engines.actors import engine_config
from rl.run.prepare.inputs import prepare
from rollout.vllm_env import prepare_process

PROBLEMS, SAMPLES, TEMPERATURES = 400, 8, (0.6, 1.0)
LEAST_DIFFERENCE, LESS = -0.02, 0.05
FOUR = 4


def sample(run: Path, out: Path, *, quick: bool) -> list[str]:
    """Sample every model; returns their names, version by version."""
    problems, samples = (60, 8) if quick else (PROBLEMS, SAMPLES)
    settings = [
        f"evaluation.num_prompts={problems}",
        f"evaluation.samples_per_prompt={samples}",
        "rollout.cores=null",
        "stream.group_timeout_s=3600",  # all groups wait together
    ]
    config = load_config(str(run / "config.yaml"), settings)
    prepared = prepare(config)
    prepare_process(engine_config(config, prepared.model_path))
    (out / "rollouts").mkdir()
    keep = partial(keep_samples, out / "rollouts")
    asyncio.run(evaluate(config, prepared, [run / "model"], out, TEMPERATURES, keep=keep))
    names = ["base", "trained"]
    rows = [
        {
            "name": name,
            "samples": str(out / "rollouts" / f"version-{version:08d}.attempt-001.parquet"),
            "model": str(prepared.model_path),
            "max_tokens": config.rollout.max_tokens,
        }
        for version, name in enumerate(names)
    ]
    (out / "candidates.yaml").write_text(yaml.safe_dump({"candidates": rows}), encoding="utf-8")
    return names


def options_of(out: Path, *, verifier: bool) -> Options:
    read = read_candidates([out / "candidates.yaml"], answers=not verifier)
    shared = on_same_problems([one.recorded for one in read])
    here = device("cpu_core")
    made = [
        Candidate(recorded=recorded, shape=one.shape, cost=Server(shape=one.shape, device=here))
        for recorded, one in zip(shared, read, strict=True)
    ]
    return tabulate(made, verifier=verifier)


def reference(options: Options) -> tuple[float, float]:
    """(share solved, FLOPs) of four samples of the base at temperature 1, all at once."""
    found = [
        i
        for i, one in enumerate(options.options)
        if (one.candidate, one.temperature, one.k, one.strategy) == ("base", 1.0, FOUR, "parallel")
        and one.full_length
    ]
    return float(options.right[found[0]].mean()), float(options.costs["flops"][found[0]].mean())


def judged(options: Options, limits: Limits) -> dict[str, Any]:
    found = plan(options, limits)
    report: dict[str, Any] = {
        "limits": {name: value for name, value in asdict(limits).items() if value is not None},
        "options": len(options.options),
        "chosen": options.options[found.chosen].label,
        "chosen_again": dict(found.stability).get(found.chosen, 0.0),
        "fixed": None if found.fixed < 0 else options.options[found.fixed].label,
        "held_out": None if found.held_out is None else asdict(found.held_out),
    }
    return report


def arms(out: Path) -> dict[str, Any]:
    """The four claims."""
    checked = options_of(out, verifier=True)
    solved, flops = reference(checked)
    voted = options_of(out, verifier=False)
    fixed = [i for i, one in enumerate(voted.options) if one.full_length]
    best = float(max(voted.right[i].mean() for i in fixed)) - LESS
    results = {
        "T": judged(checked, Limits(cost="flops", target=solved)),
        "B": judged(checked, Limits(cost="flops", budget=flops)),
        "N": judged(voted, Limits(cost="flops", target=best)),
    }
    for name in ("T", "N"):
        held = results[name]["held_out"]
        results[name]["passed"] = bool(
            held and held["saving"]["low"] > 0 and held["accuracy_gain"]["low"] >= LEAST_DIFFERENCE
        )
    held = results["B"]["held_out"]
    results["B"]["passed"] = bool(held and held["accuracy_gain"]["low"] > 0)
    kept = [results[name]["held_out"]["within_budget"] for name in ("T", "B") if results[name]["held_out"]]
    results["L"] = {"kept": kept, "passed": len(kept) == 2 and min(kept) >= 0.5}
    return {"problems": checked.right.shape[1], "base_four": {"solved": solved, "flops": flops}, **results}


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--run", type=Path, required=True, help="a finished run of t2rl train quickstart")
    args: argparse.Namespace = options.parse_args()
    before = machine()
    with tempfile.TemporaryDirectory(prefix="t2rl-joint-") as folder:
        out = Path(folder)
        names = sample(args.run, out, quick=args.quick)
        found = arms(out)
        lengths = {
            name: _lengths(out / "rollouts" / f"version-{version:08d}.attempt-001.parquet")
            for version, name in enumerate(names)
        }
    result = {
        "machine": before,
        "command": "python -m benchmarks.planner.joint --run RUN",
        "samples": SAMPLES,
        "temperatures": TEMPERATURES,
        "models": lengths,
        "arms": found,
    }
    for name, arm in found.items():
        CONSOLE.print(name, arm)
    save("joint_plan", result, args=args)
    os._exit(0)  # vLLM's atexit handlers take seconds and there is nothing left to lose


def _lengths(file: Path) -> dict[str, float]:
    """Share solved and tokens of right and wrong samples of one model, both temperatures together."""
    import pyarrow.parquet as pq

    table = pq.read_table(file, columns=["correct", "length"])
    right, length = (np.array(table[name].to_pylist(), dtype=float) for name in ("correct", "length"))
    return {
        "solved": float(right.mean()),
        "tokens_right": float(length[right > 0].mean()),
        "tokens_wrong": float(length[right == 0].mean()),
    }


if __name__ == "__main__":
    main()
