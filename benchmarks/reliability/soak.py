"""Does anything grow? The quickstart's loop for hours: memory, descriptors, files and throughput over time.

    python -m benchmarks.reliability.soak --minutes 120
    python -m benchmarks.reliability.soak --minutes 30      # again: the same run goes on, 30 minutes more

One run of the quickstart (its base, batches, evaluations and checkpoints) with no last step, and at a
learning rate that changes nothing, so that the work stays the same. Every ten seconds: of each process its
proportional set size (PSS: private memory, and of what is shared its share, so that the sum over processes
counts nothing twice) and its descriptors; files of the shared memory; steps and tokens so far. Every two
minutes: files and bytes of the run directory. A stretch begins with each call, ``--warm`` seconds later.

*Drift* is the slope of a line through all stretches, each with a level of its own, times the time observed,
over the mean; its 95% interval is by a bootstrap over blocks of two minutes, since neighbouring samples are
alike. Claims, written before the first run, for two hours on an idle machine:

1. ``memory``: PSS of all processes together drifts by at most 2%.
2. ``throughput``: tokens a second drift by at most 5%.
3. ``descriptors``: no process holds more descriptors at the end than after the warm-up, plus 5.
4. ``shared``: shared memory holds no more files at the end than after the warm-up.

What grows with prompts by design (records, statistics in checkpoints) is given as bytes a prompt.
"""

import argparse
import contextlib
import json
import signal
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from rich.table import Table

from benchmarks.lib.common import CONSOLE, machine, parser, save
from benchmarks.reliability.job import ROLES, ROOT, Job
from rl.records.jsonl import JsonlWriter, read_jsonl

EVERY_S = 10.0
BLOCK_S = 120.0
DRAWS = 2000
SPARE_DESCRIPTORS = 5
SETTINGS = ("run.steps=1000000", "tracker=none", "learner.lr=1e-12")
TAIL_BYTES = 1 << 18
"""Of the metrics: what is read must not grow with the run, or the observer slows it down."""
GROWING = (
    "metrics.jsonl",
    "trained_groups.jsonl",
    "curriculum.jsonl",
    "trace.json",
    "rollouts",
    "eval",
    "logs",
)
WEIGHTS = Path("/dev/shm")


def role_of(process: psutil.Process, controller: int) -> str:
    """Its part in the run; ``other`` for Ray's agents and idle workers."""
    if process.pid == controller:
        return "controller"
    return next((name for name, says in ROLES.items() if says(process)), "other")


