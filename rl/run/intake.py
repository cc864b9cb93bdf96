"""Batch s on its way to the learner: put together whole, and with ``stream.inside_batch`` trained in parts
while the rest of it is still being sampled (docs/decisions/0009-inside-a-batch.md)."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from curricula.stack import CurriculumStack
from rl.batch.assemble import joined, trained_groups
from rl.batch.types import StepResult, TrainingBatch
from rl.config.schema import Config
from rl.records.trace import TraceWriter
from rl.stream.buffer import StreamBuffer
from rl.stream.plans import GroupState, PlanState
from rl.stream.waiting import Signal
from rollout.types import RolloutGroup

if TYPE_CHECKING:
    from rl.learner.group import LearnerGroup

logger = logging.getLogger(__name__)

LEAST_SHARE = 1 / 4
"""The least that is given to a learner that waits, as a share of a micro-batch of every rank. A pass over
much less takes as long, and what is left to do after the last group is up to so much."""
Batched = tuple[PlanState, list[RolloutGroup], TrainingBatch | None]
"""A plan, the groups of it that train, and the batch made of them; None without any."""


class Intake:
    """One batch at a time, between the batches loop, which puts it, and the learner loop, which takes it."""

    def __init__(
        self,
        *,
        config: Config,
        buffer: StreamBuffer,
        curriculum: CurriculumStack,
        learner: "LearnerGroup",
        annotate: Callable[[list[RolloutGroup]], list[RolloutGroup]],
        signal: Signal,
        stopped: asyncio.Event,
        trace: TraceWriter,
    ) -> None:
        """``annotate`` adds to a batch's groups what the objective wants to know beyond their rollouts;
        ``signal`` tells of every change that a loop may wait for."""
        self._config = config
        self._buffer = buffer
        self._curriculum = curriculum
        self._learner = learner
        self._annotate = annotate
        self._signal = signal
        self._stopped = stopped
        self._trace = trace
        self._put: Batched | None = None
        self._made: dict[int, RolloutGroup] = {}
        """By id, the groups of batches that may come in parts, as they train: made once, since what the
        curriculum adds to rewards may change while a batch fills."""
        self._given: set[int] = set()
        """Ids of the step's groups that the learner has."""
        self._num_parts = 0
        self.busy_s = 0.0
        """Seconds that the learner trained during the last ``take``."""
        self._in_parts = config.stream.inside_batch and self._possible()

    def _possible(self) -> bool:
        """Whether no part of the run needs whole batches; the log says which does."""
        why = self._learner.whole_batch
        if self._annotate is not list:
            why = "the objective wants more of a batch's groups than their rollouts"
        if self._curriculum.gives_credit:
            why = "a curriculum part gives token advantages"
        if why is not None:
            logger.warning("stream.inside_batch: whole batches are trained, because %s", why)
        return why is None

    # -- the batches loop ------------------------------------------------------------------------------------

    async def put(self, step: int) -> None:
        """Make the batch of plan ``step``, which is whole, and leave it when the one before was taken."""
        plan = self._buffer.plans[step]
        groups = self._groups(step, plan.kept())
        batch = await self._batch(step, groups) if groups else None
        await self._signal.until(
            lambda: self._put is None,
            timeout_s=self._config.stream.step_timeout_s,
            what=f"the learner to take batch {step - 1}",
        )
        self._put = (plan, groups, batch)
        self._signal.notify()

    def _groups(self, step: int, states: Sequence[GroupState]) -> list[RolloutGroup]:
        if not self._in_parts:
            credit = partial(self._curriculum.token_advantages, step)
            return trained_groups(
                states, shape=self._curriculum.shape, credit=credit, annotate=self._annotate
            )
        new = [state for state in states if state.request.group_id not in self._made]
        made = trained_groups(new, shape=self._curriculum.shape, credit=lambda _: None, annotate=list)
        self._made |= {group.group_id: group for group in made}
        return [self._made[state.request.group_id] for state in states]

    async def _batch(self, step: int, groups: list[RolloutGroup]) -> TrainingBatch:
        return await joined(step, groups, progress=step / self._config.run.steps)

    @property
    def given(self) -> frozenset[int]:
        """Ids of groups of the batch in progress that the learner has."""
        return frozenset(self._given)

    @property
    def is_full(self) -> bool:
        """A whole batch waits to be taken."""
        return self._put is not None

    # -- the learner loop ------------------------------------------------------------------------------------

    async def take(self, step: int) -> Batched | None:
        """Batch ``step`` when it is whole, or None once ``stop`` was called; the learner trains on its parts
        meanwhile."""
        self.busy_s = 0.0
        while self._put is None and not self._stopped.is_set():
            ready = self._part(step)
            if ready:
                await self._give(step, ready)
                continue
            await self._signal.until(
                lambda: self._put is not None or self._stopped.is_set() or bool(self._part(step)),
                timeout_s=self._config.stream.step_timeout_s,
                what=lambda: self._buffer.describe(step),
            )
        if self._put is None:
            if self._given:
                await self._learner.abandon()
            return None
        taken, self._put = self._put, None
        self._signal.notify()
        return taken

    async def train(self, taken: Batched) -> StepResult:
        """One optimizer step on a batch that was taken."""
        plan, _, batch = taken
        if batch is None:
            logger.warning(
                "step %d: no group kept (%s); the weights stay", plan.step, self._buffer.describe(plan.step)
            )
            result = StepResult(applied=False)
        elif self._given:
            rest = [state for state in plan.kept() if state.request.group_id not in self._given]
            part = await self._batch(plan.step, self._groups(plan.step, rest)) if rest else None
            result = await self._learner.complete(batch, part)
        else:
            result = await self._learner.train(batch)
        if self._in_parts and batch is not None:
            result.metrics["learner/parts"] = float(self._num_parts + 1)
        for state in plan.groups:
            self._made.pop(state.request.group_id, None)
        self._given.clear()
        self._num_parts = 0
        return result

    def _part(self, step: int) -> list[GroupState]:
        """Groups of plan ``step`` that wait for the learner, if they are worth a call."""
        if not self._in_parts or step not in self._buffer.plans:
            return []
        learner = self._config.learner
        waiting = [g for g in self._buffer.plans[step].kept() if g.request.group_id not in self._given]
        enough = LEAST_SHARE * learner.num_ranks * learner.micro_batch_tokens
        return waiting if sum(g.num_tokens for g in waiting) >= enough else []

    async def _give(self, step: int, states: list[GroupState]) -> None:
        started, began = time.time(), time.monotonic()
        self._buffer.assert_fresh(step, states)
        # Before anything awaits: the batches loop may close the plan meanwhile, and must leave them in it.
        self._given |= {state.request.group_id for state in states}
        await self._learner.accumulate(await self._batch(step, self._groups(step, states)))
        self._num_parts += 1
        seconds = time.monotonic() - began
        self.busy_s += seconds
        self._trace.complete(
            "learner parts", f"part of {step}", started, started + seconds, groups=len(states)
        )
