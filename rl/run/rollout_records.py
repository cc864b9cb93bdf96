"""Keeps a run's rollouts: rows of each step and evaluation, built and written away from the loops."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rl.config.records import RecordsConfig
from rl.learner.settings import Recorded
from rl.records.rollouts.files import RolloutFile, file_name, remove_superseded
from rl.records.rollouts.writer import RolloutWriter
from rl.records.rundir import RunDir
from rl.run.rollout_rows import Columns, TrainedStep, evaluation_columns, step_columns
from rollout.types import RolloutGroup

if TYPE_CHECKING:
    import pyarrow as pa

    from rl.records.rollouts.thinning import Folder

logger = logging.getLogger(__name__)


def wanted_of_learner(config: RecordsConfig) -> Recorded:
    """The figures of each sample that the learner has to give."""
    if config.rollouts == "none":
        return "none"
    return "tokens" if config.tokens else "samples"


class RolloutRecords:
    """The rollouts of one attempt. Where ``records.rollouts=none`` every method does nothing."""

    def __init__(self, config: RecordsConfig, run: RunDir, *, attempt: int) -> None:
        """Remove what this attempt supersedes; ``attempt`` is in ``attempts.jsonl`` already."""
        self._config, self._run, self._attempt = config, run, attempt
        self._writer = RolloutWriter()
        self._reported_s = 0.0
        self._folders: dict[str, Folder] = {}
        for kind, path in (("step", run.rollouts), ("version", run.eval_rollouts)):
            removed = remove_superseded(path, run.attempts)
            if removed:
                logger.info("%s: %d files of steps that are trained anew are removed", path, removed)
            if config.rollouts != "none":
                self._folders[kind] = self._folder(path, keeps_first=kind == "version")

    def _folder(self, path: Path, *, keeps_first: bool) -> "Folder":
        from rl.records.rollouts.thinning import Folder

        max_bytes = self._config.max_mib << 20
        return Folder(path, max_bytes=max_bytes, keeps_first=keeps_first, notice=logger.warning)

    def _of_suite(self, suite: str) -> "Folder":
        """``eval/SUITE/rollouts``."""
        if suite not in self._folders:
            path = self._run.eval / suite / "rollouts"
            remove_superseded(path, self._run.attempts)
            self._folders[suite] = self._folder(path, keeps_first=True)
        return self._folders[suite]

    async def trained(self, step: TrainedStep) -> None:
        """Keep the rollouts of a step that is over. Nothing may change them any more.

        Raises:
            OSError: an earlier file could not be written.
        """
        columns = partial(step_columns, step, attempt=self._attempt, tokens=self._config.tokens)
        await self._put("step", step.plan.step, columns)

    async def evaluated(
        self, version: int, groups: Sequence[RolloutGroup], *, suite: str | None = None
    ) -> None:
        """Keep the completions of an evaluation, of the held-out set or of a suite; raises as ``trained``
        does."""
        columns = partial(
            evaluation_columns, groups, version=version, attempt=self._attempt, tokens=self._config.tokens
        )
        await self._put("version", version, columns, suite=suite)

    async def _put(
        self, kind: str, number: int, columns: Callable[[], Columns], *, suite: str | None = None
    ) -> None:
        if kind not in self._folders:
            return
        folder = self._folders[kind] if suite is None else self._of_suite(suite)
        path = folder.path / file_name(kind, number, self._attempt)
        file = RolloutFile(path=path, kind=kind, number=number, attempt=self._attempt)
        await self._writer.put(folder, file, partial(_table, columns, self._config))

    def metrics(self) -> dict[str, float]:
        """CPU seconds of the writing thread since the last call: of the rows of the step before, mostly."""
        if not self._folders:
            return {}
        spent, self._reported_s = self._writer.busy_s - self._reported_s, self._writer.busy_s
        return {"time/records_s": spent}

    async def flush(self) -> None:
        """Return when everything so far is on disk; raises what writing raised."""
        await self._writer.flush()

    def __enter__(self) -> "RolloutRecords":
        """Everything is written at the end of the block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Close. Where an error ends the block, a failure to write is logged and does not take its place."""
        try:
            self._writer.close()
        except OSError as failure:
            if error is None:
                raise
            logger.warning("writing rollouts: %s", failure)


def _table(columns: Callable[[], Columns], config: RecordsConfig) -> "pa.Table":
    """In the writer's thread."""
    from rl.records.rollouts.schema import table_of
    from rl.records.rollouts.thinning import some_groups, with_count

    table = with_count(table_of(columns(), tokens=config.tokens))
    most = config.rollouts_per_step
    return table if most is None else some_groups(table, most)
