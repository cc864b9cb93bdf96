"""The directory of one run, and which start of the run this is.

Layout::

    runs/NAME/config.yaml           the resolved config of the newest attempt
              fingerprint.json      what the run is made of (rl.run.fingerprint)
              base/                 the base's tokenizer and config, without its weights
              attempts.jsonl        one row per start: attempt, restored_step, pid, time
              metrics.jsonl         one row per step
              trained_groups.jsonl  one row per trained group
              curriculum.jsonl      one row per step: what was chosen, by category
              status.json           what it is at now (rl.records.status)
              rollouts/             every rollout with its text, one Parquet file per step
              trace.json            for ui.perfetto.dev
              model/                what the run ended with
              eval/ checkpoints/ logs/
"""

import json
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import yaml

from rl.records.jsonl import JsonlWriter, read_jsonl
from rl.records.owner import Owner

logger = logging.getLogger(__name__)


class RunDirBusy(ValueError):
    """Another live process writes to this run directory."""


class RunDir:
    """Paths of a run. Holding one that was opened keeps other processes out of it until :meth:`close`."""

    def __init__(self, path: Path) -> None:
        """Name a directory; nothing is created or locked. Its path is made absolute: actors do not share our
        working directory."""
        self.path = path = path.absolute()
        self.config = path / "config.yaml"
        self.fingerprint = path / "fingerprint.json"
        self.base = path / "base"
        self.model = path / "model"
        self.attempts = path / "attempts.jsonl"
        self.metrics = path / "metrics.jsonl"
        self.trained_groups = path / "trained_groups.jsonl"
        self.curriculum = path / "curriculum.jsonl"
        self.advisories = path / "advisories.jsonl"
        self.trace = path / "trace.json"
        self.rollouts = path / "rollouts"
        self.eval = path / "eval"
        self.eval_rollouts = self.eval / "rollouts"
        self.checkpoints = path / "checkpoints"
        self.logs = path / "logs"
        self._lock = path / ".owner"

    @classmethod
    def create(cls, parent: Path, name: str) -> "RunDir":
        """A new directory ``parent/name``, or ``name-2``, ``name-3``, ... if it is taken; opened."""
        parent.mkdir(parents=True, exist_ok=True)
        for path in _numbered(parent, name):
            try:
                path.mkdir()
            except FileExistsError:
                continue
            run = cls(path)
            run.open()
            return run
        raise AssertionError("numbers do not end")

    @classmethod
    def free(cls, parent: Path, name: str) -> Path:
        """Where ``create`` would put a run now; nothing is created."""
        return next(path for path in _numbered(parent, name) if not path.exists() and not path.is_symlink())

    @classmethod
    def latest(cls, parent: Path, name: str) -> "RunDir | None":
        """The newest of ``name``, ``name-2``, ...; None if there is none. Not opened.

        A run that was itself named ``name-2`` is another one.
        """
        pattern = re.compile(rf"{re.escape(name)}(?:-(\d+))?")
        folders = [p for p in parent.iterdir() if p.is_dir()] if parent.is_dir() else []
        matches = [
            (int(m[1] or 1), p)
            for p in folders
            if (m := pattern.fullmatch(p.name)) and not (m[1] and _named(p) == p.name)
        ]
        return cls(max(matches)[1]) if matches else None

    @classmethod
    def containing(cls, checkpoint: Path) -> "RunDir":
        """The run that a checkpoint directory belongs to.

        Raises:
            ValueError: It lies in no run directory.
        """
        for folder in checkpoint.resolve().parents:
            if (folder / "attempts.jsonl").is_file():
                return cls(folder)
        raise ValueError(
            f"resume: {checkpoint} is no checkpoint of a run (no attempts.jsonl above it); name"
            " RUN/checkpoints/step-..."
        )

    def open(self) -> "RunDir":
        """Create what is missing and keep other processes out.

        Raises:
            RunDirBusy: A live process has it open.
        """
        for folder in (self.path, self.eval, self.checkpoints, self.logs):
            folder.mkdir(parents=True, exist_ok=True)
        self.require_free()
        staging = self._lock.with_suffix(f".{os.getpid()}")
        staging.write_text(json.dumps(Owner.me().as_json()), encoding="utf-8")
        staging.replace(self._lock)
        return self

    def set_model_aside(self) -> None:
        """Move the model that the run ended with to ``export/step-N``: it goes on now, and whoever asks for
        its model means a newer one."""
        if not self.model.is_dir():
            return
        steps = next((row["step"] + 1 for row in reversed(read_jsonl(self.metrics)) if "step" in row), 0)
        aside = self.path / "export" / f"step-{steps:08d}"
        aside.parent.mkdir(exist_ok=True)
        if aside.is_dir():
            shutil.rmtree(aside)
        self.model.replace(aside)
        logger.info("the run goes on: the model of step %d is in %s", steps, aside)

    def require_free(self) -> None:
        """Raise ``RunDirBusy`` if another live process has it open."""
        owner = self.owner()
        if owner is not None and owner.alive and owner.pid != os.getpid():
            raise RunDirBusy(
                f"{self.path} is in use by process {owner.pid}; stop it (t2rl stop {self.path}), or choose"
                " another run.name"
            )

    def owner(self) -> Owner | None:
        """The process that opened it last and did not close it; whether that lives is the owner's to say."""
        try:
            return Owner.read(json.loads(self._lock.read_text(encoding="utf-8")))
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    @property
    def attempt(self) -> int:
        """Starts so far; 0 before the first."""
        rows = read_jsonl(self.attempts) if self.attempts.is_file() else []
        return max((row["attempt"] for row in rows), default=0)

    def begin_attempt(self, *, restored_step: int = 0) -> int:
        """Count this start; returns its number, from 1. ``restored_step`` is the first step that it
        trains."""
        attempt = self.attempt + 1
        rows = JsonlWriter(self.attempts, attempt=attempt, restored_step=restored_step)
        rows.write({"pid": os.getpid(), "started_at": time.time()})
        rows.close()
        return attempt

    def close(self) -> None:
        """Let others in; idempotent. Where the disk takes no writes the claim stays, and counts for nothing
        as soon as this process is gone."""
        owner = self.owner()
        if owner is not None and owner.here and owner.pid == os.getpid():
            try:
                self._lock.unlink(missing_ok=True)
            except OSError as error:
                # it must not take the place of what ended the run
                logger.warning("%s stays: %s", self._lock, error)


def _numbered(parent: Path, name: str) -> Iterator[Path]:
    yield parent / name
    yield from (parent / f"{name}-{number}" for number in count(2))


def _named(folder: Path) -> str | None:
    """``run.name`` in the directory's config; None if it has none yet."""
    try:
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, yaml.YAMLError):
        return None
    name = config.get("run", {}).get("name") if isinstance(config, dict) else None
    return None if name is None else str(name)
