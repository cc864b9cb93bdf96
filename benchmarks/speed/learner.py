"""Learner throughput on the quickstart's length mix: one real learner rank (DeepSpeed), by what its batching
is worth and costs.

    python -m benchmarks.speed.learner [--repeats 9] [--batches 4] [--quick] [--json FILE]

* ``length_aware_over_random``: seconds of the same rank, code path and token budget with samples in random
  order, padded to the longest of their micro-batch, over those with our length-sorted micro-batches.
* ``share_of_bare``: seconds of a plain torch forward and backward over our micro-batches, built before the
  clock starts, over those of the rank's whole step: advantages, planning, building, DeepSpeed, the finite
  check, the optimizer, the metrics.

The rollouts are recorded from the base first. All three sides run in one process and take turns; a repeat is
every batch once. Samples without a gradient are left out by all of them; tokens are those of the others,
prompts included, padding not.
"""

import os

# Before anything imports torch or DeepSpeed.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TORCH_COMPILE_DISABLE", "1")

import argparse
import pickle
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.lib.common import CONSOLE, command_line, machine, parser, save, show, spread
from benchmarks.lib.process_tree import run_logged
from rl.batch.types import TrainingBatch
from rl.config.load import load_config
from rl.config.schema import Config
from rl.learner import micro_batch
from rl.learner.context import Measured, StepContext
from rl.learner.losses import micro_batch_terms
from rl.learner.micro_batch import MicroBatch, MicroBatchPlan, plan_micro_batches
from rl.learner.model import load_model
from rl.learner.rank import LearnerRank
from rl.learner.update_plan import plan_updates
from rl.run.prepare.inputs import locate_model

CONFIG = "quickstart"
STILL = ["learner.lr=1e-7", "learner.max_restarts=0"]
"""The policy stays where it is, so that every repeat does the same work."""


@dataclass(frozen=True, slots=True)
class Timed:
    """One side's repeat."""

    wall_s: float
    cpu_s: float


def random_micro_batches(
    lengths: np.ndarray,
    samples: np.ndarray,
    *,
    world_size: int,
    token_budget: int,
    loss_tokens: np.ndarray | None = None,
) -> list[list[MicroBatchPlan]]:
    """``plan_micro_batches`` with the samples in random order: rows are added while rows times the longest
    fit the budget; ``loss_tokens`` does not matter."""
    assert world_size == 1, "one rank only"
    if not len(samples):
        return plan_micro_batches(lengths, samples, world_size=world_size, token_budget=token_budget)
    order = np.random.default_rng(len(samples)).permutation(samples)
    plans: list[MicroBatchPlan] = []
    rows: list[int] = []
    for sample in order.tolist():
        longest = max(int(lengths[s]) for s in [*rows, sample])
        if rows and (len(rows) + 1) * longest > token_budget:
            plans.append(MicroBatchPlan(np.array(rows, dtype=np.int64)))
            rows = []
        rows.append(sample)
    plans.append(MicroBatchPlan(np.array(rows, dtype=np.int64)))
    return [plans]


@contextmanager
def batching(planner: Callable[..., list[list[MicroBatchPlan]]] | None) -> Iterator[None]:
    """The learner's step plans its micro-batches by ``planner`` inside the block; None leaves it as it is."""
    original = micro_batch.plan_micro_batches
    if planner is not None:
        micro_batch.plan_micro_batches = planner
    try:
        yield
    finally:
        micro_batch.plan_micro_batches = original


class Sides:
    """The three sides, on one model and the same batches."""

    def __init__(self, config: Config, batches: list[TrainingBatch]) -> None:
        self._config, self._batches = config, batches
        model_path = str(locate_model(config))
        self._context = StepContext(
            config=config.learner,
            algorithm=config.algorithm,
            rank=0,
            world_size=1,
            max_tokens=config.rollout.max_tokens,
        )
        self._rank = LearnerRank(
            config=config.learner,
            algorithm=config.algorithm,
            model_path=model_path,
            rank=0,
            world_size=1,
            seed=config.run.seed,
            total_steps=1_000_000,
            max_tokens=config.rollout.max_tokens,
        )
        self._rank.setup("127.0.0.1", _free_port())
        self._bare = load_model(model_path, config.learner)
        self._ready = [self._plan(batch) for batch in batches]

    def ours(self) -> Timed:
        """Our micro-batches through the rank."""
        return self._train(None)

    def random(self) -> Timed:
        """Random micro-batches through the rank."""
        return self._train(random_micro_batches)

    def bare(self) -> Timed:
        """Forward and backward of plain torch over our micro-batches; gradients are thrown away after each
        update."""
        started, cpu = time.perf_counter(), time.process_time()
        for batch, updates in zip(self._batches, self._ready, strict=True):
            for micro_batches in updates:
                for micro, advantages in micro_batches:
                    inputs = micro.for_logprobs(batch.temperature)
                    (-(advantages * self._bare(*inputs)).sum() / batch.num_valid_tokens).backward()
                self._bare.zero_grad(set_to_none=True)
        return Timed(time.perf_counter() - started, time.process_time() - cpu)

    def tokens(self) -> int:
        """Of one repeat: samples with a gradient, prompts included."""
        return sum(micro.num_tokens for updates in self._ready for update in updates for micro, _ in update)

    def padding(self) -> dict[str, float]:
        """Share of the padded inputs that is padding, by batching."""
        shares = {}
        for name, planner in (("ours", None), ("random", random_micro_batches)):
            with batching(planner):
                micro = [m for batch in self._batches for update in self._plan(batch) for m, _ in update]
            # The last token of a row is never an input.
            used = sum(m.num_tokens - len(m.input_ids) for m in micro)
            shares[name] = round(1 - used / sum(m.input_ids.numel() for m in micro), 4)
        return shares

    def close(self) -> None:
        """End the rank."""
        self._rank.close()

    def _train(self, planner: Callable[..., list[list[MicroBatchPlan]]] | None) -> Timed:
        with batching(planner):
            started, cpu = time.perf_counter(), time.process_time()
            for batch in self._batches:
                assert self._rank.train(batch).applied, "a refused step is no step"
            return Timed(time.perf_counter() - started, time.process_time() - cpu)

    def _plan(self, batch: TrainingBatch) -> list[list[tuple[MicroBatch, torch.Tensor]]]:
        """[updates][micro-batches] with the advantage of each loss token."""
        measured = Measured(reference_logprobs=None, values=None, kl_coefficient=0.0)
        return [
            [(m, micro_batch_terms(update, m).advantages) for m in update.micro_batches if not m.padding]
            for update in plan_updates(batch, measured, self._context)
        ]


