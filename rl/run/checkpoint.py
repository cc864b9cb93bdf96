"""Checkpoints: one atomic directory each, written in the background, newest found by itself.

Layout: ``checkpoints/step-00000020/`` with ``learner/``, ``base/``, ``state.json``, ``arrays.npz``,
``config.yaml`` and ``fingerprint.json``. A directory appears under its final name only after everything in it
is on disk, so whatever is found can be restored.
"""

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rl.records.rundir import RunDir
from rl.run.base_files import keep_identity
from rl.run.fingerprint.fingerprint import FILE as FINGERPRINT
from rl.run.fingerprint.fingerprint import Fingerprint
from rl.run.state import RunState
from rl.run.state_file import STATE, damaged, read_document, write_document

_NAME = re.compile(r"^step-(\d{8})$")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One complete checkpoint on disk."""

    path: Path
    step: int

    @property
    def learner_dir(self) -> Path:
        """Where the learner ranks keep their shards."""
        return self.path / "learner"

    @property
    def base(self) -> Path:
        """The base's files without its weights."""
        return self.path / "base"

    def fingerprint(self) -> Fingerprint | None:
        """Read what the run was made of when it was written; None for one of T2RL 0.1."""
        return Fingerprint.read(self.path / FINGERPRINT)

    def load_state(self) -> RunState:
        """The controller's state.

        Raises:
            ValueError: its files are missing or damaged, of a later T2RL, or a pickle of T2RL 0.1.0.
        """
        document = read_document(self.path)
        try:
            return RunState.of_document(document)
        except (ValueError, TypeError) as error:
            raise damaged(self.path / STATE, error) from error


class CheckpointStore:
    """The ``checkpoints`` directory of one run."""

    def __init__(self, run: RunDir, *, keep: int, score: Callable[[int], float | None] | None = None) -> None:
        """Keep the ``keep`` newest, and the one of the highest ``score(step)`` beside (the newest of equals),
        if that is given.

        A checkpoint is scored while it is among the newest, so None, not scored yet, costs none that would be
        the best.
        """
        self._run = run
        self.directory = run.checkpoints
        self._keep = keep
        self._score = score

    def begin(self, step: int) -> Path:
        """A fresh staging directory for ``step``; leftovers of interrupted writes, of any step, are
        removed."""
        for leftover in self.directory.glob("tmp-step-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        staging = self.directory / f"tmp-step-{step:08d}"
        staging.mkdir(parents=True)
        return staging

    def commit(self, step: int, state: RunState) -> Checkpoint:
        """Write the controller's state, flush everything, and give the directory its final name."""
        staging, final = self.directory / f"tmp-step-{step:08d}", self.directory / f"step-{step:08d}"
        write_document(staging, state.document())
        keep_identity(self._run, staging)
        for path in sorted(staging.rglob("*")):
            if path.is_file():
                _fsync(path)
        if final.exists():
            shutil.rmtree(final)
        staging.rename(final)
        _fsync(self.directory)
        self._prune()
        return Checkpoint(final, step)

    def all(self) -> list[Checkpoint]:
        """Complete checkpoints, oldest first."""
        if not self.directory.is_dir():
            return []
        matches = [(p, _NAME.match(p.name)) for p in self.directory.iterdir() if p.is_dir()]
        return sorted((Checkpoint(p, int(m[1])) for p, m in matches if m), key=lambda c: c.step)

    def latest(self) -> Checkpoint | None:
        """The newest complete checkpoint, None if there is none."""
        return max(self.all(), key=lambda c: c.step, default=None)

    def _prune(self) -> None:
        best = self.best()
        for old in self.all()[: -self._keep]:
            if old != best:
                shutil.rmtree(old.path)

    def best(self) -> Checkpoint | None:
        """The one of the highest score, the newest of equals; None without any."""
        if self._score is None:
            return None
        scored = [(score, c.step, c) for c in self.all() if (score := self._score(c.step)) is not None]
        return max(scored, key=lambda entry: entry[:2])[2] if scored else None


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
