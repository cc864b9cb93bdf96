"""The driver: a config in, a trained run directory out. Starts Ray, runs attempts, survives dead learners,
prints the table."""

import asyncio
import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console

from rl.cluster.errors import RayLost
from rl.cluster.ray_watch import ray_lost
from rl.config.schema import Config
from rl.engines.errors import TransferGroupBroken
from rl.learner.group import LearnerDead
from rl.records.phases import Phases
from rl.records.run_log import RunLog
from rl.records.rundir import RunDir
from rl.records.storage import StorageErrors
from rl.run.actors import create_actors
from rl.run.checkpoint import CheckpointStore
from rl.run.early_start import EarlyStart
from rl.run.fingerprint.fingerprint import Fingerprint
from rl.run.fingerprint.of_run import run_fingerprint
from rl.run.prepare.inputs import Prepared, prepare
from rl.run.prepare.node_files import check_node_files
from rl.run.prepare.references import References
from rl.run.report_table import print_summary
from rl.run.session import Session
from rl.run.signals import terminated_as_interrupted
from rl.run.start import Start, check_fingerprint, choose_start, open_run, warn_about_room
from rl.run.status import RunStatus
from rl.run.surviving_learner import Restarts
from rollout.collector import collector_off

logger = logging.getLogger(__name__)


class Interrupted(KeyboardInterrupt):
    """The run stopped on request; everything is in its last checkpoint."""


def train(
    config: Config,
    start: Start | None = None,
    phases: Phases | None = None,
    *,
    early: EarlyStart | None = None,
    as_json: bool = False,
) -> Path:
    """Run a job to its end, or resume it; returns the run directory.

    Args:
        config: what to run.
        start: ``choose_start(config)``, if the caller has chosen already.
        phases: says what the run is at.
        early: Ray on its way, entered by the caller, who leaves it afterwards.
        as_json: print the result as one JSON object, not as a table.

    Raises:
        ValueError: the user's input is wrong; raised before anything is trained or written.
        Interrupted: Ctrl-C or SIGTERM; ``resume=auto`` goes on from the checkpoint it left.
        LearnerDead: a learner rank died more often than ``learner.max_restarts`` allows.
        RayLost: Ray's GCS ended; ``resume=auto`` goes on from the checkpoint it left.
        StorageError: the run directory can no longer be written; the checkpoints of before are whole.
    """
    phases = phases or Phases()
    start = start or choose_start(config)
    if early is None:
        phases("preparing the base and the prompts")
    with terminated_as_interrupted(), ExitStack() as stack:
        early = early or stack.enter_context(EarlyStart(config))
        return _train(config, start, phases, early, as_json=as_json)


def _train(config: Config, start: Start, phases: Phases, early: EarlyStart, *, as_json: bool) -> Path:
    """As ``train``, with Ray on its way."""
    # What a resumed run found stands, so that its data are the same.
    previous = start.run.path if start.checkpoint is not None else None
    with collector_off():
        prepared = prepare(config, references=References(previous=previous), located=early.begin)
    for note in prepared.notes:
        phases(note)
    fingerprint = run_fingerprint(config, prepared)
    if start.checkpoint is not None:
        check_fingerprint(start.checkpoint.fingerprint(), fingerprint, config=config, run=start.run)
    with StorageErrors(start.run.path):
        run = open_run(start.run, config, fingerprint, base=prepared.model_path)
    if start.checkpoint is not None:
        CheckpointStore(run, keep=config.checkpoint.keep).set_aside_after(start.checkpoint.step)
    warn_about_room(run, config, prepared.model_path)
    if run.path != start.run.path:
        phases(f"run directory: {run.path} (another run took {start.run.path.name} meanwhile)")
    try:
        with (
            RunLog(run.logs) as log,
            RunStatus(run, phases, log, steps=config.run.steps) as status,
        ):
            _drive(config, prepared, Start(run, start.checkpoint), fingerprint, phases, status, early)
            with StorageErrors(run.path, advice=lambda: advice(run)):
                print_summary(run, config, Console(), as_json=as_json)
    finally:
        run.close()
    return run.path


