"""The driver: a config in, a trained run directory out. Starts Ray, runs attempts, survives dead learners, prints the table."""

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from rl.checkpoint import Checkpoint, CheckpointStore
from rl.cluster import create_placement, plan_placement
from rl.config.load import dump_config
from rl.config.schema import Config
from rl.errors import TransferGroupBroken
from rl.learner.group import LearnerDead
from rl.prepare import Prepared, prepare
from rl.ray_runtime import start_ray, stop_ray
from rl.records.rundir import RunDir
from rl.report_table import print_summary
from rl.session import Session

logger = logging.getLogger(__name__)


class Interrupted(KeyboardInterrupt):
    """The run stopped on request; everything is in its last checkpoint."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a run begins: its directory and, for a resume, the checkpoint."""

    run: RunDir
    checkpoint: Checkpoint | None


def train(config: Config) -> Path:
    """Run a job to its end, or resume it; returns the run directory.

    Raises:
        ValueError: the user's input is wrong; raised before any actor starts.
        Interrupted: Ctrl-C or SIGTERM; ``resume=auto`` goes on from the checkpoint it left.
        LearnerDead: a learner rank died more often than ``learner.max_restarts`` allows.
    """
    prepared = prepare(config)
    start = open_run(config)
    try:
        start.run.config.write_text(dump_config(config), encoding="utf-8")
        start_ray(config, start.run.logs)
        try:
            finished = _attempts(config, prepared, start)
        finally:
            stop_ray()
        if not finished:
            raise Interrupted(f"stopped with a checkpoint in {start.run.path}; resume=auto goes on from there")
        print_summary(start.run, config, Console())
    finally:
        start.run.close()
    return start.run.path


def open_run(config: Config) -> Start:
    """Pick the run directory and the checkpoint that ``resume`` asks for.

    Raises:
        ValueError: the checkpoint named is none, or another process holds the run.
    """
    parent = Path(config.run.dir)
    if config.resume == "never":
        return Start(RunDir.create(parent, config.run.name), None)
    if config.resume == "auto":
        run = RunDir.latest(parent, config.run.name)
        if run is None:
            return Start(RunDir.create(parent, config.run.name), None)
        return Start(run.open(), _store(config, run).latest())
    path = Path(config.resume)
    run = RunDir.containing(path)
    chosen = next((c for c in _store(config, run).all() if c.path.resolve() == path.resolve()), None)
    if chosen is None:
        raise ValueError(f"resume: {path} is not a complete checkpoint (a directory checkpoints/step-00000000 of a run)")
    return Start(run.open(), chosen)


def _store(config: Config, run: RunDir) -> CheckpointStore:
    return CheckpointStore(run.checkpoints, keep=config.checkpoint.keep)


def _attempts(config: Config, prepared: Prepared, start: Start) -> bool:
    """Sessions until one ends well. A dead learner rank rebuilds everything from the newest checkpoint, and so does an engine lost
    from a transfer group (nccl, ipc) that none can rejoin."""
    checkpoint = start.checkpoint
    left = {LearnerDead: config.learner.max_restarts, TransferGroupBroken: config.rollout.max_restarts}
    placed = create_placement(plan_placement(config))
    while True:
        session = Session(config=config, prepared=prepared, run=start.run, placed=placed, checkpoint=checkpoint)
        try:
            return asyncio.run(session.run())
        except (LearnerDead, TransferGroupBroken, BaseExceptionGroup) as error:
            died = what_died(error)
            if died is None or not left[died]:
                raise
            left[died] -= 1
            checkpoint = _store(config, start.run).latest()
            where = f"step {checkpoint.step}" if checkpoint else "the start"
            logger.warning("%s; going on from %s (%d restarts left)", error, where, left[died])


def what_died(error: BaseException) -> type[LearnerDead] | type[TransferGroupBroken] | None:
    """What a session can be built again after: a dead learner rank, a broken transfer group, or what these dragged along."""
    for kind in (LearnerDead, TransferGroupBroken):
        if isinstance(error, kind) or (isinstance(error, BaseExceptionGroup) and error.subgroup(kind) is not None):
            return kind
    return None
