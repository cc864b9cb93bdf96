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
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from curricula.base import FilterDecision, Plan
from curricula.measures.prompt_signals import PromptSignals
from curricula.stack import CurriculumStack
from rl.batch.assemble import trained_groups
from rl.batch.planner_targets import PlannerLoop
from rl.batch.types import StepResult, TrainingBatch
from rl.config.schema import Config
from rl.engines.rollout_service import RolloutService
from rl.run.prompt_signals import PromptSignalSource
from rl.run.recorder import Recorder, StepRecord
from rl.run.saver import Saver
from rl.run.state import RunState
from rl.stream.plans import UNJUDGED, GroupState, GroupStatus, PlanState, new_groups
from rl.stream.tickets import STALE, Tickets
from rl.stream.waiting import StreamTimeout, wait_for
from rl.weights.sync import Published, SyncReport, WeightSync
from rollout.types import Prompt, RolloutGroup, SamplingConfig

if TYPE_CHECKING:
    from rl.engines.fleet import EngineFleet
    from rl.learner.group import LearnerGroup

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the loops work with; built in ``rl.run.train``."""

    prompts: Sequence[Prompt]
    curriculum: CurriculumStack
    fleet: "EngineFleet"
    service: RolloutService
    learner: "LearnerGroup"
    sync: WeightSync
    saver: Saver
    recorder: Recorder
    annotate: Callable[[list[RolloutGroup]], list[RolloutGroup]] = list
    """What the objective wants to know of a batch's groups beyond their rollouts."""
    planner: PlannerLoop | None = None
    """Sets training targets between steps; None = the config's."""
    signals: PromptSignalSource | None = None
    """Asks the learner what curriculum parts want to know of prompts; None = none of them wants anything."""
    say_budget: Callable[[Prompt, int], Prompt] | None = None
    """Puts a length budget, in tokens, into a prompt whose template asks for it."""


