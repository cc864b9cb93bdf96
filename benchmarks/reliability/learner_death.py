"""What a killed learner rank costs: the run goes back as a whole against ranks that catch up beside live
engines.

    python -m benchmarks.reliability.learner_death [--quick] [--json FILE]

Two runs of the ``debug`` config (a nano model, one engine, one rank, staleness 1, a checkpoint every 20
steps), with ``learner.replay_mib=0`` and 1024. ``kill -9`` of the rank when 35 steps are trained,
15 after the checkpoint.

* ``tokens_lost``: sampled for steps that were trained and then trained again from new samples. What was in
  flight at the death is lost as well in the first run, and not counted.
* ``batches_replayed``: trained again from kept samples.
* ``back_s``: from the kill to the first step that was not trained before.

One run each: tokens and batches are counts, the seconds are of this machine and its load.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.lib.common import CONSOLE, command_line, machine, parser, save
from rl.records.jsonl import read_jsonl
from rl.records.metrics import read_metrics

ARMS = {"whole run": "learner.replay_mib=0", "ranks alone": "learner.replay_mib=1024"}
LIMIT_S = 1200
T2RL = Path(sys.executable).with_name("t2rl")


def steps(run: Path) -> int:
    """Steps of the lineage so far."""
    path = run / "metrics.jsonl"
    return len(read_metrics(path)) if path.is_file() else 0


def until(run: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    """Wait for a number of steps in the lineage."""
    deadline = time.monotonic() + LIMIT_S
    while steps(run) < count:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{run} did not get to step {count}")
        time.sleep(0.05)


def kill_rank(process: subprocess.Popen[bytes]) -> None:
    """``kill -9`` of the learner's process."""
    for child in psutil.Process(process.pid).children(recursive=True):
        if "ray::LearnerActor" in " ".join(child.cmdline()):
            os.kill(child.pid, signal.SIGKILL)
            return
    raise RuntimeError("no learner rank is alive")


def measured(directory: Path, setting: str, *, every: int, at: int) -> dict[str, Any]:
    """One run with a death."""
    overrides = [f"run.dir={directory}", f"checkpoint.every={every}", f"run.steps={at + 10}", setting]
    run = directory / "debug"
    command = [str(T2RL), "train", "debug", "stream.max_staleness=1", "evaluation.num_prompts=4", *overrides]
    with (directory / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        until(run, at, process)
        kill_rank(process)
        killed, reached = time.monotonic(), steps(run)
        newest = -1
        while newest <= reached:
            if process.poll() is not None:
                break
            rows = [row for row in read_jsonl(run / "metrics.jsonl") if "step" in row]
            newest = max(row["step"] + 1 for row in rows)
            time.sleep(0.05)
        back_s = time.monotonic() - killed
        if process.wait(LIMIT_S):
            raise RuntimeError((directory / "output.txt").read_text()[-2000:])
    finally:
        if process.poll() is None:
            process.terminate()
    rows = [row for row in read_jsonl(run / "metrics.jsonl") if "step" in row]
    lineage = read_metrics(run / "metrics.jsonl")
    sampled, kept = (sum(row["rollout/tokens"] for row in some) for some in (rows, lineage))
    return {
        "tokens_lost": sampled - kept,
        "tokens_of_the_run": kept,
        "batches_replayed": lineage[-1].get("learner/replayed_batches", 0),
        "engines_started_again": sum("restored_step" in row for row in read_jsonl(run / "attempts.jsonl"))
        - 1,
        "back_s": round(back_s, 1),
    }


def _arguments() -> argparse.Namespace:
    return parser(__doc__ or "").parse_args()


def main() -> None:
    args, facts = _arguments(), machine()
    found: dict[str, Any] = {}
    every, at = (4, 7) if args.quick else (20, 35)
    for arm, setting in ARMS.items():
        with tempfile.TemporaryDirectory(prefix="t2rl-death-") as directory:
            found[arm] = measured(Path(directory), setting, every=every, at=at)
        CONSOLE.print(f"{arm}: {found[arm]}")
    when = {"checkpoint_every": every, "killed_at_step": at}
    result = {"machine": facts, "command": command_line(), **when, "arms": found}
    save("checkpoint", {"learner_death": result}, args=args, beside=True)


if __name__ == "__main__":
    main()