def measure(sides: Sides, *, repeats: int) -> list[dict[str, Timed]]:
    """Repeats of all sides in turn, each time another one first; the first round is for warming up."""
    names = ["ours", "random", "bare"]
    rows = []
    for number in range(-1, repeats):
        order = names[number % 3 :] + names[: number % 3]
        rows.append({name: getattr(sides, name)() for name in order})
    return rows[1:]


def figures(rows: list[dict[str, Timed]], tokens: int) -> dict[str, Any]:
    """Ratios within each repeat and speeds, as min, median and max."""

    def ratio(top: str, clock: str) -> dict[str, float]:
        return spread([getattr(row[top], clock) / getattr(row["ours"], clock) for row in rows])

    return {
        "length_aware_over_random": ratio("random", "wall_s"),
        "share_of_bare": ratio("bare", "wall_s"),
        "length_aware_over_random_cpu": ratio("random", "cpu_s"),
        "share_of_bare_cpu": ratio("bare", "cpu_s"),
        "tokens_per_s": {name: spread([tokens / row[name].wall_s for row in rows]) for name in rows[0]},
        "tokens_per_cpu_s": {name: spread([tokens / row[name].cpu_s for row in rows]) for name in rows[0]},
        "repeats": [
            {name: [round(t.wall_s, 4), round(t.cpu_s, 4)] for name, t in row.items()} for row in rows
        ],
    }


def mix(batches: list[TrainingBatch]) -> dict[str, Any]:
    """The lengths that were trained on, in tokens."""
    lengths = np.concatenate([np.diff(b.offsets) for b in batches])
    completions = lengths - np.concatenate([b.prompt_lens for b in batches])

    def summary(values: np.ndarray) -> dict[str, float]:
        points = {"min": 0, "p10": 10, "median": 50, "p90": 90, "max": 100}
        return {"mean": round(float(values.mean()), 2)} | {
            name: float(np.percentile(values, q)) for name, q in points.items()
        }

    return {
        "batches": len(batches),
        "samples": len(lengths),
        "sequence_tokens": summary(lengths),
        "completion_tokens": summary(completions),
        "pass_rate": round(float(np.concatenate([b.correct for b in batches]).mean()), 4),
    }


def recorded(overrides: list[str], *, batches: int) -> list[TrainingBatch]:
    """Batches sampled by an engine in a process of its own, which is gone before anything is timed."""
    with tempfile.TemporaryDirectory(prefix="t2rl-bench-record-") as directory:
        out = Path(directory) / "batches.pkl"
        command = [
            sys.executable,
            "-m",
            "benchmarks.lib.record",
            "--config",
            CONFIG,
            "--batches",
            str(batches),
            "--out",
            str(out),
            *overrides,
        ]
        run_logged(command, Path(directory) / "log.txt")
        return list(pickle.loads(out.read_bytes()))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _arguments() -> argparse.Namespace:
    made = parser(__doc__ or "")
    made.add_argument("--repeats", type=int, default=None, help="default 9; 3 with --quick")
    made.add_argument(
        "--batches",
        type=int,
        default=None,
        help="recorded, each trained once a repeat; default 4; 1 with --quick",
    )
    args = made.parse_args()
    args.overrides = ["model=nano"] if args.quick else []
    args.repeats = args.repeats or (3 if args.quick else 9)
    args.batches = args.batches or (1 if args.quick else 4)
    return args


def main() -> None:
    args = _arguments()
    facts = machine()
    batches = recorded(args.overrides, batches=args.batches)
    config = load_config(CONFIG, [*args.overrides, *STILL])
    sides = Sides(config, batches)
    try:
        detail = figures(measure(sides, repeats=args.repeats), sides.tokens())
        detail |= {"tokens_per_repeat": sides.tokens(), "padding_share": sides.padding()}
    finally:
        sides.close()
    rows = {name: detail[name] for name in detail if name.startswith(("length_aware", "share_of"))}
    for unit in ("tokens_per_s", "tokens_per_cpu_s"):
        rows |= {f"{name}, {unit.replace('_', ' ')}": value for name, value in detail[unit].items()}
    show(f"one learner rank, {CONFIG}'s length mix ({facts['cpu']}, {facts['date']})", rows)
    CONSOLE.print(f"padding: {detail['padding_share']}")
    result = {
        "machine": facts,
        "command": command_line(),
        "config": CONFIG,
        "overrides": args.overrides,
    }
    save("learner", result | {"mix": mix(batches)} | detail, args=args)


if __name__ == "__main__":
    main()