def pss_mib(pid: int) -> float:
    """Proportional set size, MiB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) / 1024


def size(path: Path) -> tuple[int, int]:
    """(files, bytes) at and below it."""
    files = total = 0
    for one in [path, *path.rglob("*")] if path.exists() else []:
        with contextlib.suppress(FileNotFoundError):
            if one.is_file() and not one.is_symlink():
                files, total = files + 1, total + one.stat().st_size
    return files, total


def newest_step(metrics: Path) -> tuple[int, int]:
    """Steps so far, and tokens sampled, by the last whole row of a step; (0, 0) before the first."""
    if not metrics.is_file():
        return 0, 0
    with metrics.open("rb") as file:
        file.seek(max(0, metrics.stat().st_size - TAIL_BYTES))
        *whole, _ = file.read().split(b"\n")
    rows = (json.loads(line) for line in reversed(whole) if b'"rollout/total_tokens"' in line)
    row = next(rows, None)
    return (0, 0) if row is None else (row["step"] + 1, row["rollout/total_tokens"])


def sample(job: Job, began: float, run_files: dict[str, tuple[int, int]] | None) -> dict[str, Any]:
    """Everything at one moment; the files of the run are counted anew where ``run_files`` is None."""
    assert job.process is not None
    me = psutil.Process(job.process.pid)
    processes: dict[str, dict[str, float]] = defaultdict(lambda: dict.fromkeys(("pss", "fds", "count"), 0.0))
    for process in [me, *me.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError, StopIteration):
            role, pss, fds = role_of(process, me.pid), pss_mib(process.pid), process.num_fds()
            row = processes[role]
            row["pss"], row["fds"], row["count"] = row["pss"] + pss, row["fds"] + fds, row["count"] + 1
    step, tokens = newest_step(job.run.metrics)
    names = (*GROWING, "checkpoints")
    shared = [size(path) for path in WEIGHTS.glob(f"t2rl-weights-{me.pid}-*")]
    return {
        "t": round(time.monotonic() - began, 2),
        "processes": {role: {k: round(v, 2) for k, v in row.items()} for role, row in processes.items()},
        "run": run_files or {name: size(job.run.path / name) for name in names},
        "shared": [sum(files for files, _ in shared), sum(count for _, count in shared)],
        "step": step,
        "tokens": tokens,
    }


def watch(job: Job, out: Path, *, minutes: float) -> None:
    """One stretch: start or go on, sample, and have the run stop with a checkpoint."""
    stretch = max((row["stretch"] for row in samples_of(out)), default=0) + 1
    writer = JsonlWriter(out, attempt=stretch)
    job.start()
    began = time.monotonic()
    known, counted = None, began
    try:
        while time.monotonic() - began < 60 * minutes:
            time.sleep(EVERY_S)
            if not job.alive:
                raise RuntimeError(f"the run ended with {job.code}:\n{job.words()}")
            if time.monotonic() - counted >= BLOCK_S:
                known, counted = None, time.monotonic()
            row = sample(job, began, known)
            known = row["run"]
            writer.write({"stretch": stretch, **row})
        job.signal(signal.SIGTERM)
        if not job.wait(120) or job.code != 130:
            raise RuntimeError(f"the run did not stop as asked ({job.code}):\n{job.words()}")
    finally:
        writer.close()
        if job.alive:
            job.signal(signal.SIGKILL)


def samples_of(out: Path) -> list[dict[str, Any]]:
    """All stretches so far."""
    return [row for row in read_jsonl(out) if "stretch" in row] if out.is_file() else []


def slope(times: np.ndarray, values: np.ndarray, stretches: np.ndarray) -> float:
    """Of one line with a level for each stretch."""
    centred_t, centred_v = times.copy(), values.copy()
    for stretch in np.unique(stretches):
        own = stretches == stretch
        centred_t[own] -= times[own].mean()
        centred_v[own] -= values[own].mean()
    spread = float(centred_t @ centred_t)
    return float(centred_t @ centred_v) / spread if spread else 0.0


def drift(rows: Sequence[dict[str, Any]], values: Sequence[float]) -> dict[str, float]:
    """``{mean, drift, low, high}``: change over the longest stretch, as a share of the mean."""
    times, stretches = np.array([row["t"] for row in rows]), np.array([row["stretch"] for row in rows])
    numbers = np.array(values, dtype=float)
    length = max(np.ptp(times[stretches == s]) for s in np.unique(stretches))
    keys = [(s, int(t // BLOCK_S)) for s, t in zip(stretches, times, strict=True)]
    blocks = [np.array([i for i, key in enumerate(keys) if key == one]) for one in sorted(set(keys))]
    chance = np.random.default_rng(0)
    factor = float(length / numbers.mean()) if numbers.mean() else 0.0
    drawn = []
    for _ in range(DRAWS):
        picked = np.concatenate([blocks[i] for i in chance.integers(len(blocks), size=len(blocks))])
        drawn.append(slope(times[picked], numbers[picked], stretches[picked]) * factor)
    low, high = np.quantile(drawn, [0.025, 0.975])
    found = {"mean": float(numbers.mean()), "drift": slope(times, numbers, stretches) * factor}
    return {k: round(v, 4) for k, v in (found | {"low": float(low), "high": float(high)}).items()}


def throughput(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], float]]:
    """(moment, tokens a second) of each block of two minutes of a stretch."""
    last: dict[int, dict[str, Any]] = {}
    for row in rows:
        before = last.setdefault(row["stretch"], row)
        if row["t"] - before["t"] >= BLOCK_S:
            middle = {"stretch": row["stretch"], "t": (row["t"] + before["t"]) / 2}
            yield middle, (row["tokens"] - before["tokens"]) / (row["t"] - before["t"])
            last[row["stretch"]] = row


def series(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each block of two minutes of a stretch, for a picture: its middle, MiB by process, tokens a second."""
    found = []
    for moment, rate in throughput(rows):
        stretch, middle = moment["stretch"], moment["t"]
        inside = [
            r["processes"] for r in rows if r["stretch"] == stretch and abs(r["t"] - middle) <= BLOCK_S / 2
        ]
        roles = sorted({role for processes in inside for role in processes})
        mib = {role: float(np.mean([p[role]["pss"] for p in inside if role in p])) for role in roles}
        found.append(
            {
                "stretch": stretch,
                "minute": round(middle / 60, 2),
                "tokens_per_s": round(rate, 1),
                "mib": {role: round(value, 1) for role, value in mib.items()},
            }
        )
    return found


