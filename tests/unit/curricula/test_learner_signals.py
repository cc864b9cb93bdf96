"""Parts that ask the learner: what they ask, when they hear it, what a resume keeps.

Worked examples: docs/methods/prompts.md#pcl and docs/methods/prompts.md#gain-rl.
"""

import json

import numpy as np
import pytest

from curricula.measures.prompt_signals import PromptSignals
from curricula.prompts.gain import GainOrder
from curricula.prompts.pcl import IntermediatePrompts
from curricula.stack import CurriculumStack
from rl.run.prompt_signals import shared_tokens
from tests.unit.curricula.worlds import World

SIZE, PER_PLAN = 48, 4


def rate_of(index: int) -> float:
    """Even prompts are easy, odd ones of middling difficulty."""
    return 0.5 if index % 2 else 1.0


def answer(stack: CurriculumStack, world: World, step: int, plan: np.ndarray) -> PromptSignals:
    """What a learner would say: hidden states that tell even from odd, angles that fall with the index."""
    stats = [world.stat(int(i), n=8, correct=round(8 * rate_of(i)), step=step) for i in plan]
    wanted = stack.wanted_signals(step, stats)
    assert set(plan.tolist()) <= set(wanted.tolist())
    hidden = np.array([[1.0, 3.0 + rate_of(i), np.sin(i)] for i in wanted], dtype=np.float32).reshape(-1, 3)
    columns: dict[str, np.ndarray] = {
        "hidden": hidden,
        "intra": 1.0 - wanted / SIZE,
        "inter": np.zeros(len(wanted)),
    }
    signals = PromptSignals(
        version=step + 1, indices=wanted, columns={name: columns[name] for name in stack.signal_columns}
    )
    stack.observe(step, stats, signals=signals)
    return signals


def plan_of(stack: CurriculumStack, step: int) -> np.ndarray:
    return stack.plan(step, total_steps=20, num_prompts=PER_PLAN, rollout_budget=32).prompt_indices


def test_the_value_head_finds_prompts_of_middling_difficulty_that_nobody_has_seen() -> None:
    world = World(size=SIZE)
    stack = world.stack([IntermediatePrompts(source="value_head", unseen=0.0)])
    assert stack.signal_columns == ("hidden",)
    seen: set[int] = set()
    late = []
    for step in range(8):
        plan = plan_of(stack, step)
        late += [i for i in plan.tolist() if i not in seen] if step > 2 else []
        seen |= set(plan.tolist())
        asked = answer(stack, world, step, plan)
        assert len(asked.indices) <= PER_PLAN + 4 * PER_PLAN
    assert late and all(i % 2 for i in late)
    assert stack.metrics()["curriculum/pcl_head_error"] < 0.05
    assert stack.metrics()["curriculum/pcl_predicted"] == pytest.approx(0.5, abs=0.1)


def test_candidates_are_those_of_the_plan_however_many_prompts_later_ones_have() -> None:
    """As with spare groups: a larger plan is drawn before the learner answers for a smaller one."""
    world = World(size=SIZE)
    stack = world.stack([IntermediatePrompts(source="value_head")], lag=2)
    plans = [
        stack.plan(step, total_steps=20, num_prompts=size, rollout_budget=32).prompt_indices
        for step, size in enumerate((4, 5, 8))
    ]
    asked = answer(stack, world, 0, plans[0])
    assert len(asked.indices) <= 4 + 4 * 4
    again = world.stack([IntermediatePrompts(source="value_head")], lag=2)
    again.load_state_dict(json.loads(json.dumps(stack.state_dict())))
    for one in (stack, again):
        plan = one.plan(3, total_steps=20, num_prompts=8, rollout_budget=32).prompt_indices
        assert len(plan) == 8
    assert (
        answer(stack, world, 1, plans[1]).indices.tolist()
        == answer(again, world, 1, plans[1]).indices.tolist()
    )


def test_a_plan_chooses_from_the_newest_candidates_that_it_may_see() -> None:
    """At lag 2 plan 3 is the first to see plan 0's, however early they arrived."""
    world = World(size=SIZE)
    stack = world.stack([IntermediatePrompts(source="value_head")], lag=2)
    plans = [plan_of(stack, step) for step in range(3)]
    for step in range(2):
        asked = answer(stack, world, step, plans[step])
        if step == 0:
            first = set(asked.indices.tolist())
    assert stack.metrics()["curriculum/pcl_head_version"] == 1, "plan 1's are here, and are for plan 4"
    assert set(plan_of(stack, 3).tolist()) <= first
    assert stack.metrics()["curriculum/pcl_head_version"] == 1


