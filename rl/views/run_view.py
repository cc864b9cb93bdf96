"""A run directory as people look at it. Everyone who shows a run reads it here.

Only files are read, so a run can be looked at while it trains, after it died, and on another machine. What
was read is kept, and a later look reads what was added since: ``t2rl watch`` asks every second.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from rl.config.errors import suggest
from rl.config.saved import in_todays_form
from rl.records.rollouts.files import RolloutFile
from rl.records.rundir import RunDir
from rl.records.status import read_status
from rl.views.evaluations import Counts, evaluation_files, read_counts, version_of
from rl.views.rollouts import files_of, read_rollouts
from rl.views.rows import GrowingRows, Row

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc

ADVISORY = "advisory/"


class RunView:
    """One run. Every method gives what is there: an empty list or dict where the run has not written it."""

    def __init__(self, path: str | Path) -> None:
        """Name a run directory.

        Raises:
            ValueError: there is no such directory, or it is none of a run.
        """
        self.files = RunDir(Path(path))
        self.path = self.files.path
        self.name = self.path.name
        if not self.path.is_dir():
            near = suggest(str(path), map(str, (*_runs_beside(Path(path)), *_runs_beside(Path("runs/_")))))
            raise ValueError(
                f"{path}: there is no such run directory.{near} t2rl runs DIR lists those of one"
            )
        if not is_run(self.path):
            raise ValueError(
                f"{path}: not a run directory, it has no config.yaml and no attempts.jsonl; t2rl runs {path}"
                " lists the runs in it"
            )
        self._metrics = GrowingRows(self.files.metrics)
        self._attempts = GrowingRows(self.files.attempts)
        self._choices = GrowingRows(self.files.curriculum)
        self._trained = GrowingRows(self.files.trained_groups)
        self._advisories = GrowingRows(self.path / "advisories.jsonl")
        self._config: tuple[int, dict[str, Any]] = 0, {}
        self._evaluations: dict[Path, tuple[int, list[Counts]]] = {}

    def config(self) -> dict[str, Any]:
        """The resolved config of the newest start, in today's form; {} before it is written."""
        try:
            written = self.files.config.stat().st_mtime_ns
            if written != self._config[0]:
                tree = yaml.safe_load(self.files.config.read_text(encoding="utf-8"))
                self._config = written, in_todays_form(tree) if isinstance(tree, dict) else {}
        except FileNotFoundError:
            return {}
        return self._config[1]

    def setting(self, name: str, default: Any = None) -> Any:
        """One value of the config by its dotted name, such as ``stream.max_staleness``."""
        value: Any = self.config()
        for part in name.split("."):
            if not isinstance(value, dict) or part not in value:
                return default
            value = value[part]
        return value

    def metrics(self) -> list[Row]:
        """One row a step in the lineage of the newest weights: ``{step, attempt, "loss/total": ...}``."""
        return self._metrics.live()

    def attempts(self) -> list[Row]:
        """One row a start: ``{attempt, restored_step, pid, started_at}``, seconds since the epoch."""
        restored: dict[int, int] = {}
        starts = []
        for row in self._attempts.all():
            if "restored_step" in row:
                restored[row["attempt"]] = row["restored_step"]
            if "pid" in row:
                starts.append({"restored_step": restored.get(row["attempt"], 0), **row})
        return starts

    def choices(self) -> list[Row]:
        """The curriculum's choices, one ``curricula.measures.tally`` row a step."""
        return self._choices.live()

    def trained_groups(self) -> list[Row]:
        """One row a group that went into the weights."""
        return self._trained.live()

    def advisories(self) -> list[Row]:
        """The advice it gave: ``{step, time, name, about, text, cause, fix, knob, ...}``. Of a run from
        before 0.3.0 only ``{step, name}`` is known."""
        if self._advisories.path.is_file():
            return self._advisories.live()
        return [
            {"step": row["step"], "name": key.removeprefix(ADVISORY)}
            for row in self.metrics()
            for key in row
            if key.startswith(ADVISORY)
        ]

    def evaluations(self) -> list[Counts]:
        """Held-out counts in the lineage of the newest weights, oldest version first, the temperatures of one
        version in file order."""
        rollout = self.config().get("rollout") or {}
        sampled = {"top_p": rollout.get("top_p", 1.0), "max_tokens": rollout.get("max_tokens", 1)}
        done = self.steps_done
        # A run without metrics, as a stage's model that was evaluated, has no lineage.
        files = [p for p in evaluation_files(self.files.eval) if not done or version_of(p) <= done]
        for path in files:
            written = path.stat().st_mtime_ns
            if path not in self._evaluations or self._evaluations[path][0] != written:
                self._evaluations[path] = written, read_counts(path, **sampled)
        return [evaluation for path in files for evaluation in self._evaluations[path][1]]

    def status(self) -> dict[str, Any] | None:
        """``status.json`` with what may be concluded from it (``rl.records.status.read_status``); None where
        the run has written none, as those from before 0.3.0."""
        return read_status(self.path)

    def rollouts(
        self,
        *,
        columns: Sequence[str] | None = None,
        steps: range | None = None,
        where: "pc.Expression | None" = None,
        evaluation: bool = False,
    ) -> "pa.Table":
        """Rollouts with their texts, by step and group, in the lineage of the newest weights: a pyarrow table
        (``.to_pylist()`` gives rows); empty where the run kept none.

        Args:
            columns: names in ``rl.records.rollouts.schema``; None = all.
            steps: only these, such as ``range(10, 20)``; of an evaluation, policy versions.
            where: a filter, ``pyarrow.compute.field("reward") >= 0.5``; pushed down to the files.
            evaluation: the completions of the evaluations instead.
        """
        try:
            files = self.rollout_files(steps=steps, evaluation=evaluation)
            return read_rollouts(files, columns=columns, where=where)
        except FileNotFoundError:  # thinned away, or superseded by a resume, since the files were listed
            files = self.rollout_files(steps=steps, evaluation=evaluation)
            return read_rollouts(files, columns=columns, where=where)

    def rollout_files(self, *, steps: range | None = None, evaluation: bool = False) -> list[RolloutFile]:
        """The files that ``rollouts`` reads, by step (version); superseded ones are left out."""
        folder = self.files.eval_rollouts if evaluation else self.files.rollouts
        return files_of(folder, self._attempts.all(), steps=steps)

    @property
    def steps_done(self) -> int:
        """Optimizer steps in the lineage of the newest weights."""
        rows = self.metrics()
        return rows[-1]["step"] + 1 if rows else 0


def is_run(path: Path) -> bool:
    """True for a directory that a run, or a stage, was started in."""
    return (path / "config.yaml").is_file() or (path / "attempts.jsonl").is_file()


def find_runs(directory: Path) -> list[RunView]:
    """The runs directly in a directory, the newest start first.

    Raises:
        ValueError: there is no such directory.
    """
    if not directory.is_dir():
        raise ValueError(f"{directory}: there is no such directory; runs go to run.dir (default: runs)")
    runs = [RunView(path) for path in directory.iterdir() if path.is_dir() and is_run(path)]
    return sorted(runs, key=_started, reverse=True)


def _runs_beside(path: Path) -> list[Path]:
    """The runs in the directory that ``path`` would be in."""
    return [p for p in path.parent.iterdir() if is_run(p)] if path.parent.is_dir() else []


def _started(run: RunView) -> float:
    attempts = run.attempts()
    return float(attempts[-1].get("started_at", 0.0)) if attempts else 0.0
