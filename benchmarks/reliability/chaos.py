"""Real runs under a seeded schedule of real faults: is any group lost or trained twice, is anything left
over, do they learn as undisturbed ones do, and how long does each kind of fault hold them up?

    python -m benchmarks.reliability.chaos --faults 300 --minutes 240 --seed 0    # as root
    python -m benchmarks.reliability.chaos --faults 300 --minutes 240 --seed 0    # again: goes on

Runs of the quickstart on its small base (smaller batches, checkpoints every four steps, small limits, a
sandbox beside the verifiers, a tracker that talks to a server), with engines in the actor and in a process of
their own by turns. Each lives on a small disk, with a wall clock of its own, in namespaces in which nothing
else runs. Faults follow ``faults.KINDS`` in rounds; the next one strikes when the last one is over. When the
process ends before the last step, it is started again with ``resume=auto``, as a supervisor would.

``--faults``: strikes end when so many are in the ledger; ``--minutes``: or when this call has taken so long;
the run that is under way comes to its end. The ledger (``--work``) holds all that is over, so a call that is
stopped, or killed, goes on with the next one. Undisturbed runs come last: their spread is what the others
are held to. Claims: ``claims_chaos.yaml``, written before the first run.
"""

import argparse
import json
import os
import shutil
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.lib.common import CONSOLE, machine, parser, save, spread
from benchmarks.reliability.episode import Episode, GaveUp, chance_of
from benchmarks.reliability.faults import KINDS, Kind, Scene, schedule
from benchmarks.reliability.ground import (
    Clock,
    Disk,
    TrackerServer,
    Unable,
    end_all,
    enter_namespaces,
    members,
)
from benchmarks.reliability.job import ROOT, Job
from benchmarks.reliability.verify import band, bounds, curve, groups, leftovers, rollouts
from rl.records.jsonl import read_jsonl

BACKENDS = ("inprocess", "async")
PROMPTS, STEPS = 16, 72
SAMPLING = {"max_tokens": 64, "top_p": 1.0}
LEAVE_S = 15.0
"""Seconds that processes have to be gone after the run's end."""
WINDOWS = 4
KEPT = ("attempts.jsonl", "metrics.jsonl", "trained_groups.jsonl", "curriculum.jsonl", "logs/controller.log")
SETTINGS = (
    *(f"stream.prompts_per_step={PROMPTS}", "stream.rollouts_per_prompt=8", "stream.max_staleness=1"),
    *("stream.group_timeout_s=15", "stream.sync_timeout_s=20", "stream.step_timeout_s=40"),
    *("stream.start_timeout_s=120", "learner.collective_timeout_s=30"),
    *("rollout.cores=null", "learner.cores=null", "rollout.kv_cache_mib=64", "rollout.max_num_seqs=128"),
    *("verifiers.timeout_s=4", "verifiers.memory_mib=0", "verifiers.start_timeout_s=60"),
    *("evaluation.num_prompts=100", "evaluation.samples_per_prompt=4", "evaluation.every=0"),
    *("evaluation.ks=[1,2]", "evaluation.greedy=false", "evaluation.extra_temperatures=[]"),
    *("evaluation.bootstrap=100", "checkpoint.every=4", "checkpoint.keep=4", "run.wall_clock_s=7200"),
    "tracker=benchmarks.reliability.parts:ServedTracker",
)


