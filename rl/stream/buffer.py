"""The stream buffer: plans in, groups finished, batch s out.

::

    open ──► plan s ──► add ──► WAITING ──► next_waiting ──► finish ──► FINISHED ──► consume(s) ──► discard(s)
              │                   ▲                            │          │
              │                   └────── put_back ◄── stale ──┘          └── roll_over(s): the late ones
              └── one step ticket each                                        go to plan s + 1; spare ones
                                                                              that cannot are cut

Pure bookkeeping, in one event loop: nothing here awaits but ``next_waiting``. What a group needs of engines
and rewards is the rollout service's business, and who wakes whom the controller's.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from rl.stream.plans import LATE, GroupState, GroupStatus, PlanState
from rl.stream.saved import SavedGroupState, SavedPlan, SavedStream
from rl.stream.tickets import Tickets


class StreamBuffer:
    """Plans drawn and not yet trained, with their groups; issues the step tickets that bound staleness."""

    def __init__(
        self,
        *,
        max_staleness: int,
        pipeline_depth: int | None = None,
        rollover_share: float = 0.0,
        spare: int = 0,
    ) -> None:
        """An empty buffer whose next plan is 0.

        Args:
            max_staleness: in steps; see ``rl.stream.tickets``.
            pipeline_depth: plans ahead of the confirmed weights; None = ``max_staleness``.
            rollover_share: of a plan's groups that may go to the next plan for being late.
            spare: groups in flight beyond those that the open plans' batches take.
        """
        self._tickets = Tickets(max_staleness, pipeline_depth)
        self._rollover_share = rollover_share
        self._spare = spare
        self._plans: dict[int, PlanState] = {}
        self._late: list[GroupState] = []
        """Spare groups for the next plan, which is not drawn yet."""
        self._waiting: asyncio.Queue[GroupState] = asyncio.Queue()

    @property
    def plans(self) -> Mapping[int, PlanState]:
        """Step -> plan; to look at."""
        return MappingProxyType(self._plans)

    def describe(self, step: int) -> str:
        """How far plan ``step`` is, for messages."""
        plan = self._plans.get(step)
        return (
            f"plan {step} to be drawn"
            if plan is None
            else f"plan {step}: {plan.num_finished} of {len(plan.groups)} groups finished"
        )

    # -- plans in --------------------------------------------------------------------------------------------

    @property
    def next_step(self) -> int:
        """The plan that the next ticket is for."""
        return self._tickets.next_step

    @property
    def depth(self) -> int:
        """Plans that may be ahead of the confirmed weights."""
        return self._tickets.depth

    def begin_at(self, step: int) -> None:
        """Make ``step`` the first plan: the run goes on from there with nothing in flight."""
        self._tickets.load_state_dict({"version": 1, "next_step": step, "confirmed_version": step})

    def can_open(self, *, confirmed_version: int) -> bool:
        """True if the next plan may be drawn, now that every live engine holds ``confirmed_version``."""
        self._tickets.confirm(confirmed_version)
        return self._tickets.can_issue()

    def open(self) -> PlanState:
        """Take the ticket of the next plan; its groups, ``spare`` more than its batch takes with those that
        are late, are to be added before anything awaits, so that a checkpoint sees the plan either whole or
        not at all."""
        step = self._tickets.issue()
        left = sum(max(0, p.spare + p.refilled - p.num_dropped) for p in self._plans.values())
        late, self._late = self._late, []
        spare = len(late) + max(0, self._spare - left - len(late))
        self._plans[step] = PlanState(step=step, groups=late, spare=spare)
        return self._plans[step]

    def open_refill(self, step: int, *, num_groups: int) -> PlanState:
        """Begin another round of plan ``step``, of ``num_groups`` replacements for dropped groups."""
        plan = self._plans[step]
        plan.refill_round += 1
        plan.refilled += num_groups
        return plan

    def add(self, step: int, groups: Iterable[GroupState]) -> None:
        """Groups drawn for plan ``step`` wait for an engine from now on."""
        for group in groups:
            self._plans[step].groups.append(group)
            self._waiting.put_nowait(group)

    # -- groups finished -------------------------------------------------------------------------------------

    async def next_waiting(self) -> GroupState:
        """The next group that is to be sent to an engine, in the order in which they were added. Waits
        without a limit: having none is normal."""
        while True:
            group = await self._waiting.get()
            if group.reason != LATE:
                return group

    def finish(self, group: GroupState, *, kept: bool, reason: str, indices: Sequence[int] | None) -> None:
        """Write down what the curriculum says of a group that is whole: whether it trains, why not, and which
        of its rollouts (None = all)."""
        assert group.status is GroupStatus.FINISHED, "only a whole group is judged"
        group.kept, group.reason = kept, reason
        group.indices = None if indices is None else tuple(indices)
        group.summarise()

    def put_back(self, group: GroupState) -> None:
        """A group that was reset is to be sent again."""
        assert group.status is GroupStatus.WAITING
        self._waiting.put_nowait(group)

    # -- batch s out -----------------------------------------------------------------------------------------

    def closable(self, step: int) -> bool:
        """True if plan ``step`` is whole, has all that its batch takes, or is late by no more than the share
        that may roll over to a plan that exists."""
        plan = self._plans.get(step)
        if plan is None:
            return False
        if plan.finished or (plan.spare and len(plan.kept()) >= plan.wanted):
            return True
        late = len(plan.groups) - plan.num_finished
        return step + 1 in self._plans and late <= self._rollover_share * len(plan.groups)

    def roll_over(self, step: int, *, given: Collection[int] = ()) -> list[GroupState]:
        """Move late groups to the next plan; returns those in flight whose oldest token would be too old
        there, which must be drawn again.

        Of a plan with spare groups, those that finished beyond what its batch takes go too, but for the ids
        that were ``given`` to the learner; and those that would be too old stay, for ``cut``.
        """
        plan, stale = self._plans[step], []
        spare = plan.spare > 0
        late = [g for g in plan.groups if g.status is not GroupStatus.FINISHED]
        for group in [*late, *self._surplus(plan, given)]:
            too_old = not self._fresh_at(group, step + 1)
            if spare and too_old:
                continue
            if spare:
                plan.spare -= 1
            self._move(group, plan, spare=spare)
            if too_old:
                stale.append(group)
        return stale

    def _surplus(self, plan: PlanState, given: Collection[int]) -> list[GroupState]:
        """Groups that finished last, of those that train, beyond what the batch takes; none without spare
        ones."""
        if not plan.spare:
            return []
        ended = {g.request.group_id: g.group.finished_at for g in plan.kept() if g.group is not None}
        kept = sorted(plan.kept(), key=lambda g: ended[g.request.group_id])
        return [group for group in kept[plan.wanted :] if group.request.group_id not in given]

    def _fresh_at(self, group: GroupState, step: int) -> bool:
        if group.group is not None:
            oldest = group.group.min_policy_version
        elif group.status is GroupStatus.WAITING:  # it will get tokens of today's weights
            return True
        else:
            oldest = group.issued_version
        return self._tickets.is_fresh(step=step, min_policy_version=oldest)

    def _move(self, group: GroupState, plan: PlanState, *, spare: bool) -> None:
        plan.groups.remove(group)
        plan.rolled_over += 1
        group.plan_step = plan.step + 1
        following = self._plans.get(plan.step + 1)
        if following is None:
            self._late.append(group)
            return
        following.groups.append(group)
        following.spare += spare

    def cut(self, step: int) -> list[GroupState]:
        """Drop what is still to come of plan ``step``, whose batch has all that it takes; returns the groups
        in flight, which engines need not finish."""
        late = [g for g in self._plans[step].groups if g.status is not GroupStatus.FINISHED]
        in_flight = [g for g in late if g.status is GroupStatus.INFLIGHT]
        for group in late:
            group.status = GroupStatus.FINISHED
            self.finish(group, kept=False, reason=LATE, indices=None)
        return in_flight

    def consume(self, step: int) -> PlanState:
        """Plan ``step``, whose batch is to be trained now by version ``step``.

        Raises:
            StalenessViolation: a group that is kept is older than the bound.
        """
        plan = self._plans[step]
        self.assert_fresh(step, plan.kept())
        return plan

    def assert_fresh(self, step: int, groups: Iterable[GroupState]) -> None:
        """Check finished groups of plan ``step`` that the learner, at version ``step``, is to have now.

        Raises:
            StalenessViolation: one is older than the bound.
        """
        assert step == min(self._plans), "batches are consumed in plan order"
        for group in groups:
            assert group.group is not None
            self._tickets.assert_fresh(step=step, min_policy_version=group.group.min_policy_version)

    def discard(self, step: int) -> None:
        """Plan ``step`` was trained: it is history."""
        del self._plans[step]

    # -- checkpoints -----------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Plain data and arrays, exact; shares the arrays of finished groups, which never change."""
        return self.snapshot()()

    def snapshot(self) -> Callable[[], dict[str, Any]]:
        """Freeze the state of now; the function returned makes the ``state_dict`` of it, in any thread.

        Joining the tokens of finished groups takes long where there are millions; freezing does not.
        """
        tickets = self._tickets.state_dict()
        plans = [replace(p, groups=[replace(group) for group in p.groups]) for p in self._plans.values()]
        late = [replace(group) for group in self._late]
        return lambda: SavedStream(
            tickets=tickets, plans=list(map(SavedPlan.of, plans)), late=list(map(SavedGroupState.of, late))
        ).model_dump()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore. Nothing is in flight afterwards: groups that were are drawn again as a whole; finished
        ones stay. Under a bound that is lower than it was, the plans that are open keep the old one.

        Raises:
            ValueError: it is not what ``state_dict`` gave.
        """
        saved = SavedStream.model_validate(state)
        self._tickets.load_state_dict(saved.tickets)
        self._plans, self._late = saved.plans_by_step(), [group.state() for group in saved.late]
        self._waiting = asyncio.Queue()
        for plan in self._plans.values():
            oldest = [g.group.min_policy_version for g in plan.kept() if g.group is not None]
            version = min([*oldest, self._tickets.confirmed_version])
            self._tickets.inherit(step=plan.step, min_policy_version=version)
        for group in [*(g for plan in self._plans.values() for g in plan.groups), *self._late]:
            if group.status is not GroupStatus.FINISHED:
                group.reset()
                self._waiting.put_nowait(group)
