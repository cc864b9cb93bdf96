"""Puts the parts of one attempt together: first those that a checkpoint restores, then, around the started
actors, the controller with all that it works with."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from curricula.stack import CurriculumStack
from rl.batch.annotate import make_annotate
from rl.batch.demonstrations import with_demonstrations
from rl.batch.planner_targets import PlannerLoop
from rl.config.schema import Config
from rl.engines.fleet import EngineFleet
from rl.engines.rollout_service import RolloutService
from rl.learner.group import LearnerGroup
from rl.records.jsonl import JsonlWriter
from rl.records.metrics import MetricsWriter
from rl.records.progress import ProgressDisplay
from rl.records.rundir import RunDir
from rl.records.trace import TraceWriter
from rl.run.advice import AdviceDesk
from rl.run.checkpoint import CheckpointStore
from rl.run.controller import Controller, Parts
from rl.run.cost import build_meter
from rl.run.cost_meter import Usage
from rl.run.curriculum import assemble
from rl.run.evaluation.desk import EvaluationDesk
from rl.run.machine import Machine
from rl.run.prepare.inputs import Prepared
from rl.run.prompt_signals import PromptSignalSource
from rl.run.recorder import Recorder
from rl.run.rollout_records import RolloutRecords
from rl.run.saver import Saver, held_out_score
from rl.run.state import RunState
from rl.run.step_metrics import at_bound
from rl.run.surviving_learner import SurvivingLearner
from rl.run.tracked import open_trackers
from rl.scorers.reward_model.scorer import Verifiers
from rl.stream.buffer import StreamBuffer
from rl.stream.turns import Apart
from rl.weights.exchange import create_exchange
from rl.weights.probe import GapJudge, calibration_requests, nominal_lengths
from rl.weights.sync import WeightSync
from rollout.statistics import StatisticsStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Stateful:
    """The parts whose state is in every checkpoint."""

    buffer: StreamBuffer
    curriculum: CurriculumStack
    statistics: StatisticsStore
    planner: PlannerLoop | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The actors of an attempt, and what speaks to them."""

    fleet: EngineFleet
    learner: LearnerGroup
    scorer: Verifiers
    service: RolloutService
    evaluations: EvaluationDesk
    trace: TraceWriter
    progress: ProgressDisplay
    rollouts: RolloutRecords
    early: asyncio.Event
    """Set when the next step is to be saved."""
    turns: Apart


def build_stateful(config: Config, prepared: Prepared, state: RunState, *, restore: bool) -> Stateful:
    """The parts at the checkpoint's state, or, without ``restore``, beginning at ``state.version`` with
    nothing known.

    Raises:
        ValueError: the checkpoint's states are not of these parts.
    """
    stack, store = assemble(config, prepared.train_prompts)
    stream = config.stream
    buffer = StreamBuffer(
        max_staleness=stream.max_staleness,
        pipeline_depth=stream.pipeline_depth,
        rollover_share=stream.rollover_share,
        spare=round(stream.redundant_share * stream.prompts_per_step),
    )
    planner = None
    if config.algorithm.planner is not None:
        group_size, steps = stream.rollouts_per_prompt, config.run.steps
        planner = PlannerLoop(config.algorithm.planner, store, group_size=group_size, steps=steps)
    if restore:
        buffer.load_state_dict(state.stream)
        store.load_state_dict(state.statistics)
        stack.load_state_dict(state.curriculum)
        if planner is not None:
            planner.load_state_dict(state.planner)
    else:
        buffer.begin_at(state.version)
        stack.begin_at(state.version)
    return Stateful(buffer=buffer, curriculum=stack, statistics=store, planner=planner)


def build_controller(
    config: Config,
    prepared: Prepared,
    started: Started,
    stateful: Stateful,
    *,
    state: RunState,
    run: RunDir,
    attempt: int,
    weights: Path,
) -> tuple[Controller, Recorder]:
    """The controller, and the recorder whose files are to be open while it runs.

    Args:
        config: the run's.
        prepared: its prompts and references.
        started: actors that run.
        stateful: at ``state``.
        state: of the checkpoint, or of a new run.
        run: its directory.
        attempt: number of this start.
        weights: directory that published weights pass through.
    """
    recorder = build_recorder(
        config, prepared, started, stateful, run=run, attempt=attempt, restored_step=state.version
    )
    curriculum, columns = stateful.curriculum, stateful.curriculum.signal_columns
    prompts = prepared.train_prompts
    with_objective_inputs = make_annotate(config.algorithm, stateful.statistics, stateful.planner)
    parts = Parts(
        prompts=prompts,
        buffer=stateful.buffer,
        curriculum=curriculum,
        fleet=started.fleet,
        service=started.service,
        learner=started.learner,
        sync=build_sync(config, prepared, started, weights),
        saver=build_saver(config, started, stateful, run),
        recorder=recorder,
        with_objective_inputs=with_demonstrations(with_objective_inputs, prepared.demonstrations),
        planner=stateful.planner,
        rollouts=started.rollouts,
        signals=PromptSignalSource(started.learner, prompts, columns) if columns else None,
        with_length_budget=prepared.budget,
        turns=started.turns,
    )
    return Controller(config=config, parts=parts, state=state), recorder


