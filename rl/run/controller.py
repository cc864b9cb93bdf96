"""The controller: one process, no GPU, four loops.

::

    prompts ──► plans ──► rollouts ──► finished groups ──► batches ──► learner ──► weights
       ▲          │          │  ▲                             │           │           │
       │          │          ▼  │                             │           │           │
       │     (refills)    engines, rewards                    │           │           │
       └── observe(plan s), seen by plan s + 1 + max_staleness ◄──────────┴───────────┘           │
                                  ▲                                                   │
                                  └───────────── sync: publish, push, probe ◄─────────┘

========  =================  ==============================  =======================  =====================
loop      consumes           waits for                       unblocked by             produces
========  =================  ==============================  =======================  =====================
prompts   the curriculum     the ticket of plan s:           every live engine        plan s, groups WAITING
                             s - confirmed <=                confirming a version
                             pipeline_depth
rollouts  WAITING groups     a group to be waiting           prompts, refills, lost   groups FINISHED
                                                             engines
batches   plan s, in order   all groups of plan s            rollouts                 batch s
learner   batch s            batch s                         batches                  version s + 1
========  =================  ==============================  =======================  =====================

Training batch s is plan s (refills included) and is trained by version s, so staleness is bounded by the
ticket; it is asserted again at consumption. ``max_staleness=0`` is synchronous training through the same four
loops. Every await has a limit and a name; a loop that dies ends the run.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from curricula.base import FilterDecision
from curricula.measures.prompt_signals import PromptSignals
from curricula.stack import CurriculumStack
from rl.batch.planner_targets import PlannerLoop
from rl.batch.types import StepResult
from rl.config.schema import Config
from rl.engines.rollout_service import RolloutService
from rl.run.group_source import GroupSource
from rl.run.intake import Batched, Intake
from rl.run.loops import first_failure
from rl.run.prompt_signals import PromptSignalSource
from rl.run.pushes import Pushes
from rl.run.recorder import Recorder, StepRecord
from rl.run.rollout_records import RolloutRecords
from rl.run.rollout_rows import TrainedStep
from rl.run.saver import Saver
from rl.run.state import RunState
from rl.stream.background import in_background
from rl.stream.buffer import StreamBuffer
from rl.stream.plans import UNJUDGED, GroupState, PlanState
from rl.stream.tickets import STALE
from rl.stream.turns import LEARNER, Apart
from rl.stream.waits import as_loop, run_as_loop, waiting
from rl.weights.sync import WeightSync
from rollout.types import Prompt, RolloutGroup

if TYPE_CHECKING:
    from rl.engines.fleet import EngineFleet
    from rl.learner.group import LearnerGroup

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts that the loops work with; built in ``rl.run.train``."""

    prompts: Sequence[Prompt]
    buffer: StreamBuffer
    curriculum: CurriculumStack
    fleet: "EngineFleet"
    service: RolloutService
    learner: "LearnerGroup"
    sync: WeightSync
    saver: Saver
    recorder: Recorder
    with_objective_inputs: Callable[[list[RolloutGroup]], list[RolloutGroup]] = list
    """Adds to a batch's groups what the objective wants to know beyond their rollouts."""
    planner: PlannerLoop | None = None
    """Sets training targets between steps; None = the config's."""
    signals: PromptSignalSource | None = None
    """Asks the learner what curriculum parts want to know of prompts; None = none of them wants anything."""
    rollouts: RolloutRecords | None = None
    """Keeps the rollouts of every step; None = nobody does."""
    turns: Apart = field(default_factory=Apart)
    """On a device that engines and learner share."""
    with_length_budget: Callable[[Prompt, int], Prompt] | None = None
    """Writes a length budget, in tokens, into a prompt; None = the prompts' template has no place for it."""


