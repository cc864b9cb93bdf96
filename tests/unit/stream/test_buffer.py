"""Plans in, groups finished, batch s out: order, roll-over, staleness and restoring, without a clock."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from rl.stream.buffer import StreamBuffer
from rl.stream.plans import GroupState, GroupStatus, new_groups
from rl.stream.tickets import StalenessViolation
from rollout.types import SamplingConfig
from tests.unit.run.schemas.make import PROMPTS, finish
from tests.unit.run.state_values import same


def groups(step: int, count: int = 4, *, refill_round: int = 0) -> list[GroupState]:
    return new_groups(
        plan_step=step,
        refill_round=refill_round,
        prompts=PROMPTS[:count],
        num_rollouts=[2] * count,
        max_tokens=[8] * count,
        sampling=SamplingConfig(),
        run_seed=0,
    )


def drawn(*steps: int, max_staleness: int = 1, rollover_share: float = 0.5) -> StreamBuffer:
    buffer = StreamBuffer(max_staleness=max_staleness, rollover_share=rollover_share)
    for step in steps:
        assert buffer.can_open(confirmed_version=0) and buffer.open().step == step
        buffer.add(step, groups(step))
    return buffer


def waiting(buffer: StreamBuffer, count: int) -> list[int]:
    async def take() -> list[int]:
        return [(await buffer.next_waiting()).request.group_id for _ in range(count)]

    return asyncio.run(asyncio.wait_for(take(), 5))


def test_plans_come_one_by_one_as_weights_are_confirmed_and_groups_wait_in_order() -> None:
    buffer = drawn(0, 1)
    assert not buffer.can_open(confirmed_version=0) and buffer.next_step == 2
    assert buffer.can_open(confirmed_version=1), "a confirmed version never goes back"
    assert buffer.can_open(confirmed_version=0)
    ids = [g.request.group_id for plan in buffer.plans.values() for g in plan.groups]
    assert waiting(buffer, 8) == ids
    plans: Any = buffer.plans
    with pytest.raises(TypeError):
        plans[7] = plans[0]


def test_dropped_groups_are_missing_until_a_refill_is_opened() -> None:
    buffer = drawn(0)
    for group in buffer.plans[0].groups:
        finish(buffer, group, unjudged=True)
    assert buffer.plans[0].missing == 4 and buffer.closable(0)
    plan = buffer.open_refill(0, num_groups=4)
    buffer.add(0, groups(0, refill_round=plan.refill_round))
    assert buffer.plans[0].missing == 0 and not buffer.closable(0), "the replacements are still to come"
    assert len({g.request.group_id for g in plan.groups}) == 8


def test_late_groups_roll_over_within_the_share_and_those_too_old_are_named() -> None:
    buffer = drawn(0)
    for group in buffer.plans[0].groups[:2]:
        finish(buffer, group)
    assert not buffer.closable(0), "there is no next plan yet"
    buffer.add(buffer.open().step, groups(1))
    assert buffer.closable(0)
    sent, unsent = buffer.plans[0].groups[2:]
    sent.status, sent.issued_version = GroupStatus.INFLIGHT, 0
    assert buffer.roll_over(0) == [], "one step late is within the bound of 1"
    assert (buffer.plans[0].rolled_over, len(buffer.plans[0].groups)) == (2, 2)
    assert buffer.plans[1].groups[-2:] == [sent, unsent] and sent.plan_step == unsent.plan_step == 1
    assert buffer.can_open(confirmed_version=1)
    buffer.add(buffer.open().step, groups(2))
    for group in buffer.plans[1].groups[:4]:
        finish(buffer, group)
    assert buffer.closable(1)
    assert buffer.roll_over(1) == [sent], "two steps late is too old; the unsent one gets tokens of now"
    with pytest.raises(AssertionError):
        buffer.put_back(sent)
    sent.reset()
    buffer.put_back(sent)
    assert waiting(buffer, 13)[-1] == sent.request.group_id


def with_spare(*steps: int, max_staleness: int) -> StreamBuffer:
    """Plans of four groups, of which a batch takes three."""
    buffer = StreamBuffer(max_staleness=max_staleness, pipeline_depth=1, spare=1)
    for step in steps:
        assert buffer.can_open(confirmed_version=0)
        plan = buffer.open()
        buffer.add(step, groups(step, 3 + plan.spare))
    return buffer


def test_spare_groups_that_are_late_join_the_next_batch_which_draws_none_of_its_own() -> None:
    buffer = with_spare(0, 1, max_staleness=2)
    assert [plan.spare for plan in buffer.plans.values()] == [1, 0], "one in all"
    *first, late = buffer.plans[0].groups
    for group in first[:2]:
        finish(buffer, group)
    assert not buffer.closable(0)
    finish(buffer, first[2])
    late.status, late.issued_version = GroupStatus.INFLIGHT, 0
    assert buffer.closable(0) and not buffer.roll_over(0) and not buffer.cut(0)
    assert (buffer.plans[0].missing, buffer.plans[0].spare, buffer.plans[0].wanted) == (0, 0, 3)
    following = buffer.plans[1]
    assert (following.spare, following.wanted, following.groups[-1]) == (1, 3, late)
    buffer.discard(0)
    assert buffer.can_open(confirmed_version=1) and buffer.open().spare == 0


def test_a_batch_takes_no_more_than_it_wants_and_what_finished_beyond_goes_on() -> None:
    buffer = with_spare(0, 1, max_staleness=2)
    for number, one in enumerate(buffer.plans[0].groups):
        finish(buffer, one)
        assert one.group is not None
        one.group = replace(one.group, finished_at=float(number != 1))
    last = buffer.plans[0].groups[3]
    assert buffer.closable(0) and not buffer.roll_over(0, given={last.request.group_id})
    assert len(buffer.plans[0].kept()) == 4, "the learner has it"
    assert not buffer.roll_over(0)
    assert len(buffer.plans[0].kept()) == 3 and buffer.plans[1].kept() == [last]
    assert (buffer.plans[0].spare, buffer.plans[1].spare, buffer.plans[1].wanted) == (0, 1, 3)
    # Too old there: it trains now.
    strict = with_spare(0, 1, max_staleness=1)
    for one in strict.plans[0].groups:
        finish(strict, one)
        assert one.group is not None
    strict._tickets.max_staleness = 0
    assert not strict.roll_over(0) and not strict.cut(0) and len(strict.plans[0].kept()) == 4


def test_spare_groups_that_would_be_too_old_are_cut_and_never_sent() -> None:
    buffer = with_spare(0, 1, max_staleness=1)
    sent, *rest = buffer.plans[0].groups
    for group in rest:
        finish(buffer, group)
    sent.status, sent.issued_version = GroupStatus.INFLIGHT, -1
    assert buffer.closable(0) and not buffer.roll_over(0) and buffer.cut(0) == [sent]
    assert (sent.status, sent.kept, sent.reason, sent.group) == (GroupStatus.FINISHED, False, "late", None)
    assert buffer.plans[0].missing == 0 and not buffer.cut(0)
    again = StreamBuffer(max_staleness=1, spare=1)
    again.load_state_dict(buffer.state_dict())
    assert same(again.state_dict(), buffer.state_dict())


def test_a_late_spare_group_waits_for_a_plan_that_is_not_drawn_yet() -> None:
    buffer = with_spare(0, max_staleness=0)
    assert len(waiting(buffer, 3)) == 3
    *first, unsent = buffer.plans[0].groups
    for group in first:
        finish(buffer, group)
    assert buffer.closable(0) and not buffer.roll_over(0) and buffer.cut(0) == []
    again = StreamBuffer(max_staleness=0, spare=1)
    again.load_state_dict(buffer.state_dict())
    for one in (buffer, again):
        one.discard(0)
        assert one.can_open(confirmed_version=1)
        plan = one.open()
        assert (plan.spare, [g.request.group_id for g in plan.groups]) == (1, [unsent.request.group_id])
        one.add(1, groups(1, 3))
        assert plan.wanted == 3 and waiting(one, 4)[0] == unsent.request.group_id


def test_a_plan_that_was_drawn_too_small_does_not_close_empty() -> None:
    buffer = StreamBuffer(max_staleness=0, spare=4)
    plan = buffer.open()
    buffer.add(0, groups(0, 3))  # of the five that were asked for
    assert (plan.spare, plan.wanted) == (4, 1) and not buffer.closable(0)
    finish(buffer, plan.groups[0])
    assert buffer.closable(0)


def test_a_spare_group_stands_in_for_a_dropped_one() -> None:
    buffer = with_spare(0, max_staleness=0)
    first, *rest = buffer.plans[0].groups
    finish(buffer, first, unjudged=True)
    assert buffer.plans[0].missing == 0 and not buffer.closable(0)
    finish(buffer, rest[0], unjudged=True)
    for group in rest[1:]:
        finish(buffer, group)
    assert buffer.closable(0) and buffer.plans[0].missing == 1
    plan = buffer.open_refill(0, num_groups=1)
    buffer.add(0, groups(0, 1, refill_round=plan.refill_round))
    assert (plan.missing, plan.wanted) == (0, 3) and not buffer.closable(0)


def test_batches_are_consumed_in_plan_order_and_never_too_old() -> None:
    buffer = drawn(0, 1)
    for plan in buffer.plans.values():
        for group in plan.groups:
            finish(buffer, group)
    with pytest.raises(AssertionError, match="in plan order"):
        buffer.consume(1)
    assert buffer.consume(0) is buffer.plans[0]
    buffer.discard(0)
    assert buffer.consume(1).step == 1, "version 0 at step 1 is the bound"
    buffer.discard(1)
    assert buffer.can_open(confirmed_version=2)
    buffer.add(buffer.open().step, groups(2))
    for group in buffer.plans[2].groups:
        finish(buffer, group)
    with pytest.raises(StalenessViolation, match="staleness 2, allowed 0 to 1"):
        buffer.consume(2)


def test_restored_it_goes_on_where_it_was_with_nothing_in_flight() -> None:
    buffer = drawn(0, 1)
    first, second, third, _ = buffer.plans[0].groups
    finish(buffer, first)
    second.status, second.issued_version, second.issues = GroupStatus.INFLIGHT, 0, 3
    again = StreamBuffer(max_staleness=1)
    again.load_state_dict(buffer.state_dict())
    assert again.next_step == 2 and list(again.plans) == [0, 1]
    assert [g.status for g in again.plans[0].groups] == [GroupStatus.FINISHED, *[GroupStatus.WAITING] * 3]
    assert again.plans[0].groups[1].issues == 3, "what was tried counts"
    assert waiting(again, 7)[:2] == [second.request.group_id, third.request.group_id]
    assert second.status is GroupStatus.INFLIGHT, "the one that goes on is not touched"


def test_under_a_lower_bound_the_plans_that_are_open_keep_theirs() -> None:
    buffer = StreamBuffer(max_staleness=1)
    for step in (0, 1):
        assert buffer.can_open(confirmed_version=0) and buffer.open().step == step
        buffer.add(step, groups(step, 2))
    finish(buffer, buffer.plans[1].groups[0])  # of version 0
    buffer.discard(0)
    again = StreamBuffer(max_staleness=0)
    again.load_state_dict(buffer.state_dict())
    assert len(waiting(again, 1)) == 1
    finish(again, again.plans[1].groups[1])  # sent before version 1 was there
    assert len(again.consume(1).kept()) == 2
    again.discard(1)
    assert not again.can_open(confirmed_version=1), "plan 2 waits for version 2"
    assert again.can_open(confirmed_version=2)
    again.open()
    again.add(2, groups(2, 1))
    finish(again, again.plans[2].groups[0])  # of version 0
    with pytest.raises(StalenessViolation, match="staleness 2, allowed 0 to 0"):
        again.consume(2)


def test_it_can_begin_at_any_step_with_nothing_known() -> None:
    buffer = StreamBuffer(max_staleness=0)
    buffer.begin_at(7)
    assert buffer.can_open(confirmed_version=7) and buffer.open().step == 7
    assert not buffer.can_open(confirmed_version=7)
    assert buffer.describe(8) == "plan 8 to be drawn"


def test_a_snapshot_is_of_its_time_and_can_be_made_into_a_state_anywhere() -> None:
    buffer = drawn(0, 1)
    finish(buffer, buffer.plans[0].groups[0])
    expected, frozen = buffer.state_dict(), buffer.snapshot()
    finish(buffer, buffer.plans[0].groups[1])
    buffer.plans[0].groups[2].status = GroupStatus.INFLIGHT
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(frozen).result()
    assert same(found, expected) and not same(found, buffer.state_dict())


def test_a_groups_statistic_is_made_when_it_is_judged_and_again_when_it_is_drawn_anew() -> None:
    buffer = drawn(0)
    group = buffer.plans[0].groups[0]
    finish(buffer, group)
    first = group.stat()
    assert first.kept and group.stat() is first
    buffer.finish(group, kept=False, reason="easy", indices=None)
    assert (group.stat().kept, group.stat().reason) == (False, "easy")
    group.reset()
    with pytest.raises(AssertionError):
        group.stat()
