"""The stack: plans in order, every observation once, resume bit for bit, conflicts by name."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curricula import CURRICULA, build_curriculum
from curricula.allocators.knapsack import Knapsack
from curricula.base import Allocation, Ctx, Curriculum, FilterDecision, Plan
from curricula.drawing.uniform import EqualAllocator, UniformSampler
from curricula.filters.mixed import MixedOutcomes
from curricula.pool import PromptPool
from curricula.stack import CurriculumStack
from curricula.traits import Trait
from rl.config.curriculum import CurriculumConfig
from rollout.statistics import StatisticsStore
from rollout.types import (
    Completion,
    FinishReason,
    Prompt,
    RewardResult,
    Rollout,
    RolloutGroup,
    RolloutStat,
    SamplingConfig,
    VersionSpan,
)

KEY = SamplingConfig().key
POOL = PromptPool.from_prompts(
    [
        Prompt(id=f"p{i}", text="", token_ids=(1,), answer="", category="ab"[i % 2], difficulty=i % 3)
        for i in range(20)
    ]
)
UNIFORM = {"sampler": UniformSampler(), "allocator": EqualAllocator()}


def new_store() -> StatisticsStore:
    return StatisticsStore(POOL.ids, sampling_key=KEY)


def stack_of(
    parts: Mapping[str, Curriculum], *, store: StatisticsStore | None = None, seed: int = 0, lag: int = 0
) -> CurriculumStack:
    return CurriculumStack(parts, pool=POOL, store=store or new_store(), seed=seed, lag=lag)


def built(store: StatisticsStore | None = None, *, lag: int = 0, **slots: Any) -> CurriculumStack:
    config = CurriculumConfig.model_validate(slots).model_dump()
    return build_curriculum(config, pool=POOL, store=store or new_store(), seed=0, lag=lag)


def stats_of(plan: Plan, step: int) -> list[RolloutStat]:
    """Outcomes fixed by (prompt, step): prompt i succeeds with probability i / 20."""
    out = []
    for index, n in zip(plan.prompt_indices.tolist(), plan.num_rollouts.tolist(), strict=True):
        correct = int(np.random.default_rng([index, step]).binomial(n, index / 20))
        out.append(stat(index, n=n, correct=correct, step=step))
    return out


def stat(index: int, *, n: int, correct: int, step: int = 0) -> RolloutStat:
    return RolloutStat(
        plan_step=step,
        prompt_id=f"p{index}",
        category="ab"[index % 2],
        difficulty=index % 3,
        sampling_key=KEY,
        num_rollouts=n,
        num_correct=correct,
        num_truncated=0,
        num_tokens=5 * n,
        min_policy_version=step,
        max_policy_version=step,
        kept=0 < correct < n,
    )


def group_of(outcomes: Sequence[bool], *, step: int = 0) -> RolloutGroup:
    completion = Completion(
        token_ids=np.array([1, 2], dtype=np.int32),
        behavior_logprobs=np.zeros(2, dtype=np.float32),
        loss_mask=np.ones(2, dtype=bool),
        spans=(VersionSpan(0, 2, step),),
        finish_reason=FinishReason.STOP,
    )
    rollouts = tuple(
        Rollout(completion=completion, text="", result=RewardResult(value=0.5 + i, correct=right))
        for i, right in enumerate(outcomes)
    )
    prompt = Prompt(id="p0", text="", token_ids=(1,), answer="")
    return RolloutGroup(
        group_id=0, plan_step=step, prompt=prompt, sampling=SamplingConfig(), rollouts=rollouts
    )


def plan_next(stack: CurriculumStack, step: int, *, num_prompts: int = 4, budget: int = 32) -> Plan:
    return stack.plan(step, total_steps=40, num_prompts=num_prompts, rollout_budget=budget)


def as_lists(plan: Plan) -> tuple[list[int], list[int]]:
    return plan.prompt_indices.tolist(), plan.num_rollouts.tolist()


def test_the_neutral_config_is_every_prompt_once_in_equal_groups() -> None:
    stack = built()
    plans = [plan_next(stack, step) for step in range(5)]
    assert sorted(i for plan in plans for i in plan.prompt_indices.tolist()) == list(range(20))
    assert all(plan.num_rollouts.tolist() == [8] * 4 for plan in plans)
    assert plans[0].max_tokens is None
    assert stack.filter_group(group_of([True, True])).action == "train"


def test_mixed_judges_raw_correctness_not_reward_unless_it_is_partial_credit() -> None:
    assert built(verdict={"name": "mixed"}).filter_group(group_of([False, False, False])) == FilterDecision()
    stack = built(verdict={"name": "mixed", "args": {"partial_credit": False}})
    plan_next(stack, 0)
    assert stack.filter_group(group_of([True, False])) == FilterDecision()
    assert stack.filter_group(group_of([True, True])) == FilterDecision(action="drop", reason="all_correct")
    assert stack.filter_group(group_of([False, False, False])) == FilterDecision(
        action="drop", reason="all_wrong"
    )


def test_knapsack_allocates_from_what_was_observed() -> None:
    store = new_store()
    stack = built(store, allocator={"name": "knapsack", "args": {"cap": 16}})
    first = plan_next(stack, 0, num_prompts=20, budget=160)
    assert first.num_rollouts.tolist() == [8] * 20
    assert first.metrics["curriculum/knapsack_unseen_ratio"] == 1.0
    stack.observe(0, [stat(i, n=8, correct=4 if i < 10 else 8) for i in range(20)])
    second = plan_next(stack, 1, num_prompts=20, budget=80)
    effective = second.prompt_indices < 10
    # All at the floor leaves 40. Prompts at 1/2 claim 3 each, so 10 go back to the solved ones and 30 to the
    # optimiser.
    assert set(second.num_rollouts[effective].tolist()) == {5}
    assert set(second.num_rollouts[~effective].tolist()) == {3}
    assert second.metrics["curriculum/knapsack_effective_ratio"] == 0.5
    assert second.metrics["curriculum/knapsack_effective_rollouts_ratio"] == pytest.approx(50 / 80)


def test_refills_go_on_with_the_same_cursor() -> None:
    stack, straight = built(), built()
    drawn = [plan_next(stack, 0, num_prompts=4), stack.refill(0, round=1, num_prompts=2, rollout_budget=10)]
    drawn.append(plan_next(stack, 1, num_prompts=4))
    assert drawn[1].num_rollouts.tolist() == [5, 5]
    whole = straight.plan(0, total_steps=9, num_prompts=10, rollout_budget=20)
    assert [i for plan in drawn for i in plan.prompt_indices.tolist()] == whole.prompt_indices.tolist()


def test_every_observation_reaches_the_store_once_and_parts_see_kept_and_dropped() -> None:
    class Witness(Curriculum):
        def __init__(self) -> None:
            self.seen: list[tuple[int, list[str]]] = []

        def observe(self, ctx: Ctx, stats: Sequence[RolloutStat]) -> None:
            self.seen.append((ctx.step, [s.prompt_id for s in stats]))

    store, witness = new_store(), Witness()
    stack = stack_of({**UNIFORM, "shape": witness}, store=store)
    plan_next(stack, 0)
    stack.observe(0, [stat(3, n=8, correct=0), stat(4, n=8, correct=5)])
    assert witness.seen == [(0, ["p3", "p4"])]
    assert store.num_observed(np.array([3, 4, 5])).tolist() == [8, 8, 0]
    with pytest.raises(ValueError, match="plan 0 observed, plan 1 is next"):
        stack.observe(0, [])
    with pytest.raises(ValueError, match="after the plan"):
        stack.observe(1, [])
    assert store.num_observed(np.array([3])).tolist() == [8]


def test_plans_come_in_order() -> None:
    stack = built()
    plan_next(stack, 0)
    with pytest.raises(ValueError, match="plan 0 asked for, plan 1 is next"):
        plan_next(stack, 0)
    with pytest.raises(ValueError, match="refill round 0"):
        stack.refill(0, round=0, num_prompts=1, rollout_budget=1)
    with pytest.raises(ValueError, match="refill round 1 of plan 1"):
        stack.refill(1, round=1, num_prompts=1, rollout_budget=1)


def test_with_a_lag_early_observations_do_not_change_the_next_plan() -> None:
    """Plan s sees plans <= s - 1 - lag, so an observation that comes in early waits."""
    store = new_store()
    stack = stack_of(UNIFORM, store=store, lag=1)
    everyone = np.arange(3)
    plan_next(stack, 0)
    stack.observe(0, [stat(0, n=8, correct=4)])
    plan_next(stack, 1)
    assert store.num_observed(everyone).tolist() == [0, 0, 0], "plan 1 must not see plan 0"
    stack.observe(1, [stat(1, n=8, correct=4)])
    plan_next(stack, 2)
    assert store.num_observed(everyone).tolist() == [8, 0, 0], "plan 2 sees plan 0, not plan 1"
    stack.observe(2, [stat(2, n=8, correct=4)])
    plan_next(stack, 3)
    assert store.num_observed(everyone).tolist() == [8, 8, 0]


def test_after_the_last_plan_everything_is_absorbed() -> None:
    store = new_store()
    stack = stack_of(UNIFORM, store=store, lag=3)
    for step in range(2):
        stack.plan(step, total_steps=2, num_prompts=4, rollout_budget=8)
    stack.observe(0, [stat(0, n=8, correct=4)])
    stack.observe(1, [stat(1, n=8, correct=4)])
    assert store.num_observed(np.array([0, 1])).tolist() == [8, 8]


CONFIGS: list[dict[str, Any]] = [
    {},
    {"verdict": {"name": "mixed"}, "allocator": {"name": "knapsack", "args": {"cap": 24, "min_count": 2}}},
    {"allocator": {"name": "knapsack", "args": {"cap": 24, "pass_rate": "beta", "min_count": 1}}},
]


def run(
    stack: CurriculumStack, steps: range, *, lag: int, plans: dict[int, Plan]
) -> list[tuple[list[int], list[int]]]:
    """Plan ``lag`` steps ahead of the observations, as an asynchronous run does."""
    out = []
    for step in steps:
        plans[step] = plan_next(stack, step)
        out.append(as_lists(plans[step]))
        if step % 3 == 0:
            out.append(as_lists(stack.refill(step, round=1, num_prompts=2, rollout_budget=9)))
        if step - lag in plans:
            stack.observe(step - lag, stats_of(plans[step - lag], step - lag))
    return out


@pytest.mark.parametrize("slots", CONFIGS)
@pytest.mark.parametrize("lag", [0, 2])
@settings(max_examples=8, deadline=None)
@given(cut=st.integers(0, 24))
def test_plans_after_a_resume_are_bit_identical(slots: dict[str, Any], lag: int, cut: int) -> None:
    straight = run(built(lag=lag, **slots), range(24), lag=lag, plans={})

    store, plans = new_store(), {}
    interrupted = built(store, lag=lag, **slots)
    before = run(interrupted, range(cut), lag=lag, plans=plans)
    saved = json.loads(json.dumps({"stack": interrupted.state_dict(), "store": store.state_dict()}))
    store = new_store()
    resumed = built(store, lag=lag, **slots)
    store.load_state_dict(saved["store"])
    resumed.load_state_dict(saved["stack"])
    assert resumed.state_dict() == saved["stack"]
    assert before + run(resumed, range(cut, 24), lag=lag, plans=plans) == straight


@pytest.mark.parametrize(
    "slots",
    [{}, {"allocator": {"name": "knapsack"}, "category": {"name": "sec"}}],
    ids=["uniform", "knapsack"],
)
def test_a_curriculum_that_begins_late_plans_from_there_and_resumes_as_any_other(
    slots: dict[str, Any],
) -> None:
    store, plans = new_store(), {}
    late = built(store, **slots)
    late.begin_at(7)
    assert not late.begun
    with pytest.raises(ValueError, match="plan 0 asked for, plan 7 is next"):
        plan_next(late, 0)
    before = run(late, range(7, 12), lag=0, plans=plans)
    assert late.begun
    with pytest.raises(ValueError, match="goes on from its state"):
        late.begin_at(20)
    saved = json.loads(json.dumps({"stack": late.state_dict(), "store": store.state_dict()}))
    straight = before + run(late, range(12, 16), lag=0, plans=dict(plans))
    store = new_store()
    resumed = built(store, **slots)
    store.load_state_dict(saved["store"])
    resumed.load_state_dict(saved["stack"])
    assert before + run(resumed, range(12, 16), lag=0, plans=plans) == straight


def test_metrics_report_the_last_plan_on_raw_correctness() -> None:
    stack = built()
    plan_next(stack, 0)
    stack.observe(0, [stat(0, n=8, correct=4), stat(1, n=24, correct=0)])
    metrics = stack.metrics()
    assert metrics["curriculum/effective_gradient_ratio"] == 0.25
    assert metrics["curriculum/effective_prompt_ratio"] == 0.5
    assert metrics["curriculum/all_negative_ratio"] == 0.5
    assert metrics["curriculum/epoch"] == 4 / 20
    assert metrics["curriculum/observed_prompts"] == 2
    assert metrics["curriculum/group_size_max"] == 8, "of the plan that was observed"


class SkipOdd(Curriculum):
    def skip(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        return indices % 2 == 1


class SkipAll(Curriculum):
    def skip(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        return np.ones(len(indices), dtype=bool)


class Budget(Curriculum):
    def __init__(self, tokens: int) -> None:
        self.tokens = tokens

    def length_budget(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        return np.where(indices == 0, 5, self.tokens)


class Band(Curriculum):
    traits = frozenset({Trait.DROPS_MIXED_GROUPS})

    def filter_group(self, ctx: Ctx, group: RolloutGroup) -> FilterDecision:
        return FilterDecision(action="drop", reason="band")


class Bonus(Curriculum):
    def shape(self, ctx: Ctx, group: RolloutGroup) -> Mapping[str, np.ndarray]:
        return {"bonus": np.full(len(group.rollouts), 0.25)}


class Broken(Curriculum):
    def allocate(self, ctx: Ctx, indices: np.ndarray) -> Allocation:
        return Allocation(num_rollouts=np.full(len(indices), 2, dtype=np.int64))


def test_skipped_prompts_are_passed_over_but_never_all_of_them_forever() -> None:
    plan = plan_next(stack_of({**UNIFORM, "skip": SkipOdd()}), 0, num_prompts=6)
    assert len(plan.prompt_indices) == 6
    assert all(plan.prompt_indices % 2 == 0)
    everything = plan_next(stack_of({**UNIFORM, "skip": SkipAll()}), 0, num_prompts=6)
    assert len(set(everything.prompt_indices.tolist())) == 6


def test_the_smallest_length_budget_holds() -> None:
    plan = plan_next(
        stack_of({**UNIFORM, "length": Budget(9), "shape": Budget(7)}), 0, num_prompts=20, budget=20
    )
    assert plan.max_tokens is not None
    assert plan.max_tokens.tolist() == [5 if i == 0 else 7 for i in plan.prompt_indices]


def test_shaping_adds_components_and_the_first_drop_decides() -> None:
    stack = stack_of({**UNIFORM, "shape": Bonus(), "verdict": MixedOutcomes(), "extra": Band()})
    plan_next(stack, 0)
    assert stack.shape(group_of([True, False]))["bonus"].tolist() == [0.25, 0.25]
    assert stack.filter_group(group_of([True, False])).reason == "band"
    assert stack.filter_group(group_of([True, True])).reason == "all_correct"
    assert stack.token_advantages(0, []) is None


def test_an_allocator_that_does_not_spend_the_budget_is_caught() -> None:
    with pytest.raises(AssertionError, match="spent 8 rollouts of 32"):
        plan_next(stack_of({"sampler": UniformSampler(), "allocator": Broken()}), 0)


def test_two_of_a_kind_are_refused_by_slot() -> None:
    with pytest.raises(ValueError, match=r"more than one allocator \(slots allocator, verdict\)"):
        stack_of({**UNIFORM, "verdict": Knapsack()})
    with pytest.raises(ValueError, match=r"more than one sampler \(slots sampler, skip\)"):
        stack_of({**UNIFORM, "skip": UniformSampler()})
    with pytest.raises(ValueError, match="no allocator"):
        stack_of({"sampler": UniformSampler()})


def test_a_band_filter_with_knapsack_warns(caplog: pytest.LogCaptureFixture) -> None:
    stack_of({"sampler": UniformSampler(), "allocator": Knapsack(), "verdict": MixedOutcomes()})
    assert not caplog.records
    stack_of({"sampler": UniformSampler(), "allocator": Knapsack(), "verdict": Band()})
    assert "verdict drops groups with a rare success, which allocator buys" in caplog.text


@pytest.mark.parametrize(
    ("slots", "message"),
    [
        (
            {"sampler": {"name": "unifrom"}},
            r"curriculum\.sampler\.name is 'unifrom': choose one of \[.*'equal'.*'uniform'",
        ),
        ({"sampler": {"name": "curricula.nowhere:Part"}}, "curricula.nowhere"),
        ({"sampler": {"name": "curricula.allocators.knapsack:Nothing"}}, "Nothing"),
        ({"verdict": {"name": "curricula.pool:PromptPool"}}, "must be a subclass"),
        (
            {"allocator": {"name": "knapsack", "args": {"flor": 2}}},
            r"curriculum\.allocator\.args.*flor.*it takes \['floor'",
        ),
        (
            {"allocator": {"name": "knapsack", "args": {"floor": "two"}}},
            r"curriculum\.allocator\.args: floor: Input should be a valid integer.*got 'two'",
        ),
        ({"allocator": {"name": "knapsack", "args": {"floor": 4, "cap": 2}}}, "cap=2 is below floor=4"),
    ],
)
def test_wrong_configs_name_the_slot(slots: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        built(**slots)


def test_parts_from_outside_are_named_by_module() -> None:
    stack = built(allocator={"name": "curricula.allocators.knapsack:Knapsack", "args": {"cap": 16}})
    assert plan_next(stack, 0).num_rollouts.sum() == 32


def test_a_budget_below_the_floor_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match=r"7 rollouts for 4 prompts, but floor=2 takes 8"):
        plan_next(built(allocator={"name": "knapsack"}), 0, budget=7)
    with pytest.raises(ValueError, match="4 prompts and 3 rollouts"):
        plan_next(built(), 0, budget=3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pool_size": 7}, "pool has 7 prompts"),
        ({"parts": {"sampler": {}}}, "slots"),
        ({"state_version": 9}, "version 9"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        built().load_state_dict({**built().state_dict(), **change})


@pytest.mark.parametrize("name", sorted(CURRICULA))
def test_contract_of_every_part(name: str) -> None:
    """Hooks are pure, observation of any group is safe, and the state survives JSON."""
    part, store = CURRICULA[name](), new_store()
    for i in range(10):
        store.add(stat(i, n=8, correct=i % 9))
    ctx = Ctx(step=1, total_steps=9, seed=0, pool=POOL, store=store, rollout_budget=40)
    indices, frozen = np.arange(10), json.dumps(part.state_dict())
    for hook, args in (
        ("draw", (ctx, 3, 4)),
        ("allocate", (ctx, indices)),
        ("prompt_logits", (ctx, indices)),
        ("skip", (ctx, indices)),
    ):
        once, twice = getattr(part, hook)(*args), getattr(part, hook)(*args)
        assert repr(once) == repr(twice)
    for outcomes in ([True], [False], [True, False]):
        assert part.filter_group(ctx, group_of(outcomes)) == part.filter_group(ctx, group_of(outcomes))
    assert json.dumps(part.state_dict()) == frozen, "only observe may change state"
    part.observe(ctx, [stat(0, n=2, correct=0), stat(1, n=1, correct=1)])
    again = CURRICULA[name]()
    again.load_state_dict(json.loads(json.dumps(part.state_dict())))
    assert again.state_dict() == part.state_dict()
    with pytest.raises(ValueError, match="checkpoint holds"):
        EqualAllocator().load_state_dict({"cursor": 3})


def test_randomness_depends_on_seed_step_round_and_name() -> None:
    def draw(name: str = "x", **changes: int) -> float:
        return (
            Ctx(**{"step": 1, "total_steps": 9, "seed": 0, "pool": POOL, "store": new_store(), **changes})
            .rng(name)
            .random()
        )  # type: ignore[arg-type]

    assert draw() == draw()
    assert len({draw(), draw(step=2), draw(seed=1), draw(round=1), draw("y")}) == 5