class Ledger:
    """Rows of what is over."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.rows = read_jsonl(path) if path.is_file() else []

    def add(self, row: dict[str, Any]) -> None:
        """On the disk when it returns."""
        row = {"at": time.strftime("%H:%M:%S", time.gmtime()), **row}
        self.rows.append(row)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def of(self, what: str, **fields: Any) -> list[dict[str, Any]]:
        """Rows of a sort with these values."""
        return [
            row
            for row in self.rows
            if row["what"] == what and all(row.get(k) == v for k, v in fields.items())
        ]


class Bench:
    """Everything that one call needs."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.work: Path = args.work.resolve()
        self.ledger = Ledger(self.work / "ledger.jsonl")
        for row in self.ledger.of("begin"):  # what a killed call left
            end_all(row["namespace"])
        self.namespace = enter_namespaces()
        self.ledger.add({"what": "begin", "namespace": self.namespace, "seed": args.seed})
        self.clock, self.tracker = Clock(self.work), TrackerServer()
        self.deadline = time.monotonic() + 60 * args.minutes
        self.backends = tuple(args.backends)

    def kinds(self, disk: Disk) -> list[Kind]:
        """Those that were asked for and that this machine can do."""
        can = {"": True, "ext4": disk.kind == "ext4", "clock": self.clock.works}
        can["sandbox"] = shutil.which("bwrap") is not None
        return [
            kind
            for kind in KINDS
            if can[kind.needs] and (not self.args.kinds or kind.name in self.args.kinds)
        ]

    def undisturbed(self) -> None:
        """The runs that are still missing."""
        done = len(self.ledger.of("undisturbed"))
        for number in range(done, self.args.undisturbed):
            self._episode(number, "undisturbed", self.backends[number % len(self.backends)])

    def disturbed(self) -> None:
        """Runs under faults until there are enough, or time is up."""
        while len(self.ledger.of("fault")) < self.args.faults and time.monotonic() < self.deadline:
            number = len(self.ledger.of("episode"))
            self._episode(number, "episode", self.backends[number % len(self.backends)])

    def _episode(self, number: int, what: str, backend: str) -> None:
        folder = self.work / f"{what}-{number:03d}"
        disk = Disk(folder / "disk", folder / "disk.img", mib=192)
        folder.mkdir(parents=True, exist_ok=True)
        # Short, because Ray puts unix sockets there.
        temporary = Path(f"/tmp/t2c{self.args.seed}{what[0]}{number}-{abs(hash_of(self.work)) % 10_000}")
        temporary.mkdir(exist_ok=True)
        disk.mount()
        self.clock.set(0)
        try:
            job = self._job(folder, disk, number, what, backend, temporary)
            row = self._run(job, disk, number, what, backend)
            self._end(row, job, temporary, folder)
        finally:
            for process in members(self.namespace):
                process.kill()
            disk.empty()
            disk.unmount()
        shutil.rmtree(temporary, ignore_errors=True)
        (folder / "disk.img").unlink(missing_ok=True)

    def _job(self, folder: Path, disk: Disk, number: int, what: str, backend: str, temporary: Path) -> Job:
        every = 16 if shutil.which("bwrap") else 0
        task = (
            f"task={{kind: own, code: 'benchmarks.reliability.task:SandboxedTask', args: {{every: {every}}}}}"
        )
        seed = 1000 * (what == "undisturbed") + 100 * self.args.seed + number + 1
        own = [f"run.steps={self.args.steps}", f"run.seed={seed}", f"rollout.backend={backend}"]
        own += ["~task", task, f"tracker.own.url=http://127.0.0.1:{self.tracker.port}"]
        environment = {"TMPDIR": str(temporary), **self.clock.environment()}
        return Job(
            disk.place,
            config=self.args.config,
            overrides=[*SETTINGS, *own, *self.args.set],
            env=environment,
            namespace=self.namespace,
            logs=folder / f"output-{int(time.time())}",
        )

    def _run(self, job: Job, disk: Disk, number: int, what: str, backend: str) -> dict[str, Any]:
        """Strike until the run has come to its end; what is known of it."""
        done = len(self.ledger.of("fault", backend=backend)) + len(self.ledger.of("not now", backend=backend))
        scene = Scene(job, disk, self.clock, self.tracker, chance_of(self.args.seed, number, done))
        kinds = schedule(self.args.seed, self.kinds(disk), backend=backend, skip=done)
        left = self.args.faults - len(self.ledger.of("fault"))
        order = (
            [] if what == "undisturbed" else (kinds + schedule(0, kinds, backend=backend, skip=0) * 9)[:left]
        )
        about = {"episode": number, "backend": backend, "of": what}

        def note(row: dict[str, Any]) -> None:
            self.ledger.add(row | about)
            CONSOLE.print(f"{time.strftime('%H:%M:%S', time.gmtime())} {what} {number}: {row}", markup=False)

        began = time.monotonic()
        episode = Episode(
            scene=scene, steps=self.args.steps, note=note, deadline=self.deadline, stuck_s=self.args.stuck
        )
        try:
            episode.run(iter(order))
        except GaveUp as error:
            note({"what": "gave up", "words": str(error)[-1500:]})
            raise
        return {
            "what": what,
            "number": number,
            "backend": backend,
            "seconds": round(time.monotonic() - began, 1),
        }

    def _end(self, row: dict[str, Any], job: Job, temporary: Path, folder: Path) -> None:
        """Look at the finished run, and put its verdict into the ledger."""
        deadline = time.monotonic() + LEAVE_S
        while members(self.namespace) and time.monotonic() < deadline:
            time.sleep(0.2)
        row["leftovers"] = leftovers(self.namespace, job.run, temporary)
        row["groups"] = groups(job.run, steps=self.args.steps, prompts=self.args.prompts)
        row["rollouts"] = rollouts(job.run, steps=self.args.steps)
        row["bounds"] = bounds(job.run)
        sampling = SAMPLING | {"max_tokens": self.args.max_tokens}
        row["curve"] = curve(job.run, steps=self.args.steps, windows=WINDOWS, sampling=sampling)
        row["attempts"], row["starts"] = job.attempts(), job.starts
        for name in KEPT:
            if (job.run.path / name).is_file():
                shutil.copy2(job.run.path / name, folder)
        self.ledger.add(row)
        CONSOLE.print(row)