def result(rows: Sequence[dict[str, Any]], *, warm: float, prompts: int) -> dict[str, Any]:
    """Drifts, and what grows by prompt."""
    kept = [row for row in rows if row["t"] >= warm]
    roles = sorted({role for row in kept for role in row["processes"]})
    total = [sum(one["pss"] for one in row["processes"].values()) for row in kept]
    rates = list(throughput(kept))
    first, last = kept[0], kept[-1]
    by_role = {
        role: drift(kept, [row["processes"].get(role, {"pss": 0})["pss"] for row in kept]) for role in roles
    }
    counts = {role: [row["processes"].get(role, {"fds": 0})["fds"] for row in kept] for role in roles}
    done = prompts * (last["step"] - first["step"])
    grown = {
        name: round((last["run"][name][1] - first["run"][name][1]) / done, 1) for name in GROWING if done
    }
    whole = drift(kept, total)
    speed = drift([row for row, _ in rates], [rate for _, rate in rates]) if len(rates) > 2 else {}
    return {
        "minutes": round(sum(EVERY_S for _ in rows) / 60, 1),
        "stretches": len({row["stretch"] for row in rows}),
        "steps": last["step"],
        "memory_drift": whole["drift"],
        "memory": whole,
        "memory_by_role_mib": by_role,
        "throughput_drift": speed.get("drift"),
        "throughput": speed,
        "descriptors": {role: {"first": c[0], "last": c[-1], "max": max(c)} for role, c in counts.items()},
        "run_files": {name: [first["run"][name][0], last["run"][name][0]] for name in first["run"]},
        "shared_memory": {"first": first["shared"], "last": last["shared"]},
        "bytes_a_prompt": grown,
        "series": series(kept),
        "claims": {
            "memory": abs(whole["drift"]) <= 0.02,
            "throughput": bool(speed) and abs(speed["drift"]) <= 0.05,
            "descriptors": all(c[-1] <= c[0] + SPARE_DESCRIPTORS for c in counts.values()),
            "shared": last["shared"][0] <= first["shared"][0],
        },
    }


def show(found: dict[str, Any]) -> None:
    """One line a role, then the rest."""
    table = Table(
        "process", "MiB", "drift (95%)", "descriptors first, last", title=f"{found['minutes']} minutes"
    )
    for role, row in {"all": found["memory"], **found["memory_by_role_mib"]}.items():
        span = f"{row['drift']:+.3f} ({row['low']:+.3f} {row['high']:+.3f})"
        fds = found["descriptors"].get(role, {"first": "", "last": ""})
        table.add_row(role, f"{row['mean']:.0f}", span, f"{fds['first']} {fds['last']}")
    CONSOLE.print(table)
    left_out = ("memory", "memory_by_role_mib", "descriptors", "series")
    CONSOLE.print({key: value for key, value in found.items() if key not in left_out})


def main() -> None:
    made = parser(__doc__ or "")
    made.add_argument("--minutes", type=float, default=120.0, help="of this call")
    made.add_argument("--warm", type=float, default=180.0, help="seconds of each stretch that do not count")
    made.add_argument("--config", default="quickstart")
    made.add_argument("--prompts", type=int, default=32, help="stream.prompts_per_step")
    made.add_argument("--set", nargs="*", default=[], help="further settings")
    made.add_argument("--work", type=Path, default=ROOT / "runs" / "benchmarks" / "soak")
    made.add_argument("--report", action="store_true", help="only what the samples say by now")
    args: argparse.Namespace = made.parse_args()
    if args.quick:
        args.minutes, args.warm = min(args.minutes, 2.5), min(args.warm, 30.0)
    # A report is of the machine that made the samples.
    about = {} if args.report else {"machine": machine(), "settings": args.set}
    work = args.work.resolve()
    out = work / "samples.jsonl"
    if not args.report:
        work.mkdir(parents=True, exist_ok=True)
        job = Job(
            work,
            config=args.config,
            overrides=[*SETTINGS, *args.set],
            env={},
            namespace="",
            logs=work / f"output-{int(time.time())}",
        )
        watch(job, out, minutes=args.minutes)
    found = result(samples_of(out), warm=args.warm, prompts=args.prompts)
    show(found)
    save("soak", {**about, "soak": found}, args=args, beside=args.report)


if __name__ == "__main__":
    main()
