"""Length budgets and rewards: worked examples of docs/methods/lengths.md#how-long; limits that save
tokens."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curricula.base import Ctx
from curricula.lengths.dynamic_budget import DynamicBudget
from curricula.lengths.kimi_length import KimiLength
from curricula.lengths.length_rewards import falling, overlong, relative_to_group, triangular, well_formed
from curricula.lengths.length_schedules import continuous, exponential, interpolated
from curricula.lengths.overlong import Overlong
from curricula.lengths.staged_length import StagedLength
from curricula.lengths.train_long_think_short import TrainLongThinkShort
from curricula.stack import CurriculumStack
from rollout.types import (
    Completion,
    FinishReason,
    Prompt,
    RewardResult,
    Rollout,
    RolloutGroup,
    SamplingConfig,
    VersionSpan,
)
from tests.unit.curricula.stacks import POOL, built, new_store, plan_next, stat
from tests.unit.curricula.worlds import World

HUNDRED = np.array([0, 50, 100, 150, 200, 201])
TAGGED = "<think>so</think> <answer>4</answer>"


def ctx(step: int = 0, *, total_steps: int = 600, max_tokens: int = 512) -> Ctx:
    return Ctx(
        step=step, total_steps=total_steps, seed=0, pool=POOL, store=new_store(), max_tokens=max_tokens
    )


def group_of(lengths: list[int], correct: list[bool], *, text: str = "", limit: int = 512) -> RolloutGroup:
    rollouts = []
    for length, right in zip(lengths, correct, strict=True):
        completion = Completion(
            token_ids=np.zeros(length, dtype=np.int32),
            behavior_logprobs=np.zeros(length, dtype=np.float32),
            loss_mask=np.ones(length, dtype=bool),
            spans=(VersionSpan(0, length, 0),),
            finish_reason=FinishReason.STOP,
        )
        rollouts.append(
            Rollout(completion=completion, text=text, result=RewardResult(value=float(right), correct=right))
        )
    prompt = Prompt(id="p0", text="", token_ids=(1,), answer="")
    return RolloutGroup(
        group_id=0,
        plan_step=0,
        prompt=prompt,
        sampling=SamplingConfig(max_tokens=limit),
        rollouts=tuple(rollouts),
    )


def test_exponential_schedule() -> None:
    at = {step: exponential(step, start=256, gamma=0.7, every=150) for step in (0, 149, 150, 300, 450)}
    assert at == {
        0: 256,
        149: 256,
        150: pytest.approx(179.2),
        300: pytest.approx(125.44),
        450: pytest.approx(87.808),
    }
    assert exponential(10**6, start=256, gamma=0.7, every=150) == 1


@pytest.mark.parametrize(
    ("decays", "factor", "lasts"), [(1, 0.33984, 300), (3, 0.69785, 150), (7, 0.85712, 75)]
)
def test_interpolated_schedule_of_the_ablation(decays: int, factor: float, lasts: int) -> None:
    levels = [interpolated(s, start=256, final=87, decays=decays, total_steps=600) for s in range(600)]
    changes = [s for s in range(1, 600) if levels[s] != levels[s - 1]]
    assert changes == [lasts * (k + 1) for k in range(decays)]
    assert levels[lasts] / levels[0] == pytest.approx(factor, abs=5e-6)
    assert levels[-1] == pytest.approx(87)


def test_levels_of_three_decays() -> None:
    steps = (0, 150, 300, 450)
    exp = [interpolated(s, start=256, final=87, decays=3, total_steps=600) for s in steps]
    linear = [interpolated(s, start=256, final=87, decays=3, total_steps=600, linear=True) for s in steps]
    assert exp == pytest.approx([256, 178.65, 124.67, 87], abs=5e-3)
    assert linear == pytest.approx([256, 199.67, 143.33, 87], abs=5e-3)


def test_triangular_and_band_rewards() -> None:
    assert triangular(HUNDRED, 100).tolist() == [0, 0.5, 1, 0.5, 0, 0]
    assert falling(HUNDRED, 100).tolist() == [1, 1, 1, 0.5, 0, 0]


@given(target=st.floats(1, 1000), share=st.floats(0, 3))
def test_rewards_have_no_jumps_and_agree_above_the_target(target: float, share: float) -> None:
    around = np.array([share * target, share * target + 1e-6 * target])
    for reward in (triangular, falling):
        values = reward(around, target)
        assert abs(values[1] - values[0]) < 1e-5 and ((values >= 0) & (values <= 1)).all()
    if share >= 1:
        assert triangular(around, target).tolist() == falling(around, target).tolist()


def test_the_worked_reward_of_three_parts() -> None:
    """Right, 150 tokens at L = 100, both tags, weights .6, .3, .1: .85."""
    part = TrainLongThinkShort(
        start=100, gamma=1, every=1, weight=0.3, correctness_weight=0.6, format_weight=0.1
    )
    components = part.shape(ctx(), group_of([150], [True], text=TAGGED))
    assert {name: values.tolist() for name, values in components.items()} == {
        "length": pytest.approx([0.15]),
        "format": pytest.approx([0.1]),
        "correctness_weight": pytest.approx([-0.4]),
    }
    assert 1 + sum(float(v[0]) for v in components.values()) == pytest.approx(0.85)


def test_tags_count_half_each_and_only_once() -> None:
    plain = Prompt(id="p", text="2?", token_ids=(), answer="")
    texts = (TAGGED, "<think>a</think>", "</think><think>", TAGGED + TAGGED, "")
    assert [well_formed(plain, t) for t in texts] == [1, 0.5, 0, 0, 0]
    opened = replace(plain, text="2?[THINK]", thinking_tags=("[THINK]", "[/THINK]"))
    assert [well_formed(opened, t) for t in ("a[/THINK]<answer>4</answer>", "a[/THINK]", TAGGED)] == [
        1,
        0.5,
        0.5,
    ]


def test_wrong_answers_earn_for_length_unless_gated() -> None:
    group = group_of([100, 100], [True, False])
    free = TrainLongThinkShort(start=100, gamma=1, every=1, weight=0.5)
    gated = TrainLongThinkShort(start=100, gamma=1, every=1, weight=0.5, only_if_correct=True)
    assert free.shape(ctx(), group)["length"].tolist() == [0.5, 0.5]
    assert gated.shape(ctx(), group)["length"].tolist() == [0.5, 0]


def test_limits_are_what_the_reward_can_still_see() -> None:
    schedule: dict[str, Any] = {"start": 256, "gamma": 0.7, "every": 150}
    for mode, limits in (
        ("triangular", [512, 359, 251, 176]),
        ("band", [512, 359, 251, 176]),
        ("hard", [256, 179, 125, 87]),
    ):
        part = TrainLongThinkShort(mode=mode, **schedule)
        assert [int(part.length_budget(ctx(s), np.arange(1))[0]) for s in (0, 150, 300, 450)] == limits
        assert [int(part.shown_budget(ctx(s), np.arange(1))[0]) for s in (0, 150, 300, 450)] == [
            256,
            179,
            125,
            87,
        ]
    assert TrainLongThinkShort(mode="hard", **schedule).shape(ctx(), group_of([5], [True])) == {}


def test_without_a_start_the_budget_begins_where_the_run_can_see_it() -> None:
    soft, hard = (
        TrainLongThinkShort(final_share=0.25, decays=1),
        TrainLongThinkShort(mode="hard", final_share=0.25, decays=1),
    )
    assert [soft.budget(ctx(s, max_tokens=64)) for s in (0, 599)] == [32, 8]
    assert [hard.budget(ctx(s, max_tokens=64)) for s in (0, 599)] == [64, 16]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"gamma": 0.7}, "gamma and every go together"),
        ({"gamma": 0.7, "every": 10, "schedule": "linear"}, "gamma is for schedule=exponential"),
        ({"gamma": 0.7, "every": 10, "final": 8}, "leave out final"),
        ({"start": 16, "final": 32}, "final=32 is above start=16"),
        ({"decays": 0}, "greater than or equal to 1"),
        ({"mode": "soft"}, "mode"),
    ],
)
def test_contradictory_schedules_are_refused(args: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainLongThinkShort(**args)


def test_dynamic_budget_example() -> None:
    part = DynamicBudget(start=512, gamma=0.5, per_steps=100, least=32)
    budgets = [part.budget(ctx(s, total_steps=2000)) for s in (0, 100, 250, 1000)]
    assert budgets == pytest.approx([512, 256, 90.51, 32], abs=5e-3)
    assert continuous(100, start=512, gamma=0.5, per=100, least=300) == 300
    assert DynamicBudget(start=100, per_share=0.5).budget(ctx(300)) == 50
    with pytest.raises(ValueError, match="least=64 is above start=32"):
        DynamicBudget(start=32, least=64)


def test_kimi_example() -> None:
    lengths, correct = np.array([100.0, 200, 300, 500]), np.array([True, True, False, False])
    assert relative_to_group(lengths, correct).tolist() == [0.5, 0.25, 0, -0.5]
    assert relative_to_group(np.full(3, 7.0), np.ones(3, dtype=bool)).tolist() == [0, 0, 0]


def test_kimi_warms_up_and_leaves_groups_without_success_alone() -> None:
    part = KimiLength(weight=0.2, warmup_share=0.5)
    group = group_of([100, 200, 300, 500], [True, True, False, False])
    wrong = group_of([100, 500], [False, False])
    assert part.shape(ctx(299), group)["kimi_length"].tolist() == [0] * 4
    assert part.shape(ctx(300), group)["kimi_length"] == pytest.approx([0.1, 0.05, 0, -0.1])
    assert part.shape(ctx(300), wrong)["kimi_length"].tolist() == [0, 0]
    assert KimiLength(weight=0.2, in_all_wrong=True).shape(ctx(599), wrong)["kimi_length"] == pytest.approx(
        [0, -0.1]
    )


def test_overlong_follows_the_limit_that_the_group_was_sampled_under() -> None:
    assert overlong(np.array([50, 80, 90, 100]), limit=100, buffer_share=0.2) == pytest.approx(
        [0, 0, -0.5, -1]
    )
    part = Overlong(buffer_share=0.2, penalty=2)
    lengths = [50, 80, 90, 100]
    assert part.shape(ctx(), group_of(lengths, [True] * 4, limit=100))["overlong"] == pytest.approx(
        [0, 0, -1, -2]
    )
    assert part.shape(ctx(), group_of(lengths, [True] * 4, limit=200))["overlong"].tolist() == [0, 0, 0, 0]


def test_the_curriculum_and_the_algorithm_punish_alike() -> None:
    torch = pytest.importorskip("torch")
    from types import SimpleNamespace

    from rl.objective.shaping.overlong import overlong as of_the_algorithm

    lengths = np.arange(0, 101, 5)
    samples = SimpleNamespace(lengths=torch.tensor(lengths), max_tokens=100)
    theirs = of_the_algorithm(
        torch.zeros(len(lengths), dtype=torch.float64), samples, buffer_share=0.3, penalty=1.0
    )
    assert overlong(lengths, limit=100, buffer_share=0.3) == pytest.approx(theirs.numpy())


def test_a_falling_budget_reaches_plans_and_ages_statistics() -> None:
    store = new_store()
    args = {"mode": "hard", "start": 64, "final": 16, "decays": 1}
    stack = built(
        store, length={"name": "train_long_think_short", "args": args}, allocator={"name": "knapsack"}
    )
    first = stack.plan(0, total_steps=2, num_prompts=20, rollout_budget=160)
    assert first.max_tokens is not None and set(first.max_tokens.tolist()) == {64}
    assert first.metrics["curriculum/max_tokens_mean"] == first.metrics["curriculum/length_budget_mean"] == 64
    stack.observe(0, [stat(i, n=8, correct=4) for i in range(20)])
    assert store.num_comparable(np.arange(20)).tolist() == [8.0] * 20
    second = stack.plan(1, total_steps=2, num_prompts=20, rollout_budget=160)
    assert second.max_tokens is not None and set(second.max_tokens.tolist()) == {16}
    assert store.num_comparable(np.arange(20)).tolist() == [2.0] * 20, (
        "two halvings, a half each, before the plan was allocated"
    )


def test_observations_that_come_late_keep_the_budget_they_were_drawn_under() -> None:
    args = {"mode": "hard", "start": 64, "final": 32, "decays": 1}
    slots: dict[str, Any] = {"length": {"name": "train_long_think_short", "args": args}}
    early, late = new_store(), new_store()
    prompt, late_stack = built(early, **slots), built(late, lag=3, **slots)
    for stack, delay in ((prompt, 0), (late_stack, 3)):
        for step in range(40):
            plan_next(stack, step)
            if step >= delay:
                stack.observe(step - delay, [stat(0, n=8, correct=4, step=step - delay)])
        for step in range(40 - delay, 40):
            stack.observe(step, [stat(0, n=8, correct=4, step=step)])
    where = np.array([0])
    assert early.budget_clock == late.budget_clock == 1.0
    assert early.num_comparable(where) == pytest.approx(20 * 8 * 0.5 + 20 * 8)
    assert late.num_comparable(where) == pytest.approx(early.num_comparable(where))
    assert late.counts(where)[0] == pytest.approx(early.counts(where)[0])


def test_a_resume_while_observations_are_pending_keeps_their_budgets() -> None:
    args = {"mode": "hard", "start": 64, "final": 4, "decays": 4}
    slots: dict[str, Any] = {
        "length": {"name": "train_long_think_short", "args": args},
        "allocator": {"name": "knapsack"},
    }

    def run(stack: CurriculumStack, first: int, last: int) -> list[tuple[list[int], list[int]]]:
        """Plans come two ahead of their observations, and of the lag nothing is left over."""
        made = []
        for step in range(first, last):
            plan = plan_next(stack, step, num_prompts=10, budget=80)
            made.append((plan.prompt_indices.tolist(), plan.num_rollouts.tolist()))
            if step >= 2:
                stack.observe(step - 2, [stat(i, n=8, correct=i % 9, step=step - 2) for i in range(20)])
        return made

    store = new_store()
    whole = built(store, lag=2, **slots)
    early = run(whole, 0, 17)
    saved, statistics = json.loads(json.dumps([whole.state_dict(), store.state_dict()]))
    assert len(early) == 17 and len({clock for _, clock in saved["clocks"]}) == 2, (
        "plans under two budgets are still out"
    )
    rest = run(whole, 17, 40)
    again = new_store()
    again.load_state_dict(statistics)
    resumed = built(again, lag=2, **slots)
    resumed.load_state_dict(saved)
    assert run(resumed, 17, 40) == rest
    assert json.dumps(again.state_dict()) == json.dumps(store.state_dict())


def test_staged_length_rises_by_stage_and_a_longer_run_keeps_the_last() -> None:
    """64 tokens: 32, 48 and 64 in thirds of 12 steps."""
    part = StagedLength()
    limits = [
        int(part.length_budget(World().ctx(step, max_tokens=64), np.arange(1))[0]) for step in range(13)
    ]
    assert limits == [32] * 4 + [48] * 4 + [64] * 5
    assert StagedLength(shares=(0.001, 1.0)).length_budget(
        World().ctx(max_tokens=64), np.arange(2)
    ).tolist() == [1, 1]
    for shares in ((1.0, 0.5), (0.5, 0.5)):
        with pytest.raises(ValueError, match="do not rise"):
            StagedLength(shares=shares)