def hash_of(path: Path) -> int:
    """The same in every process."""
    import zlib

    return zlib.crc32(str(path).encode())


def result(ledger: Ledger) -> dict[str, Any]:
    """Everything that the ledger says, and whether the claims hold."""
    faults, runs, calm = ledger.of("fault"), ledger.of("episode"), ledger.of("undisturbed")
    seconds: dict[str, list[float]] = defaultdict(list)
    restarts: dict[str, list[int]] = defaultdict(list)
    for row in faults:
        seconds[row["kind"]].append(row["recover_s"])
        restarts[row["kind"]].append(row["starts"])
    left = [one for row in [*runs, *calm] for one in row["leftovers"]]
    wrong = ("lost", "doubled", "of_other_plans", "prompts_twice")
    lost = sum(row["groups"][key] for row in runs for key in wrong)
    lost += sum(row["rollouts"][key] for row in runs for key in ("twice", "steps_without"))
    curves = against(calm, runs) if len(calm) >= 3 else {}
    everything = [row["bounds"] for row in [*runs, *calm]]
    stuck = len(ledger.of("stuck")) + len(ledger.of("gave up"))
    out = sum(not row["inside"] for row in curves.get("runs", []))
    return {
        "faults": len(faults),
        "runs": len(runs),
        "undisturbed_runs": len(calm),
        "minutes_under_chaos": round(sum(row["seconds"] for row in runs) / 60, 1),
        "groups_planned": sum(row["groups"]["planned"] for row in runs),
        "groups_dropped_unjudged": sum(row["groups"]["dropped_unjudged"] for row in runs),
        "groups_lost_or_doubled": lost,
        "leftovers": len(left),
        "left": left,
        "stuck": stuck,
        "staleness_max": max((b["staleness_max"] for b in everything), default=0),
        "probe_gap_max": max((b["probe_gap_max"] for b in everything), default=0),
        "recover_s": {
            kind: {"count": len(seconds[kind]), "restarts": sum(restarts[kind]), **spread(seconds[kind])}
            for kind in [kind.name for kind in KINDS]
            if kind in seconds
        },
        "curves": curves,
        "claims": {
            "groups": lost == 0,
            "staleness": all(b["staleness_max"] <= 1 for b in everything),
            "served": all(b["probe_gap_max"] <= 1e-3 for b in everything),
            "leftovers": not left,
            "goes_on": stuck == 0 and all(row["recover_s"] <= 300 for row in faults),
            "curve": bool(curves) and out * 10 <= len(runs),
            "clock": all(b["negative_times"] == 0 for b in everything),
        },
    }