def test_a_resumed_stack_goes_on_with_what_the_learner_said() -> None:
    for part, columns in (
        (lambda: IntermediatePrompts(source="value_head"), 1),
        (lambda: GainOrder(source="learner", width=4.0, stride=2.0), 2),
    ):
        world = World(size=SIZE)
        whole = world.stack([part()], lag=1)
        assert len(whole.signal_columns) == columns
        begin(whole)
        plans = [plan_of(whole, 0), plan_of(whole, 1)]
        for step in range(3):
            answer(whole, world, step, plans[step])
            plans.append(plan_of(whole, step + 2))
        store = world.new_store()
        again = world.stack([part()], lag=1, store=store)
        store.load_state_dict(json.loads(json.dumps(whole._store.state_dict())))
        again.load_state_dict(json.loads(json.dumps(whole.state_dict())))
        for step in range(3, 6):
            for stack in (whole, again):
                answer(stack, world, step, plans[step])
            left, right = plan_of(whole, step + 2), plan_of(again, step + 2)
            assert left.tolist() == right.tolist()
            plans.append(left)
        assert json.dumps(whole.state_dict()) == json.dumps(again.state_dict())


def begin(stack: CurriculumStack) -> None:
    wanted = stack.wanted_signals(-1, [])
    angles = (
        {"intra": 1.0 - wanted / SIZE, "inter": np.zeros(len(wanted))}
        if "intra" in stack.signal_columns
        else {}
    )
    stack.begin(PromptSignals(version=0, indices=wanted, columns=angles))


def test_gain_orders_the_pool_by_what_the_learner_measured_before_the_first_plan() -> None:
    world = World(size=SIZE)
    stack = world.stack([GainOrder(source="learner", width=2.0, stride=4.0)])
    assert stack.wanted_signals(-1, []).tolist() == list(range(SIZE))
    begin(stack)
    first = plan_of(stack, 0)
    assert first.max() < 12, "the highest angles first"
    signals = answer(stack, world, 0, first)
    assert signals.indices.tolist() == sorted(first.tolist()), "later the plan's own prompts only"
    assert stack.metrics()["curriculum/gain_signal"] == pytest.approx(np.mean(1.0 - first / SIZE))
    accuracy = np.mean([rate_of(i) for i in first])
    moved = 4 * (np.tanh(2 * (accuracy - 0.5)) + np.tanh(2 * np.mean(1.0 - first / SIZE)))
    assert stack.metrics()["curriculum/gain_position"] == pytest.approx(moved)


def test_weight_of_the_template_angle() -> None:
    world, part = World(size=3), GainOrder(source="learner", width=1.0, w_inter=2.0)
    columns = {"intra": np.array([0.3, 0.0, 0.2]), "inter": np.array([0.0, 0.2, 0.0])}
    stack = world.stack([part])
    stack.begin(PromptSignals(version=0, indices=np.arange(3), columns=columns))
    assert np.argsort(-part.prompt_logits(world.ctx(), np.arange(3))).tolist() == [1, 0, 2]


def test_sources_that_contradict_are_refused() -> None:
    with pytest.raises(ValueError, match="path gives a signal, source=learner measures it"):
        GainOrder(source="learner", path="angles.jsonl")
    with pytest.raises(ValueError, match="another source than value_head"):
        IntermediatePrompts(source="value_head").load_state_dict({})
    with pytest.raises(ValueError, match="another source than learner"):
        GainOrder(source="learner").load_state_dict({"mu": 3.0})


def test_without_such_a_part_nothing_is_asked() -> None:
    world = World(size=SIZE)
    for part in (IntermediatePrompts(), GainOrder()):
        if isinstance(part, GainOrder):
            world = World(size=SIZE, metadata=lambda i: {"angle": 1.0 - i / SIZE})
        stack = world.stack([part])
        assert stack.signal_columns == () and not len(stack.wanted_signals(-1, []))
    with pytest.raises(ValueError, match="before the first plan"):
        plan_of(stack, 0)
        stack.begin(PromptSignals(version=0, indices=np.arange(0), columns={}))


@pytest.mark.parametrize(
    ("prompts", "shared"),
    [
        ([(1, 2, 8, 5, 9), (1, 2, 7, 6, 4, 9), (1, 2, 8, 8, 9)], (2, 1)),
        ([(1, 2, 3), (1, 2, 3, 4, 3)], (1, 0)),
        ([(1, 2, 3, 4, 5, 6), (1, 2, 3, 4, 5, 6)], (4, 0)),
        ([(5, 6, 7), (8, 9, 4)], (0, 0)),
        ([(1,), (1, 2)], (0, 0)),
        ([(1, 2, 3, 4)], (0, 0)),
    ],
)
def test_the_template_is_what_all_prompts_share(
    prompts: list[tuple[int, ...]], shared: tuple[int, int]
) -> None:
    assert shared_tokens(prompts) == shared