def build_recorder(
    config: Config,
    prepared: Prepared,
    started: Started,
    stateful: Stateful,
    *,
    run: RunDir,
    attempt: int,
    restored_step: int,
) -> Recorder:
    """Everything that keeps or shows what a step did."""

    def rows(path: Path) -> JsonlWriter:
        return JsonlWriter(path, attempt=attempt, restored_step=restored_step, fsync_every=0)

    demonstrations, planner, bound = prepared.demonstrations, stateful.planner, config.stream.max_staleness
    advice = AdviceDesk.of_run(
        run.path,
        rows=rows(run.advisories),
        note=started.progress.note,
        settings=config.model_dump(mode="json"),
        own=config.run.advisories,
        restored_step=restored_step,
    )
    metrics = MetricsWriter(run.metrics, attempt=attempt, restored_step=restored_step, fsync_every=0)
    cost = build_meter(
        config,
        model_path=prepared.model_path,
        probe=nominal_lengths(calibration_requests(prepared.train_prompts, config)),
        device=started.learner.device,
        usage=lambda: usage_of(started),
        run=run,
    )
    started.evaluations.meter(cost.evaluation)
    return Recorder(
        metrics=metrics,
        groups=rows(run.trained_groups),
        choices=rows(run.curriculum),
        trace=started.trace,
        tracker=open_trackers(config, run, attempt=attempt, restored_step=restored_step),
        progress=started.progress,
        sources=sources_of(prepared, started, stateful, run),
        of_plan=(
            partial(at_bound, bound=bound),
            *([] if demonstrations is None else [demonstrations.metrics]),
            *([] if planner is None else [lambda plan: planner.bias(plan.step)]),
        ),
        evaluate=advice.paused(started.evaluations.between),
        due=started.evaluations.due,
        beside=started.evaluations.beside,
        advice=advice,
        cost=cost,
        samples=config.tracker.samples,
        samples_every=config.tracker.samples_every,
    )


def sources_of(
    prepared: Prepared, started: Started, stateful: Stateful, run: RunDir
) -> tuple[Callable[[], Mapping[str, float]], ...]:
    """Parts of the run that report figures of their own after each step."""
    return (
        prepared.references.metrics,
        stateful.curriculum.metrics,
        started.fleet.metrics,
        started.fleet.load.metrics,
        lambda: started.learner.moved,
        started.service.metrics,
        started.scorer.metrics,
        Machine(run.path).metrics,
        prepared.battery.metrics,
        started.rollouts.metrics,
        started.evaluations.metrics,
        *([] if stateful.planner is None else [stateful.planner.metrics]),
        *([started.learner.metrics] if isinstance(started.learner, SurvivingLearner) else []),
    )


def usage_of(started: Started) -> Usage:
    """Counters of the engines, and of what came back from them in vain."""
    fleet = started.fleet
    return Usage(busy_s=fleet.busy_s, tokens_lost=fleet.tokens_lost + started.service.tokens_lost)


def build_sync(config: Config, prepared: Prepared, started: Started, weights: Path) -> WeightSync:
    """The way of new weights from the learner to the engines."""
    rollout = config.rollout
    return WeightSync(
        learner=started.learner,
        fleet=started.fleet,
        directory=weights,
        judge=GapJudge(
            floor=rollout.probe_tolerance,
            factor=rollout.probe_factor,
            exact=rollout.dtype == config.learner.dtype == "float32",
        ),
        probe_every=rollout.probe_every,
        calibration=calibration_requests(prepared.train_prompts, config),
        exchange=create_exchange(config, learner=started.learner, fleet=started.fleet),
        by_object=rollout.weight_transfer == "object",
        changes=rollout.weight_changes,
    )


def build_saver(config: Config, started: Started, stateful: Stateful, run: RunDir) -> Saver:
    """Build what takes the checkpoints of the run."""
    store = CheckpointStore(
        run,
        keep=config.checkpoint.keep,
        hours=config.checkpoint.keep_hours,
        score=held_out_score(run, config) if config.checkpoint.keep_best else None,
    )
    return Saver(
        store=store,
        buffer=stateful.buffer,
        curriculum=stateful.curriculum,
        statistics=stateful.statistics,
        planner=stateful.planner,
        every=config.checkpoint.every,
        timeout_s=config.stream.step_timeout_s,
        trace=started.trace,
        first=started.rollouts.flush,
        background=config.checkpoint.background,
        named=started.learner.rest_on if isinstance(started.learner, SurvivingLearner) else None,
        early=started.early,
    )