def against(calm: Sequence[dict[str, Any]], runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Reward of the last quarter and held-out pass@1 of each run, and the bands of undisturbed ones."""
    reward = band([row["curve"]["reward"][-1] for row in calm])
    after = band([row["curve"]["after"] for row in calm])
    rows = []
    for row in runs:
        last, held = row["curve"]["reward"][-1], row["curve"]["after"]
        inside = reward[0] <= last <= reward[1] and after[0] <= held <= after[1]
        rows.append({"run": row["number"], "reward": last, "pass@1": round(held, 4), "inside": inside})
    return {
        "undisturbed": [
            {
                "before": row["curve"]["before"],
                "after": row["curve"]["after"],
                "reward": row["curve"]["reward"],
            }
            for row in calm
        ],
        "reward_band": [round(x, 4) for x in reward],
        "pass@1_band": [round(x, 4) for x in after],
        "runs": rows,
    }


def show(found: dict[str, Any]) -> None:
    """The table by kind, and the verdict."""
    table = Table("fault", "times", "restarts", "median s", "max s", title=f"{found['faults']} faults")
    for kind, row in found["recover_s"].items():
        table.add_row(
            kind, str(row["count"]), str(row["restarts"]), f"{row['median']:.1f}", f"{row['max']:.1f}"
        )
    CONSOLE.print(table)
    CONSOLE.print({key: value for key, value in found.items() if key not in ("recover_s", "curves")})
    if found["recover_s"]:
        medians = [row["median"] for row in found["recover_s"].values()]
        CONSOLE.print(f"median of medians {statistics.median(medians):.1f} s")


def main() -> None:
    made = parser(__doc__ or "")
    made.add_argument("--faults", type=int, default=300)
    made.add_argument("--minutes", type=float, default=60.0)
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--undisturbed", type=int, default=4, help="runs without faults, for the spread")
    made.add_argument("--steps", type=int, default=STEPS, help="of one run")
    made.add_argument("--kinds", nargs="*", default=[], help="only these")
    made.add_argument("--backends", nargs="*", default=list(BACKENDS))
    made.add_argument("--config", default="quickstart")
    made.add_argument("--prompts", type=int, default=PROMPTS, help="stream.prompts_per_step of --set")
    made.add_argument("--max-tokens", type=int, default=64, help="rollout.max_tokens of --set")
    made.add_argument("--set", nargs="*", default=[], help="further settings of the runs")
    made.add_argument("--work", type=Path, default=ROOT / "runs" / "benchmarks" / "chaos")
    made.add_argument("--stuck", type=float, default=300.0, help="seconds without a step that are a hang")
    made.add_argument("--report", action="store_true", help="only what the ledger says by now")
    args = made.parse_args()
    if args.quick:
        args.faults, args.undisturbed, args.minutes = min(args.faults, 6), 0, min(args.minutes, 3)
    about = machine()
    if not args.report:
        try:
            bench = Bench(args)
        except Unable as error:
            raise SystemExit(f"chaos needs {error}") from error
        bench.disturbed()
        bench.undisturbed()
    found = result(Ledger(args.work.resolve() / "ledger.jsonl"))
    show(found)
    save("chaos", {"machine": about, "seed": args.seed, "chaos": found}, args=args)
    if not all(value for key, value in found["claims"].items() if key != "curve" or found["curves"]):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
