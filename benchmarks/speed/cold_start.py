"""From ``t2rl train quickstart`` to its first optimiser step, the base in the cache: how long, and where.

    python -m benchmarks.speed.cold_start [--repeats N] [--quick] [--json FILE]

Each repeat is a process of its own, as a user starts it. The first step ends when its row is in
``metrics.jsonl``; phases begin when the command says so. ``cpu_s`` is that of the command and everything it
started, by kind of process, at the same moment. ``t2rl --help`` is timed beside it.

Aims, of issue 16: 20 s to the first step on two cores, .5 s for the help.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

from benchmarks.lib.common import CONSOLE, command_line, machine, parser, save, show, spread

PHASE = re.compile(r"\[ *([\d.]+) s\] ([^:\n]+)")
STEPS = 2
STEP = '"time/step_s"'
"""Stands in rows of steps alone; the evaluation of the base has a row too."""
LIMIT_S = 300.0
T2RL = str(Path(sys.executable).with_name("t2rl"))
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
"""As in a user's shell: Python keeps what it has compiled of our code."""


def one_start(folder: Path) -> dict[str, Any]:
    """One run up to its first step; what it says of its phases, and the CPU time by kind of process."""
    folder.mkdir()
    said = folder / "said.txt"
    with said.open("wb") as words:
        began = time.monotonic()
        process = subprocess.Popen(
            [T2RL, "train", "quickstart", f"run.dir={folder}", f"run.steps={STEPS}"],
            stdout=words,
            stderr=words,
            env=ENVIRONMENT,
        )
        try:
            metrics = folder / "quickstart" / "metrics.jsonl"
            while not (metrics.is_file() and STEP in metrics.read_text()):
                if process.poll() is not None or time.monotonic() - began > LIMIT_S:
                    raise RuntimeError(f"no first step:\n{said.read_text()}")
                time.sleep(0.02)
            took = time.monotonic() - began
            cpu = cpu_by_kind(process.pid)
            if process.wait(LIMIT_S):
                raise RuntimeError(said.read_text())
        finally:
            if process.poll() is None:
                process.terminate()
    phases = {text.strip(): float(at) for at, text in PHASE.findall(said.read_text())}
    return {"first_step_s": took, "phases_s": phases, "cpu_s": cpu}


def cpu_by_kind(pid: int) -> dict[str, float]:
    """CPU seconds so far of a process and of those that it started, by kind."""
    found: Counter[str] = Counter()
    driver = psutil.Process(pid)
    for process in [driver, *driver.children(recursive=True)]:
        try:
            times, words = process.cpu_times(), " ".join(process.cmdline())
        except psutil.NoSuchProcess:
            continue
        kind = "driver" if process.pid == pid else kind_of(words)
        found[kind] += times.user + times.system
    return {kind: round(seconds, 2) for kind, seconds in found.most_common()}


def kind_of(words: str) -> str:
    """Of a process, by its command line."""
    for part, kind in (
        ("RolloutWorker", "engine"),
        ("LearnerActor", "learner"),
        ("rewards.", "verifiers"),
        ("wandb", "tracker"),
    ):
        if part in words:
            return kind
    return "ray"


def help_s() -> float:
    """Seconds that ``t2rl --help`` takes."""
    began = time.monotonic()
    subprocess.run([T2RL, "--help"], env=ENVIRONMENT, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - began


def main() -> None:
    made = parser(__doc__ or "")
    made.add_argument("--repeats", type=int, default=None, help="default 5; 1 with --quick")
    args: argparse.Namespace = made.parse_args()
    repeats = args.repeats or (1 if args.quick else 5)
    facts = machine()
    help_s()
    rows, helps = [], []
    with tempfile.TemporaryDirectory() as folder:
        one_start(Path(folder) / "warm")  # the base is built, modules are compiled
        for number in range(repeats):
            rows.append(one_start(Path(folder) / str(number)))
            helps.append(help_s())
            CONSOLE.print(rows[-1])
    kinds = {kind for row in rows for kind in row["cpu_s"]}
    result = {
        "first_step_s": spread([row["first_step_s"] for row in rows]),
        "help_s": spread(helps),
        "cpu_s": {
            kind: statistics.median(row["cpu_s"].get(kind, 0.0) for row in rows) for kind in sorted(kinds)
        },
        "phases_s": {
            name: statistics.median(row["phases_s"][name] for row in rows) for name in rows[0]["phases_s"]
        },
    }
    save("cold_start", {"machine": facts, "command": command_line(), **result, "rows": rows}, args=args)
    show("seconds", {"to the first step": result["first_step_s"], "t2rl --help": result["help_s"]})
    CONSOLE.print(result["cpu_s"], result["phases_s"])


if __name__ == "__main__":
    main()
