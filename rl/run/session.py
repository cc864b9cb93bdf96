"""One attempt at a run: actors up, state restored, evaluate, train, evaluate, actors down."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from typing import Any

from rl.cluster.ray_watch import closing, when_ray_is_lost
from rl.config.algorithm import BrpoAdvantage
from rl.config.schema import Config
from rl.engines.fleet import EngineFleet
from rl.engines.follower import NodeFollower
from rl.engines.rollout_service import RolloutService
from rl.engines.thinking_budgets import AnytimeAnswers
from rl.learner.group import LearnerGroup
from rl.records.phases import Phases
from rl.records.progress import ProgressDisplay
from rl.records.rundir import RunDir
from rl.records.trace import TraceWriter
from rl.run.actors import Actors
from rl.run.base_files import replaced
from rl.run.build import Started, build_controller, build_stateful
from rl.run.checkpoint import Checkpoint
from rl.run.controller import Controller
from rl.run.evaluation.build import Asking
from rl.run.evaluation.desk import Beside, EvaluationDesk
from rl.run.evaluation.units import Unit, remove_superseded_counts
from rl.run.fingerprint.fingerprint import Fingerprint
from rl.run.loops import collector_spared
from rl.run.preload import begin_preload
from rl.run.prepare.inputs import Prepared
from rl.run.prepare.node_files import engine_problem
from rl.run.rollout_records import RolloutRecords
from rl.run.start import stream_changed
from rl.run.state import RunState
from rl.run.status import RunStatus
from rl.run.surviving_learner import Restarts, SurvivingLearner
from rl.run.turns import trace_turns
from rl.scorers.reward_model.scorer import Verifiers, verifiers_of, with_reward_model
from rl.scorers.reward_watch import RewardWatch
from rl.scorers.reward_weights import make_weigh
from rl.scorers.states import scorer_actors
from rl.scorers.verifiers import make_verifiers
from rl.stream.waits import as_loop
from rl.tasks.encoding import bare_ids
from rollout.weight_directory import WeightDirectory

logger = logging.getLogger(__name__)


class Session:
    """Owns the actors and files of one attempt. ``run`` is called once."""

    def __init__(
        self,
        *,
        config: Config,
        prepared: Prepared,
        run: RunDir,
        actors: Actors,
        checkpoint: Checkpoint | None,
        fingerprint: Fingerprint,
        phases: Phases,
        status: RunStatus,
        restarts: Restarts,
    ) -> None:
        self.config = config
        self.phases = phases
        self.status = status
        self.prepared = prepared
        self.run_dir = run
        self.actors = actors
        self.checkpoint = checkpoint
        self.restarts = restarts
        self.state = checkpoint.load_state() if checkpoint else RunState()
        self.stream_anew = checkpoint is not None and stream_changed(checkpoint.fingerprint(), fingerprint)
        """The checkpoint's weights go on with other prompts or another curriculum, which begin anew."""
        if self.stream_anew:
            self.state.begin_stream_anew()
        restore = checkpoint is not None and not self.stream_anew
        self.stateful = build_stateful(config, prepared, self.state, restore=restore)
        self.weights = WeightDirectory.fresh()
        batch = config.stream.prompts_per_step * config.stream.rollouts_per_prompt
        self.watch = RewardWatch(prepared.task.reward_name, first_batch=batch)
        self.attempt = status.attempt = run.begin_attempt(restored_step=self.state.version)
        remove_superseded_counts(run.eval, restored_step=self.state.version)
        self.rollouts = RolloutRecords(config.records, run, attempt=self.attempt)
        self.turns = actors.turns
        self.reserved: EngineFleet | None = None
        """Engines of evaluations beside the training."""
        self.early = asyncio.Event()
        self._preloading: asyncio.Task[None] | None = None
        """Held, since a task that nobody holds may be collected before it ends."""

    async def run(self) -> bool:
        """Train to the end or to an interrupt; True if it got to the end. The final model is then in
        ``RUN/model``."""
        async with self._actors() as (fleet, learner, scorer):
            trace = TraceWriter(self.run_dir.trace)
            trace_turns(self.turns, trace)
            weigh = make_weigh(self.config, self.prepared.task)
            answers = self._answers(fleet, scorer)
            service = self._service(fleet, scorer=scorer, trace=trace, expand=answers, weigh=weigh)
            with ProgressDisplay(
                self.config.run.steps, first_step=self.state.version, limit=self._seconds_left
            ) as progress:
                self._show(fleet, learner, scorer, eta_s=lambda: progress.eta_s)
                units = partial(self._units, scorer=verifiers_of(scorer), trace=trace)
                reserved = self.reserved is not None
                evaluations = EvaluationDesk(units(fleet), note=progress.note, beside=reserved)
                controller, recorder = build_controller(
                    self.config,
                    self.prepared,
                    Started(
                        fleet=fleet,
                        learner=learner,
                        scorer=scorer,
                        service=service,
                        evaluations=evaluations,
                        trace=trace,
                        progress=progress,
                        rollouts=self.rollouts,
                        early=self.early,
                        turns=self.turns,
                    ),
                    self.stateful,
                    state=self.state,
                    run=self.run_dir,
                    attempt=self.attempt,
                    weights=self.weights.path,
                )
                if self.reserved is not None:
                    sync = controller.parts.sync
                    beside = Beside(
                        fleet=self.reserved,
                        units=units(self.reserved),
                        newest=sync.newest,
                        directory=self.weights.path,
                    )
                    evaluations.go_beside(beside)
                with recorder, self.rollouts:
                    await controller.parts.sync.connect()
                    await controller.parts.sync.calibrate(timeout_s=self.config.stream.group_timeout_s)
                    await self._restore(controller, learner)
                    try:
                        return await self._train(controller, evaluations, learner)
                    finally:
                        await evaluations.abandon()

    def _show(
        self,
        fleet: EngineFleet,
        learner: LearnerGroup,
        scorer: Verifiers,
        *,
        eta_s: Callable[[], float | None] | None = None,
    ) -> None:
        """Let ``RUN/status.json`` tell of these actors."""
        self.status.watch(
            step=lambda: self.state.version,
            actors=lambda: [
                *fleet.actors(),
                *(self.reserved.actors() if self.reserved is not None else ()),
                *learner.actors(),
                *scorer_actors(scorer),
            ],
            eta_s=eta_s,
        )

    def _seconds_left(self) -> float | None:
        """Until ``run.wall_clock_s`` or ``run.rollout_token_budget`` ends the training, at the pace so
        far."""
        run, totals = self.config.run, self.state.totals
        left = [] if run.wall_clock_s is None else [run.wall_clock_s - totals.train_s]
        if run.rollout_token_budget is not None and totals.rollout_tokens:
            left.append((run.rollout_token_budget / totals.rollout_tokens - 1) * totals.train_s)
        return max(0.0, min(left)) if left else None

    async def _restore(self, controller: Controller, learner: LearnerGroup) -> None:
        """Bring learner, engines and curriculum to the checkpoint's version."""
        if self.checkpoint is None:
            return
        self.phases(f"restoring step {self.state.version}")
        await learner.load(str(self.checkpoint.learner_dir))
        await controller.parts.sync.push(await controller.parts.sync.publish(self.state.version))
        logger.info("resumed at step %d from %s", self.state.version, self.checkpoint.path)

    async def _train(
        self, controller: Controller, evaluations: EvaluationDesk, learner: LearnerGroup
    ) -> bool:
        self.status.state = "running"
        if self.state.version == 0:
            self.phases("evaluating the base")
            await evaluations.whole(self.state.version)
        elif missed := evaluations.missed(self.state.version):
            self.phases(
                f"evaluating version {self.state.version}, as the last attempt did not: {', '.join(missed)}"
            )
            await evaluations.catch_up(self.state.version)
        if self.state.version < self.config.run.steps:
            self.run_dir.set_model_aside()
        self.phases("training")
        controller.parts.recorder.begin()
        interrupts, loop = _Interrupts(controller, self.status), asyncio.get_running_loop()

        def lost(reason: str) -> None:  # called in a thread
            loop.call_soon_threadsafe(interrupts.stop, reason)

        with interrupts, when_ray_is_lost(lost), collector_spared():
            finished = await controller.run()
        if not finished:
            closing()
            return False
        # The model first: whatever happens to the evaluation, the training is not lost.
        self.phases("exporting the trained model")
        with replaced(self.run_dir.model) as staging:
            await learner.export(str(staging), base=str(self.run_dir.base))
        self.phases("evaluating the trained policy")
        await evaluations.whole(self.state.version)
        return True

    # -- parts -----------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _actors(self) -> AsyncIterator[tuple[EngineFleet, LearnerGroup, Verifiers]]:
        """Engines, learner ranks and verifiers, started side by side and stopped whatever happens."""
        config, task = self.config, self.prepared.task
        fleet, learner, fleets = self.actors.fleet, self.actors.learner, self.actors.fleets
        self.reserved = self.actors.reserved
        if isinstance(learner, SurvivingLearner):
            learner.begin_at(self.checkpoint, self.restarts)
        verifiers = make_verifiers(config, task.reward_name, task.reward_args)
        scorer = with_reward_model(verifiers, config.reward_model)
        engines = config.rollout.num_engines + config.evaluation.engines
        ranks = config.learner.num_ranks
        self.phases(
            f"starting {_count(engines, 'engine')}, {_count(ranks, 'learner rank')} and the verifiers,"
            " loading the model"
        )
        self._show(fleet, learner, scorer)
        try:
            async with self.status.ticking(), self._following(fleet):
                self._preloading = begin_preload(config)
                with as_loop("start"):
                    await start_actors(fleets, learner, scorer, one_gpu=config.cluster.name == "gpu1")
                yield fleet, learner, scorer
        except (asyncio.CancelledError, KeyboardInterrupt):
            # The user left at once (a second Ctrl-C): nobody waits for the step or the file that an actor is
            # at.
            for one in fleets:
                one.kill()
            learner.kill()
            raise
        finally:
            await self.turns.end()
            stops = [one.stop() for one in fleets]
            await asyncio.gather(*stops, learner.close(), scorer.close(), return_exceptions=True)
            self.weights.remove()

    def _following(self, fleet: EngineFleet) -> AbstractAsyncContextManager[None]:
        """The block in which an elastic fleet follows the nodes."""
        if not self.config.cluster.elastic:
            return nullcontext()
        follower = NodeFollower(
            fleet=fleet,
            placed=self.actors.placed,
            admit=partial(engine_problem, self.prepared.model_path),
            grace_s=self.config.stream.step_timeout_s,
            hasten=self.early.set,
        )
        return follower.following()

    def _service(
        self, fleet: EngineFleet, *, scorer: Verifiers, trace: TraceWriter, **more: Any
    ) -> RolloutService:
        """``more``: over what the run's own prompts need."""
        return RolloutService(
            fleet=fleet,
            scorer=scorer,
            group_timeout_s=self.config.stream.group_timeout_s,
            max_issues=self.config.stream.max_issues,
            trace=trace,
            **{"decode": self.prepared.decode(), "watch": self.watch, **more},
        )

    def _answers(self, fleet: EngineFleet, scorer: Verifiers) -> AnytimeAnswers | None:
        """Answers at thinking budgets, where the objective reads them."""
        advantage = self.config.algorithm.advantage
        if not isinstance(advantage, BrpoAdvantage):
            return None
        return AnytimeAnswers(
            fleet=fleet,
            scorer=scorer,
            decode=self.prepared.decode(),
            marker=tuple(bare_ids(self.prepared.tokenizer, [advantage.budgets.end_of_thinking])[0]),
            config=advantage.budgets,
            run_seed=self.config.run.seed,
            timeout_s=self.config.stream.group_timeout_s,
        )

    def _units(self, fleet: EngineFleet, *, scorer: Verifiers, trace: TraceWriter) -> list[Unit]:
        """The units that these engines evaluate."""
        asking = Asking(
            config=self.config,
            prepared=self.prepared,
            run=self.run_dir,
            fleet=fleet,
            scorer=scorer,
            service=partial(self._service, fleet, trace=trace),
            watch=self.watch,
            rollouts=self.rollouts,
        )
        return asking.units()