def _drive(
    config: Config,
    prepared: Prepared,
    start: Start,
    fingerprint: Fingerprint,
    phases: Phases,
    status: RunStatus,
    early: EarlyStart,
) -> None:
    """Everything between the run directory that is open and its end."""
    run = start.run
    try:
        with StorageErrors(run.path, advice=lambda: advice(run)):
            prepared.references.write(run.path)
            phases("starting Ray")
            try:
                finished = _attempts(config, prepared, start, fingerprint, phases, status, early)
            finally:
                early.stop()
    except KeyboardInterrupt as error:
        raise Interrupted(f"left at once. {goes_on(run) or f'{run.path} has no checkpoint yet'}") from error
    if not finished and (reason := ray_lost()):
        raise RayLost(f"{reason}. {goes_on(run)}")
    if not finished:
        raise Interrupted(f"stopped with a checkpoint in {run.path}; resume=auto goes on from there")


def advice(run: RunDir) -> str:
    """Return advice about a full disk."""
    return f"Free some space there. {goes_on(run) or 'Then start again: it has no checkpoint yet'}"


def goes_on(run: RunDir) -> str:
    """Where a run that ended in the middle can be taken up; '' without a checkpoint."""
    newest = CheckpointStore(run, keep=1).latest()
    return (
        "" if newest is None else f"resume=auto goes on from step {newest.step}, the newest whole checkpoint"
    )


def _attempts(
    config: Config,
    prepared: Prepared,
    start: Start,
    fingerprint: Fingerprint,
    phases: Phases,
    status: RunStatus,
    early: EarlyStart,
) -> bool:
    """Sessions until one ends well. A dead learner rank rebuilds everything from the newest checkpoint, and
    so does an engine that is lost inside a transfer (nccl, ipc)."""
    checkpoint = start.checkpoint
    left = {
        LearnerDead: Restarts(config.learner.max_restarts),
        TransferGroupBroken: Restarts(config.rollout.max_restarts),
    }
    placed, actors = early.finish(prepared.model_path, start.run.logs)
    check_node_files(config, prepared.model_path, start.run, placed)
    while True:
        session = Session(
            config=config,
            prepared=prepared,
            run=start.run,
            actors=actors,
            checkpoint=checkpoint,
            fingerprint=fingerprint,
            phases=phases,
            status=status,
            restarts=left[LearnerDead],
        )
        try:
            return asyncio.run(session.run())
        except (LearnerDead, TransferGroupBroken, BaseExceptionGroup) as error:
            died = what_died(error)
            kind = LearnerDead if isinstance(died, LearnerDead) else TransferGroupBroken
            if died is None or ray_lost() or not left[kind].take(died):
                raise
            store = CheckpointStore(start.run, keep=config.checkpoint.keep)
            checkpoint = store.require_latest()
            store.set_aside_after(checkpoint.step if checkpoint else 0)
            where = f"step {checkpoint.step}" if checkpoint else "the start"
            logger.error("%s; going on from %s (%d restarts left)", error, where, left[kind].left)
            status.state = "starting"
            actors = create_actors(config, prepared.model_path, placed)


def what_died(error: BaseException) -> LearnerDead | TransferGroupBroken | None:
    """Return the cause after which a session can be built again: a dead learner rank, a broken transfer
    group; either may be in a group with what it dragged along."""
    for kind in (LearnerDead, TransferGroupBroken):
        if isinstance(error, kind):
            return error
        if isinstance(error, BaseExceptionGroup) and (found := error.subgroup(kind)) is not None:
            return first_of(found)
    return None


def first_of(group: BaseExceptionGroup[Any]) -> Any:
    """The first exception that is no group."""
    first = group.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first
