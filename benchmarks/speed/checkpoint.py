"""What a checkpoint costs the training: in the background against waiting for the disk, 135M random weights
(SmolLM2's shape) with AdamW's moments.

    python -m benchmarks.speed.checkpoint [--rounds N] [--groups N] [--quick] [--json FILE]

One learner rank of the ``smollm2`` preset (64 samples a step, one thread), beside a process that keeps
another core busy, as an engine does. Interleaved, in every round: a step without a checkpoint, then

* ``background``: the rank copies its state into the memory of the last copy and trains on; a thread writes,
  another gives the checkpoint its manifest and its name.
* ``fresh memory``: the same with a copy in new memory (as before this was measured).
* ``blocking``: ``checkpoint.background=false``; the step waits for the manifest, too.

Each time is taken twice: by the wall, and as CPU time of the thread that trains, which says the same on a
machine that others load. ``wait_s`` is what the training loop stands still; ``slower_s`` what the steps that
overlap with the writing take longer than the median step without; the stall is their sum. Its share is of a
step of the preset's size, taken once at the start; the steps in between have ``--groups`` of 8 samples.
``flush_s``: wall time from the end of the wait to the name.

Claimed before the first run: in the background the stall is at most .05 of a step.
"""

import os

# Before anything imports torch or DeepSpeed.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TORCH_COMPILE_DISABLE", "1")

import argparse
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.lib.common import CONSOLE, command_line, machine, parser, save, spread
from benchmarks.speed.learner_memory import make_batch, save_base
from rl.batch.types import TrainingBatch
from rl.config.algorithm import AlgorithmConfig
from rl.config.learner import LearnerConfig, SharedPacking
from rl.records.rundir import RunDir
from rl.run.checkpoint import CheckpointStore
from rl.run.state import RunState

ARMS = ("background", "fresh memory", "blocking")


@contextmanager
def busy_core() -> Iterator[None]:
    """A process that works without an end."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        yield
        process.kill()


def started_rank(base: str) -> Any:
    """A learner rank of the preset, set up in this process."""
    import torch

    from rl.learner.rank import LearnerRank

    torch.set_num_threads(1)
    rank = LearnerRank(
        config=LearnerConfig(lr=1e-7, dtype="auto", packing=SharedPacking(), micro_batch_tokens=1024),
        algorithm=AlgorithmConfig(),
        model_path=base,
        rank=0,
        world_size=1,
        seed=0,
        total_steps=1000,
        max_tokens=48,
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    rank.setup("127.0.0.1", port)
    return rank


class Clock:
    """Seconds inside the block: by the wall, and of this thread's CPU time."""

    def __enter__(self) -> "Clock":
        self._began = (time.perf_counter(), time.thread_time())
        return self

    def __exit__(self, *_: object) -> None:
        self.wall = time.perf_counter() - self._began[0]
        self.cpu = time.thread_time() - self._began[1]