async def start_actors(
    fleets: Sequence[EngineFleet], learner: LearnerGroup, scorer: Verifiers, *, one_gpu: bool
) -> None:
    """Start engines, learner ranks and verifiers side by side; on one shared GPU the learner waits for the
    engine.

    vLLM counts whatever device memory is taken while it starts as its own, and sizes its cache by the rest.
    """
    starts = [fleet.start() for fleet in fleets]
    if one_gpu:
        await asyncio.gather(*starts, scorer.start())
        await learner.start()
    else:
        await asyncio.gather(*starts, learner.start(), scorer.start())


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


class _Interrupts:
    """First Ctrl-C or SIGTERM: finish the step, checkpoint, leave. A second one, of either kind, does what it
    would outside this block."""

    def __init__(self, controller: Controller, status: RunStatus) -> None:
        self._controller, self._status = controller, status
        self._before = signal.getsignal(signal.SIGTERM)

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._once)

    def _once(self) -> None:
        self._remove()
        self.stop("interrupted")

    def stop(self, why: str) -> None:
        """Finish the step, checkpoint, leave."""
        logger.warning("%s: finishing the step, then writing a checkpoint (again to leave at once)", why)
        self._controller.stop()
        self._status.state = "stopping"

    def _remove(self) -> None:
        """Take the handlers out; asyncio leaves Python's own for SIGINT, and none for SIGTERM."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        signal.signal(signal.SIGTERM, self._before)

    def __exit__(self, *exc: object) -> None:
        self._remove()