class Controller:
    """Runs the loops from ``state`` to ``run.steps``. No algorithm lives here."""

    def __init__(self, *, config: Config, parts: Parts, state: RunState) -> None:
        self.config = config
        self.parts = parts
        self.state = state
        self._buffer = parts.buffer
        self._signal = parts.fleet.changed
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._stopped = asyncio.Event()
        self._steps = config.run.steps
        self._intake = Intake(
            config=config,
            buffer=parts.buffer,
            curriculum=parts.curriculum,
            learner=parts.learner,
            annotate=parts.with_objective_inputs,
            signal=self._signal,
            stopped=self._stopped,
            trace=parts.recorder.trace,
        )
        self._pushes = Pushes(
            config=config,
            buffer=parts.buffer,
            fleet=parts.fleet,
            sync=parts.sync,
            trace=parts.recorder.trace,
            # On a shared device the engines have slept and lost their KV cache: there is nothing to wait for.
            calm=not parts.turns.exclusive,
        )
        self._source = GroupSource(
            config=config,
            prompts=parts.prompts,
            curriculum=parts.curriculum,
            with_length_budget=parts.with_length_budget,
        )

    # -- life ------------------------------------------------------------------------------------------------

    async def run(self) -> bool:
        """Train until ``run.steps`` or ``stop``; True if it got to the end. A checkpoint is on disk when it
        returns; not of the end where ``checkpoint.at_end`` is off.

        Raises:
            Exception: whatever ended a loop; a group of them if several died at once.
        """
        await self._first_signals()
        loops = [
            asyncio.create_task(run_as_loop(name, loop()), name=name) for name, loop in self._loops().items()
        ]
        try:
            await first_failure(loops, until=loops[-1])
        finally:
            for task in loops:
                task.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
        finished = self.state.version >= self._steps or self._out_of_budget()
        if finished and not self.config.checkpoint.at_end:
            await self.parts.saver.settle()
        else:
            await self.parts.saver.save(self.state, self.parts.learner, final=True)
        return finished

    def stop(self) -> None:
        """Finish the optimizer step in progress, then return from ``run`` with a checkpoint."""
        self._stopped.set()
        self._signal.notify()

    def _loops(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        return {
            "fleet": self.parts.fleet.watch,
            "saver": self.parts.saver.watch,
            "pushes": self._pushes.watch,
            "advice": self.parts.recorder.advice.watch,
            "prompts": self._prompts_loop,
            "rollouts": self._rollouts_loop,
            "batches": self._batches_loop,
            "learner": self._learner_loop,
        }

    def _out_of_budget(self) -> bool:
        run, totals = self.config.run, self.state.totals
        budget = run.rollout_token_budget
        out_of_tokens = budget is not None and totals.rollout_tokens >= budget
        return out_of_tokens or (run.wall_clock_s is not None and totals.train_s >= run.wall_clock_s)

    # -- prompts ---------------------------------------------------------------------------------------------

    async def _prompts_loop(self) -> None:
        """Consumes the curriculum; waits for step tickets; unblocked by confirmed versions; produces
        plans."""
        stream = self.config.stream
        while self._buffer.next_step < self._steps:
            await self._signal.until(
                self._ticket_free, timeout_s=stream.step_timeout_s, what=self._describe_ticket
            )
            plan = self._buffer.open()
            self._draw(plan, num_prompts=stream.prompts_per_step + plan.spare - len(plan.groups))

    def _ticket_free(self) -> bool:
        return self._buffer.can_open(confirmed_version=self.parts.fleet.confirmed_version)

    def _describe_ticket(self) -> str:
        confirmed = self.parts.fleet.confirmed_version
        return f"the ticket of plan {self._buffer.next_step}: engines confirmed version {confirmed}"

    def _draw(self, plan: PlanState, *, num_prompts: int) -> None:
        self._buffer.add(plan.step, self._source.draw(plan, num_prompts=num_prompts))
        self._signal.notify()

    # -- rollouts --------------------------------------------------------------------------------------------

    async def _rollouts_loop(self) -> None:
        """Consumes WAITING groups; unblocked by prompts, refills and roll-overs; produces FINISHED groups.
        Having no work is normal: the loops that wait for its results have limits."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                with waiting("a group to sample"):
                    group = await self._buffer.next_waiting()
                self._tasks[group.request.group_id] = tasks.create_task(self._finish(group))

    async def _finish(self, state: GroupState) -> None:
        group = await self.parts.service.finish(state)
        decision = (
            self.parts.curriculum.filter_group(group)
            if group.rollouts
            else FilterDecision(action="drop", reason=UNJUDGED)
        )
        kept = decision.action == "train"
        self._buffer.finish(state, kept=kept, reason=decision.reason, indices=decision.indices)
        self._tasks.pop(state.request.group_id, None)
        self._signal.notify()

    # -- batches ---------------------------------------------------------------------------------------------

    async def _batches_loop(self) -> None:
        """Consumes plans in order; waits for all groups of one; unblocked by rollouts; produces training
        batches."""
        for step in range(self.state.version, self._steps):
            await self._whole(step)
            await self._intake.put(step)

    async def _whole(self, step: int) -> None:
        """Wait until plan ``step`` has all its groups, refilling dropped ones while rounds are left."""
        stream = self.config.stream
        while True:
            await self._signal.until(
                lambda: self._buffer.closable(step),
                timeout_s=stream.step_timeout_s,
                what=lambda: self._buffer.describe(step),
            )
            for group in self._buffer.roll_over(step, given=self._intake.given):
                self._draw_again(group)
            for group in self._buffer.cut(step):
                dropped = self._give_up(group, self._cancelled(group))
                in_background("late groups", dropped, what="dropping a late group")
            missing, rounds = self._buffer.plans[step].missing, self._buffer.plans[step].refill_round
            if missing > 0 and rounds < stream.refill_rounds:
                self._draw(self._buffer.open_refill(step, num_groups=missing), num_prompts=missing)
                continue
            if missing > 0 and stream.refill_rounds > 0:
                text = (
                    "step %d: the batch is %d groups short after %d refills (stream.refill_rounds); it"
                    " trains as it is"
                )
                logger.warning(text, step, missing, rounds)
            return

    def _draw_again(self, group: GroupState) -> None:
        """Sample a group in flight anew, with the weights of now."""
        self._cancelled(group)
        self.parts.service.reissue(
            group, STALE, f"its oldest token would be too old for batch {group.plan_step}"
        )
        self._buffer.put_back(group)

    def _cancelled(self, group: GroupState) -> asyncio.Task[None]:
        """At once: a verdict that is there already would make a group whole that is in no batch."""
        task = self._tasks.pop(group.request.group_id)
        task.cancel()
        return task

    async def _give_up(self, group: GroupState, task: asyncio.Task[None]) -> None:
        """Let engines drop a group in flight that no batch takes."""
        await asyncio.wait([task])
        await self.parts.fleet.abort(group.request.group_id)
        self._signal.notify()  # the engines have less to do now

    # -- learner ---------------------------------------------------------------------------------------------

    async def _learner_loop(self) -> None:
        """Consumes batch s; waits for it; unblocked by batches; produces version s + 1 on the engines."""
        parts, pushes, behind = self.parts, self._pushes, False
        while self.state.version < self._steps and not self._stopped.is_set() and not self._out_of_budget():
            record = StepRecord(step=self.state.version)
            taken = await self._intake.take(self.state.version)
            if taken is None:
                break
            plan, _, batch = taken
            record.train_s = self._intake.busy_s
            record.wait_s = record.lap() - record.train_s
            async with parts.turns.held(LEARNER, f"step {self.state.version}"):
                record.wait_s += record.lap()
                result = await self._train(taken)
                record.figures = parts.recorder.figures()
                record.train_s += record.lap()
                behind = self._keeps_its_turn()
                published = None if behind else await parts.sync.publish(self.state.version, batch)
                record.publish_s = record.lap()
                if parts.turns.exclusive:
                    await self._save(record)
            record.sync = await pushes.settled()
            if published is not None:
                pushes.begin(published)
            if not parts.turns.exclusive:
                await self._save(record)
            if parts.recorder.evaluation_due(self.state.version):
                if not parts.recorder.beside:
                    record.sync = await pushes.settled()
                record.lap()
                await self._evaluate()
                record.evaluate_s = record.lap()
            await parts.recorder.step(record, plan=plan, batch=batch, result=result, state=self.state)
        if behind:
            pushes.begin(await parts.sync.publish(self.state.version))
        await pushes.settled()

    def _keeps_its_turn(self) -> bool:
        """On a shared device the learner goes on with the next batch where that is whole, and publishes after
        it: engines would wake up only to fall asleep. Not where somebody waits for this version."""
        over = self._stopped.is_set() or self._out_of_budget()
        due = self.parts.recorder.evaluation_due(self.state.version)
        return self.parts.turns.exclusive and self._intake.is_full and not over and not due

    async def _save(self, record: StepRecord) -> None:
        if self.parts.saver.due(self.state.version) and self.state.version < self._steps:
            await self.parts.saver.save(self.state, self.parts.learner)
            record.save_s = record.lap()

    async def _evaluate(self) -> None:
        with (
            self._signal.stopped_clock(),
            waiting(f"the evaluation of version {self.state.version}"),
            as_loop("evaluation"),
        ):
            await self.parts.recorder.evaluate(self.state.version)

    async def _train(self, taken: Batched) -> StepResult:
        """One optimizer step, after which plan ``s`` is history and the version is ``s + 1``."""
        (plan, groups, batch), step = taken, self.state.version
        assert plan.step == step
        self._buffer.consume(step)
        result = await self._intake.train(taken)
        self.parts.recorder.trained(plan, applied=result.applied)
        await asyncio.sleep(0)  # what follows takes as long again
        if self.parts.rollouts is not None:
            over = TrainedStep(plan=plan, groups=groups, batch=batch, result=result)
            await self.parts.rollouts.trained(over)
        signals = None
        if self.parts.signals is not None:
            started = time.perf_counter()
            wanted = self.parts.curriculum.wanted_signals(plan.step, plan.stats())
            signals = await self.parts.signals.ask(wanted, version=plan.step + 1)
            result.metrics["learner/signals_s"] = time.perf_counter() - started
        self._close(plan, signals)
        return result

    async def _first_signals(self) -> None:
        """Ask what curriculum parts want to know of the base, before the first plan."""
        source, curriculum = self.parts.signals, self.parts.curriculum
        if source is not None and not curriculum.begun:
            curriculum.begin(await source.ask(curriculum.wanted_signals(-1, []), version=self.state.version))

    def _close(self, plan: PlanState, signals: PromptSignals | None) -> None:
        stats = plan.stats()
        sampled = [len(r.completion.token_ids) for group in plan.finished_groups() for r in group.sampled]
        totals = self.state.totals
        totals.rollouts += len(sampled)
        totals.rollout_tokens += sum(sampled)
        totals.groups_trained += len(plan.kept())
        totals.groups_dropped += plan.num_dropped
        self._buffer.discard(plan.step)
        self.parts.curriculum.observe(plan.step, stats, signals=signals)
        self.state.version = plan.step + 1
        if self.parts.planner is not None:
            self.parts.planner.advance(self.state.version)