class Controller:
    """Runs the loops from ``state`` to ``run.steps``. No algorithm lives here."""

    def __init__(self, *, config: Config, parts: Parts, state: RunState) -> None:
        self.config = config
        self.parts = parts
        self.state = state
        self.tickets = Tickets(config.stream.max_staleness, config.stream.pipeline_depth)
        self.tickets.load_state_dict(state.tickets or self.tickets.state_dict())
        self._signal = parts.fleet.changed
        self._batches: asyncio.Queue[tuple[PlanState, TrainingBatch | None]] = asyncio.Queue(maxsize=1)
        self._waiting: asyncio.Queue[GroupState] = asyncio.Queue()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._stopped = asyncio.Event()
        self._steps = config.run.steps
        self._sampling = SamplingConfig(
            temperature=config.rollout.temperature,
            top_p=config.rollout.top_p,
            max_tokens=config.rollout.max_tokens,
            ignore_eos=config.rollout.ignore_eos,
        )

    # -- life ------------------------------------------------------------------------------------------------

    async def run(self) -> bool:
        """Train until ``run.steps`` or ``stop``; True if it got to the end. A checkpoint is on disk when it
        returns; not of the end where ``checkpoint.at_end`` is off.

        Raises:
            Exception: whatever ended a loop; a group of them if several died at once.
        """
        await self._first_signals()
        for plan in self.state.plans.values():
            self._enqueue(plan.groups)
        loops = [asyncio.create_task(loop(), name=name) for name, loop in self._loops().items()]
        try:
            await _first_failure(loops, until=loops[-1])
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

    def _loops(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        return {
            "fleet": self.parts.fleet.watch,
            "saver": self.parts.saver.watch,
            "prompts": self._prompts_loop,
            "rollouts": self._rollouts_loop,
            "batches": self._batches_loop,
            "learner": self._learner_loop,
        }

    def _out_of_budget(self) -> bool:
        run, totals = self.config.run, self.state.totals
        out_of_tokens = (
            run.rollout_token_budget is not None and totals.rollout_tokens >= run.rollout_token_budget
        )
        return out_of_tokens or (run.wall_clock_s is not None and totals.train_s >= run.wall_clock_s)

    # -- prompts ---------------------------------------------------------------------------------------------

    async def _prompts_loop(self) -> None:
        """Consumes the curriculum; waits for step tickets; unblocked by confirmed versions; produces
        plans."""
        stream = self.config.stream
        while self.tickets.next_step < self._steps:
            await self._signal.until(
                self._ticket_free, timeout_s=stream.step_timeout_s, what=self._describe_ticket
            )
            # From here to the end of the body nothing awaits: a checkpoint sees a plan either whole or not at
            # all.
            step = self.tickets.issue()
            self.state.tickets = self.tickets.state_dict()
            self.state.plans[step] = PlanState(step=step)
            self._draw(self.state.plans[step], num_prompts=stream.prompts_per_step)

    def _ticket_free(self) -> bool:
        self.tickets.confirm(self.parts.fleet.confirmed_version)
        return self.tickets.can_issue()

    def _describe_ticket(self) -> str:
        return (
            f"the ticket of plan {self.tickets.next_step}: engines confirmed version"
            f" {self.tickets.confirmed_version}"
        )

    def _draw(self, plan: PlanState, *, num_prompts: int) -> None:
        """Ask the curriculum for groups: the plan itself in round 0, replacements for dropped groups
        later."""
        curriculum, per_prompt = self.parts.curriculum, self.config.stream.rollouts_per_prompt
        budget = num_prompts * per_prompt
        if plan.refill_round == 0:
            drawn = curriculum.plan(
                plan.step, total_steps=self._steps, num_prompts=num_prompts, rollout_budget=budget
            )
        else:
            drawn = curriculum.refill(
                plan.step, round=plan.refill_round, num_prompts=num_prompts, rollout_budget=budget
            )
        limits = (
            drawn.max_tokens
            if drawn.max_tokens is not None
            else [self._sampling.max_tokens] * len(drawn.prompt_indices)
        )
        groups = new_groups(
            plan_step=plan.step,
            refill_round=plan.refill_round,
            prompts=self._prompts_of(drawn),
            num_rollouts=[int(n) for n in drawn.num_rollouts],
            max_tokens=[int(limit) for limit in limits],
            sampling=self._sampling,
            run_seed=self.config.run.seed,
        )
        plan.groups += groups
        self._enqueue(groups)
        self._signal.notify()

    def _prompts_of(self, drawn: Plan) -> list[Prompt]:
        prompts = [self.parts.prompts[i] for i in drawn.prompt_indices]
        if self.parts.say_budget is None:
            return prompts
        shown = (
            drawn.shown_budgets
            if drawn.shown_budgets is not None
            else [self._sampling.max_tokens] * len(prompts)
        )
        return [
            self.parts.say_budget(prompt, int(tokens)) for prompt, tokens in zip(prompts, shown, strict=True)
        ]

    def _enqueue(self, groups: list[GroupState]) -> None:
        for group in groups:
            if group.status is GroupStatus.WAITING:
                self._waiting.put_nowait(group)

    # -- rollouts --------------------------------------------------------------------------------------------

    async def _rollouts_loop(self) -> None:
        """Consumes WAITING groups; unblocked by prompts, refills and roll-overs; produces FINISHED groups.

        Waits for work without a limit of its own: having none is normal, and the loops that wait for its
        results have limits.
        """
        async with asyncio.TaskGroup() as tasks:
            while True:
                group = await self._waiting.get()
                self._tasks[group.request.group_id] = tasks.create_task(self._finish(group))

    async def _finish(self, state: GroupState) -> None:
        group = await self.parts.service.finish(state)
        decision = (
            self.parts.curriculum.filter_group(group)
            if group.rollouts
            else FilterDecision(action="drop", reason=UNJUDGED)
        )
        state.kept = decision.action == "train"
        state.reason, state.indices = decision.reason, decision.indices
        self._tasks.pop(state.request.group_id, None)
        self._signal.notify()

    # -- batches ---------------------------------------------------------------------------------------------

    async def _batches_loop(self) -> None:
        """Consumes plans in order; waits for all groups of one; unblocked by rollouts; produces training
        batches."""
        for step in range(self.state.version, self._steps):
            await self._whole(step)
            plan = self.state.plans[step]
            curriculum = self.parts.curriculum
            groups = trained_groups(
                plan.kept(),
                shape=curriculum.shape,
                credit=partial(curriculum.token_advantages, step),
                annotate=self.parts.annotate,
            )
            batch = TrainingBatch.from_groups(step, groups, progress=step / self._steps) if groups else None
            await self._signal.until(
                lambda: not self._batches.full(),
                timeout_s=self.config.stream.step_timeout_s,
                what=f"the learner to take batch {step - 1}",
            )
            self._batches.put_nowait((plan, batch))

    async def _whole(self, step: int) -> None:
        """Wait until plan ``step`` has all its groups, refilling dropped ones while rounds are left."""
        stream = self.config.stream
        while True:
            await self._signal.until(
                lambda: step in self.state.plans and self._closable(self.state.plans[step]),
                timeout_s=stream.step_timeout_s,
                what=lambda: self._describe(step),
            )
            plan = self.state.plans[step]
            self._roll_over(plan)
            missing = plan.num_dropped - plan.refilled
            if missing <= 0 or plan.refill_round >= stream.refill_rounds:
                if missing > 0 and stream.refill_rounds > 0:
                    text = (
                        "step %d: the batch is %d groups short after %d refills (stream.refill_rounds); it"
                        " trains as it is"
                    )
                    logger.warning(text, step, missing, plan.refill_round)
                return
            plan.refill_round += 1
            plan.refilled += missing
            self._draw(plan, num_prompts=missing)

    def _closable(self, plan: PlanState) -> bool:
        """Whole, or late by no more than the share that may roll over to a plan that exists."""
        if plan.finished:
            return True
        late = len(plan.groups) - plan.num_finished
        return plan.step + 1 in self.state.plans and late <= self.config.stream.rollover_share * len(
            plan.groups
        )

    def _roll_over(self, plan: PlanState) -> None:
        """Move late groups to the next plan; one whose oldest token would be too old there is drawn again."""
        late = [g for g in plan.groups if g.status is not GroupStatus.FINISHED]
        for group in late:
            plan.groups.remove(group)
            plan.rolled_over += 1
            group.plan_step = plan.step + 1
            self.state.plans[plan.step + 1].groups.append(group)
            if group.status is GroupStatus.WAITING:
                continue  # not sent yet: it will get tokens of today's weights
            if not self.tickets.is_fresh(step=plan.step + 1, min_policy_version=group.issued_version):
                self._tasks.pop(group.request.group_id).cancel()
                self.parts.service.again(
                    group, STALE, f"its oldest token would be too old for batch {plan.step + 1}"
                )
                self._waiting.put_nowait(group)

    def _describe(self, step: int) -> str:
        plan = self.state.plans.get(step)
        return (
            f"plan {step} to be drawn"
            if plan is None
            else f"plan {step}: {plan.num_finished} of {len(plan.groups)} groups finished"
        )

    # -- learner ---------------------------------------------------------------------------------------------

    async def _learner_loop(self) -> None:
        """Consumes batch s; waits for it; unblocked by batches; produces version s + 1 on the engines."""
        push: asyncio.Task[SyncReport] | None = None
        while self.state.version < self._steps and not self._stopped.is_set() and not self._out_of_budget():
            record = StepRecord(step=self.state.version)
            taken = await self._next_batch()
            if taken is None:
                break
            plan, batch = taken
            record.wait_s = record.lap()
            result = await self._train(plan, batch)
            record.figures = self.parts.recorder.figures()
            record.train_s = record.lap()
            published = await self.parts.sync.publish(self.state.version)
            record.publish_s = record.lap()
            if push is not None:
                record.sync = await self._settled(push)
            push = asyncio.create_task(self._push(published))
            if self.parts.saver.due(self.state.version) and self.state.version < self._steps:
                await self.parts.saver.save(self.state, self.parts.learner)
                record.save_s = record.lap()
            if self.parts.recorder.evaluation_due(self.state.version):
                record.sync = await self._settled(push)
                record.lap()
                with self._signal.stopped_clock():
                    await self.parts.recorder.evaluate(self.state.version)
                record.evaluate_s = record.lap()
            self.parts.recorder.step(record, plan=plan, batch=batch, result=result, state=self.state)
        if push is not None:
            await self._settled(push)

    async def _next_batch(self) -> tuple[PlanState, TrainingBatch | None] | None:
        """The next batch, or None once ``stop`` was called."""
        get, stop = asyncio.create_task(self._batches.get()), asyncio.create_task(self._stopped.wait())
        try:
            done, _ = await asyncio.wait(
                {get, stop}, timeout=self.config.stream.step_timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                raise StreamTimeout(
                    f"waited {self.config.stream.step_timeout_s:g} s for {self._describe(self.state.version)}"
                )
            self._signal.notify()
            return get.result() if get in done else None
        finally:
            get.cancel()
            stop.cancel()

    async def _train(self, plan: PlanState, batch: TrainingBatch | None) -> StepResult:
        """One optimizer step, after which plan ``s`` is history and the version is ``s + 1``."""
        step = self.state.version
        assert plan.step == step, "batches are consumed in plan order"
        for group in plan.kept():
            assert group.group is not None
            self.tickets.assert_fresh(step=step, min_policy_version=group.group.min_policy_version)
        if batch is None:
            logger.warning("step %d: no group was kept (%s); the weights stay", step, self._describe(step))
            result = StepResult(applied=False)
        else:
            result = await self.parts.learner.train(batch)
        self.parts.recorder.trained(plan, applied=result.applied)
        signals = None
        if self.parts.signals is not None:
            started = time.perf_counter()
            wanted = self.parts.curriculum.wanted_signals(plan.step, plan.stats())
            signals = await self.parts.signals.ask(wanted, version=plan.step + 1)
            result.metrics["learner/signals_s"] = time.perf_counter() - started
        self._close(plan, signals)
        return result

    async def _first_signals(self) -> None:
        """What curriculum parts want to know of the base, before the first plan."""
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
        del self.state.plans[plan.step]
        self.parts.curriculum.observe(plan.step, stats, signals=signals)
        self.state.version = plan.step + 1
        if self.parts.planner is not None:
            self.parts.planner.advance(self.state.version)

    async def _push(self, published: Published) -> SyncReport:
        await self._calm()
        started = time.time()
        report = await self.parts.sync.push(published)
        self.parts.recorder.trace.complete(
            "sync", f"version {report.version}", started, time.time(), gap=report.probe_gap
        )
        self._signal.notify()
        return report

    async def _calm(self) -> None:
        """Let the one plan that is out come near its end before its weights change under it.

        It costs nothing that matters: where rollout is the slower half the learner would wait for that plan
        anyway, and where the learner is, the plan is done. No ticket is left until the push, so the plan does
        end.
        """
        stream = self.config.stream
        if self.tickets.depth != 1 or stream.push_at_share >= 1:
            return
        enough = stream.push_at_share * stream.prompts_per_step * stream.rollouts_per_prompt
        await self._signal.until(
            lambda: self.parts.fleet.outstanding <= enough,
            timeout_s=stream.step_timeout_s,
            what="the plan in flight to come near its end",
        )

    async def _settled(self, push: asyncio.Task[SyncReport]) -> SyncReport:
        limit = self.config.stream.step_timeout_s + self.config.stream.sync_timeout_s
        return await wait_for(asyncio.shield(push), limit, "the weight push")


async def _first_failure(tasks: list[asyncio.Task[None]], *, until: asyncio.Task[None]) -> None:
    """Return when ``until`` ends well; raise as soon as any task fails. Loops that end early on their own are
    fine."""
    pending = set(tasks)
    while until in pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        failures = [e for t in done if (e := t.exception()) is not None]
        if failures:
            raise _root_cause(BaseExceptionGroup("the run ended because its loops died", failures))


def _root_cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What the loops died of: one exception where all failures are of one kind, else the group."""
    leaves: list[BaseException] = []
    stack: list[BaseException] = [group]
    while stack:
        error = stack.pop()
        if isinstance(error, BaseExceptionGroup):
            stack += reversed(error.exceptions)
        else:
            leaves.append(error)
    if len({type(leaf) for leaf in leaves}) > 1:
        return group
    logger.error("the run ended because a loop died (%d failures of this kind)", len(leaves))
    return leaves[0]
