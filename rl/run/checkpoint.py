"""Checkpoints: one atomic directory each, written in the background, newest found by itself.

Layout: ``checkpoints/step-00000020/`` with ``learner/``, ``base/``, ``state.json``, ``arrays.npz``,
``config.yaml``, ``fingerprint.json``, and ``manifest.json`` with the hash of each file. A directory appears
under its final name only after everything in it is on disk; what happens to it later, the manifest tells.
"""

import logging
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rl.records.manifest import MANIFEST, damage, write_manifest
from rl.records.rundir import RunDir
from rl.records.storage import flush, set_aside
from rl.run.base_files import keep_identity
from rl.run.fingerprint.fingerprint import FILE as FINGERPRINT
from rl.run.fingerprint.fingerprint import Fingerprint
from rl.run.state import RunState
from rl.run.state_file import STATE, damaged, read_document, schema_of, write_document

logger = logging.getLogger(__name__)

_NAME = re.compile(r"^step-(\d{8})$")
FIRST_WITH_MANIFEST = 2
"""Schema of the state. A checkpoint of an earlier one may have been written before there were manifests; one
of this or a later schema that has none has lost it."""


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

    def damage(self) -> str | None:
        """The first file in words that is not as it was written; None if all are. Reads all of them."""
        if not (self.path / MANIFEST).is_file() and schema_of(self.path) >= FIRST_WITH_MANIFEST:
            return f"{self.path / MANIFEST} is missing"
        return damage(self.path)

    @property
    def age_s(self) -> float:
        """Seconds since it was written."""
        return time.time() - (self.path / STATE).stat().st_mtime

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

    def __init__(
        self,
        run: RunDir,
        *,
        keep: int,
        hours: float | None = None,
        score: Callable[[int], float | None] | None = None,
    ) -> None:
        """Keep the ``keep`` newest, beside them those written less than ``hours`` ago, and the one of the
        highest ``score(step)`` (the newest of equals), if these are given.

        A checkpoint is scored while it is the newest; until then its score may be missing, or be left of a
        lineage that the run went back behind. So the newest never takes the best one's place.
        """
        self._run = run
        self.directory = run.checkpoints
        self._keep, self._hours = keep, hours
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
        write_manifest(staging)
        for path in sorted(staging.rglob("*")):
            if path.is_file():
                flush(path)
        # A checkpoint stands on the rows of its steps: groups that were trained, metrics, evaluations.
        for path in (*self._run.path.glob("*.jsonl"), *self._run.eval.rglob("*.jsonl")):
            flush(path)
        if final.exists():
            shutil.rmtree(final)
        staging.rename(final)
        flush(self.directory)
        self._prune()
        return Checkpoint(final, step)

    def all(self) -> list[Checkpoint]:
        """Complete checkpoints, oldest first."""
        if not self.directory.is_dir():
            return []
        matches = [(p, _NAME.match(p.name)) for p in self.directory.iterdir() if p.is_dir()]
        return sorted((Checkpoint(p, int(m[1])) for p, m in matches if m), key=lambda c: c.step)

    def latest(self) -> Checkpoint | None:
        """The newest whole checkpoint, None if there is none; each newer one that is damaged is logged as an
        error. Reads all of its files."""
        for checkpoint in reversed(self.all()):
            if (found := checkpoint.damage()) is None:
                return checkpoint
            logger.error("checkpoint of step %d is damaged and passed over: %s", checkpoint.step, found)
        return None

    def require_latest(self) -> Checkpoint | None:
        """:meth:`latest`, None only for a run that has no checkpoint yet.

        Raises:
            ValueError: It has some, and all of them are damaged.
        """
        found = self.latest()
        if found is None and (damaged := self.all()):
            raise ValueError(
                f"resume: all {len(damaged)} checkpoints in {self.directory} are damaged, the newest:"
                f" {damaged[-1].damage()}. Bring the files back from a copy, or begin anew with resume=never"
            )
        return found

    def set_aside_after(self, step: int) -> None:
        """Give those of later steps another name: the run goes back behind them, because they are damaged or
        because the user said so, and they must neither count as the newest nor push out the new ones."""
        for later in self.all():
            if later.step > step:
                set_aside(later.path)

    def _prune(self) -> None:
        checkpoints = self.all()
        best = self._best(checkpoints[:-1])
        for old in checkpoints[: -self._keep]:
            young = self._hours is not None and old.age_s < self._hours * 3600
            if old != best and not young:
                shutil.rmtree(old.path)

    def best(self) -> Checkpoint | None:
        """The one of the highest score, the newest of equals; None without any."""
        return self._best(self.all())

    def _best(self, checkpoints: list[Checkpoint]) -> Checkpoint | None:
        if self._score is None:
            return None
        scored = [(score, c.step, c) for c in checkpoints if (score := self._score(c.step)) is not None]
        return max(scored, key=lambda entry: entry[:2])[2] if scored else None
