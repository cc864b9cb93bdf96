"""Real runs of ``t2rl train`` in processes of their own, watched through the files they write."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from rl.records.jsonl import read_jsonl
from rl.records.metrics import read_metrics
from rl.run.lineage import duplicates, read_lineage

Found = TypeVar("Found")

TIMEOUT_S = 240
DRILL = ["run.steps=40", "checkpoint.every=4", "stream.group_timeout_s=20", "evaluation.num_prompts=4"]
"""A nano run long enough to be hit in the middle."""
PACE = """
import time
from pathlib import Path

def paced(ratio, advantages, config):
    if Path(config.mask.args["while"]).exists():
        time.sleep(config.mask.args["seconds"])
    return ratio
"""


class Pace:
    """Makes the micro-batches of a run last until it is told to hurry: a run that could end while the test
    looks elsewhere is hit in the middle on some machines only."""

    def __init__(self, folder: Path, *, seconds: float) -> None:
        self._slow = folder / "slow"
        self._slow.touch()
        code = folder / "pace.py"
        code.write_text(PACE)
        self.overrides = [
            f"algorithm.mask={code}:paced",
            f"algorithm.mask.args={{while: {self._slow}, seconds: {seconds}}}",
        ]

    def hurry(self) -> None:
        """At full speed from here on."""
        self._slow.unlink()


class Job:
    """One ``t2rl train debug`` process, or of another config."""

    def __init__(
        self,
        runs: Path,
        cache: Path,
        *overrides: str,
        env: dict[str, str] | None = None,
        config: str = "debug",
        cwd: Path | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        self.run = runs / config
        self.patience_s: float = TIMEOUT_S
        """For what the test waits for."""
        self.output = runs / f"output-{time.time_ns()}.txt"
        command = [
            *prefix,
            str(Path(sys.executable).with_name("t2rl")),
            "train",
            config,
            f"run.dir={runs}",
            *overrides,
        ]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "T2RL_CACHE": str(cache), **(env or {})},
                cwd=cwd,
                start_new_session=True,
            )

    def wait(self, timeout_s: float | None = None) -> int:
        """Exit code."""
        return self.process.wait(self.patience_s if timeout_s is None else timeout_s)

    @property
    def log(self) -> str:
        """What it printed."""
        return self.output.read_text(errors="replace")

    def steps(self) -> int:
        """Steps in the metrics file so far, lineage only."""
        path = self.run / "metrics.jsonl"
        return len(read_metrics(path)) if path.exists() else 0

    def until(self, condition: Callable[[], Found], what: str) -> Found:
        """Poll until it finds something; fail with the log if the process ends or nothing happens."""
        deadline = time.monotonic() + self.patience_s
        while not (found := condition()):
            assert self.process.poll() is None, f"ended before {what}:\n{self.log}"
            assert time.monotonic() < deadline, f"no {what} within {self.patience_s} s:\n{self.log}"
            time.sleep(0.05)
        return found

    def until_step(self, step: int) -> None:
        """Wait for ``step`` steps to be trained."""
        self.until(lambda: self.steps() >= step, f"step {step}")

    def pids(self, name: str) -> list[int]:
        """Live descendants whose command line contains ``name`` (Ray titles its workers ``ray::CLASS``)."""
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if name in " ".join(child.cmdline()) or name in child.name():
                    found.append(child.pid)
            except psutil.NoSuchProcess:
                continue
        return found

    def kill_descendant(self, name: str, how: signal.Signals = signal.SIGKILL) -> int:
        """Send one descendant a signal; returns its pid."""
        pid = self.until(lambda: self.pids(name), f"a process named {name}")[0]
        os.kill(pid, how)
        return pid

    def end(self) -> None:
        """Leave nothing behind: the session's whole process group."""
        if not self.alive:
            return
        me = psutil.Process(self.process.pid)
        for process in [me, *me.children(recursive=True)]:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self.process.wait(30)

    @property
    def alive(self) -> bool:
        """True while it runs."""
        return self.process.poll() is None


def assert_exactly_once(run: Path, *, steps: int, groups_per_step: int) -> None:
    """Invariant 2: in the lineage of the final weights every planned group is trained once, no prompt
    skipped."""
    lineage = read_lineage(run / "trained_groups.jsonl")
    assert sorted(lineage) == list(range(steps))
    assert {len(rows) for rows in lineage.values()} == {groups_per_step}
    assert duplicates(lineage) == []
    prompts = [row["prompt_id"] for step in sorted(lineage) for row in lineage[step]]
    assert len(set(prompts)) == len(prompts), "within one epoch no prompt comes twice"
    assert {row["group_id"] >> 20 for step in lineage for row in lineage[step]} == set(range(steps)), (
        "no plan was left out"
    )


def attempts(run: Path) -> list[int]:
    """The restored step of every attempt, in order."""
    return [row["restored_step"] for row in read_jsonl(run / "attempts.jsonl") if "restored_step" in row]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache of bases for the whole session, so that the nano base is built once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def start(tmp_path: Path, cache: Path) -> Iterator[Callable[..., Job]]:
    """Start jobs that are gone after the test, whatever happens."""
    jobs: list[Job] = []

    def _start(*overrides: str, **options: Any) -> Job:
        jobs.append(Job(tmp_path, cache, *overrides, **options))
        return jobs[-1]

    yield _start
    for job in jobs:
        job.end()