class Bench:
    """One rank, its batch and its checkpoints."""

    def __init__(self, rank: Any, batch: TrainingBatch, store: CheckpointStore) -> None:
        self.rank, self.batch, self.store = rank, batch, store
        self.version = 0
        self.steps: list[Clock] = []
        """Without a checkpoint."""
        self.rows: dict[str, list[dict[str, Any]]] = {arm: [] for arm in ARMS}

    def step(self, batch: TrainingBatch | None = None) -> Clock:
        """The time of one, on another ``batch`` or the usual one."""
        with Clock() as clock:
            assert self.rank.train(batch or self.batch).applied
        return clock

    def checkpoint(self, arm: str) -> None:
        """One of ``arm``, and the steps until it has its name."""
        self.version += 1
        directory = self.store.begin(self.version) / "learner"
        if arm == "fresh memory":
            self.rank._engine.checkpoint_engine._copies.clear()
        named: list[float] = []
        with Clock() as wait:
            self.rank.save(str(directory), arm != "blocking")
            if arm == "blocking":
                self._name(named)
        row: dict[str, Any] = {"wait": wait, "steps": []}
        if arm != "blocking":
            began = time.perf_counter()
            writer = threading.Thread(target=self._name, args=(named,))
            writer.start()
            while writer.is_alive():
                row["steps"].append(self.step())
            writer.join()
            row["flush_s"] = named[0] - began
        self.rows[arm].append(row)
        CONSOLE.print(f"{arm}: waited {wait.wall:.2f} s, {wait.cpu:.2f} s of CPU")  # it takes minutes

    def _name(self, named: list[float]) -> None:
        self.rank.wait_saved()
        self.store.commit(self.version, RunState(version=self.version))
        named.append(time.perf_counter())

    def figures(self, whole: Clock) -> dict[str, Any]:
        """By arm, spreads of each figure; shares of the step ``whole``."""
        found: dict[str, Any] = {"preset_step_s": whole.wall, "preset_step_cpu_s": whole.cpu}
        for arm, rows in self.rows.items():
            found[arm] = {}
            for kind, suffix in (("wall", ""), ("cpu", "_cpu")):
                usual = statistics.median(getattr(clock, kind) for clock in self.steps)
                waits = [getattr(row["wait"], kind) for row in rows]
                slower = [sum(getattr(clock, kind) - usual for clock in row["steps"]) for row in rows]
                stalls = [wait + more for wait, more in zip(waits, slower, strict=True)]
                found[arm] |= {
                    f"wait{suffix}_s": spread(waits),
                    f"slower{suffix}_s": spread(slower),
                    f"stall{suffix}_share": spread([stall / getattr(whole, kind) for stall in stalls]),
                }
            if arm != "blocking":
                found[arm]["flush_s"] = spread([row["flush_s"] for row in rows])
        return found


def _arguments() -> argparse.Namespace:
    made = parser(__doc__ or "")
    made.add_argument("--rounds", type=int, default=None, help="default 5; 1 with --quick")
    made.add_argument("--groups", type=int, default=None, help="of the steps in between; default 8")
    args = made.parse_args()
    args.rounds = args.rounds or (1 if args.quick else 5)
    args.groups = args.groups or (1 if args.quick else 8)
    return args


def main() -> None:
    args, facts = _arguments(), machine()
    with tempfile.TemporaryDirectory(prefix="t2rl-checkpoint-") as directory:
        base = Path(directory) / "base"
        save_base(base)
        rank = started_rank(str(base))
        store = CheckpointStore(RunDir(Path(directory) / "run"), keep=1)
        bench = Bench(rank, make_batch(groups=args.groups), store)
        with busy_core():
            bench.step()
            whole = bench.step(make_batch(groups=8))
            for _ in range(args.rounds):
                for arm in ARMS:
                    bench.steps.append(bench.step())
                    if arm == "background" and not rank._engine.checkpoint_engine._copies:
                        bench.checkpoint(arm)  # the first copy, and that after blocking, has no memory yet
                        bench.rows[arm].pop()
                    bench.checkpoint(arm)
        size = sum(path.stat().st_size for path in store.all()[-1].path.rglob("*") if path.is_file())
        rank.close()
    found = bench.figures(whole)
    table = Table("figure", *ARMS, title=f"median of {args.rounds}; a step has {whole.cpu:.1f} s of CPU")
    for name in found["background"]:
        medians = [f"{found[arm][name]['median']:.3f}" if name in found[arm] else "-" for arm in ARMS]
        table.add_row(name, *medians)
    CONSOLE.print(table)
    result = {
        "machine": facts,
        "command": command_line(),
        "checkpoint": {
            "stall_share": found["background"]["stall_cpu_share"]["median"],
            "wall_stall_share": found["background"]["stall_share"]["median"],
            "blocking_share": found["blocking"]["stall_share"]["median"],
            "bytes": size,
            "rounds": args.rounds,
        },
        "arms": found,
    }
    save("checkpoint", result, args=args, beside=True)


if __name__ == "__main__":
    main()
