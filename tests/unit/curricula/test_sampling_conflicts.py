"""Rules 1, 2, 5, 6, 8, 10, 12 and 13 of docs/methods/conflicts.md#conflict-rules: each fires, and stays
silent where it should."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from curricula.allocators.cures import CuresAllocator, CuresSampler
from curricula.allocators.knapsack import Knapsack
from curricula.base import Ctx, Curriculum
from curricula.categories.dump import UpperConfidence
from curricula.categories.sec import SelfEvolving
from curricula.conflicts.rules import check
from curricula.drawing.uniform import EqualAllocator, UniformSampler
from curricula.filters.greso import Greso
from curricula.filters.mixed import MixedOutcomes
from curricula.filters.pods import Pods
from curricula.prompts.dots import DifficultyTargeted
from curricula.prompts.prioritized import Prioritized
from rl.config.load import ConfigError, load_config
from rollout.types import RolloutGroup
from tests.unit.curricula.worlds import World


def warnings(**slots: Curriculum) -> list[str]:
    return check({"sampler": UniformSampler(), "allocator": EqualAllocator(), **slots})


class MovingLength(Curriculum):
    def length_budget(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        return np.full(len(indices), 64 - ctx.step)


class Credit(Curriculum):
    def token_advantages(self, ctx: Ctx, groups: Sequence[RolloutGroup]) -> list[Any]:
        return [None for _ in groups]


def test_rule_1_two_samplers_on_a_level() -> None:
    with pytest.raises(ValueError, match=r"more than one sampler over categories \(slots category, skip\)"):
        warnings(category=SelfEvolving(), skip=UpperConfidence())
    with pytest.raises(ValueError, match=r"more than one sampler over prompts \(slots prompts, skip\)"):
        warnings(prompts=CuresSampler(), skip=DifficultyTargeted())
    assert warnings(category=SelfEvolving(), prompts=DifficultyTargeted()) == []


def test_rule_2_two_allocators() -> None:
    with pytest.raises(ValueError, match=r"more than one allocator \(slots allocator, skip\)"):
        warnings(allocator=Knapsack(), skip=CuresAllocator())


def test_rule_5_dropped_groups_are_observed_whatever_the_filter() -> None:
    """A category whose groups were all dropped loses its value, and its pass rates are of all groups."""
    world, sec = World(), SelfEvolving(rate=0.5)
    store = world.new_store()
    stack = world.stack([sec], store=store)
    stack.plan(0, total_steps=9, num_prompts=4, rollout_budget=32)
    stack.observe(0, [world.stat(0, n=8, correct=4), world.stat(1, n=8, correct=4)])
    stack.plan(1, total_steps=9, num_prompts=4, rollout_budget=32)
    dropped = [
        world.stat(0, n=8, correct=8, step=1),
        world.stat(3, n=8, correct=0, step=1),
        world.stat(1, n=8, correct=4, step=1),
    ]
    assert [s.kept for s in dropped] == [False, False, True]
    stack.observe(1, dropped)
    assert sec.state_dict()["values"] == {"a": 0.25, "b": 0.75}
    assert store.num_observed(np.array([0, 3])).tolist() == [16, 8]


@pytest.mark.parametrize("reader", [SelfEvolving, UpperConfidence])
def test_rule_6_size_dependent_magnitude_with_unequal_groups(reader: type[Any]) -> None:
    (text,) = warnings(category=reader(reward="grpo"), allocator=CuresAllocator())
    assert "set curriculum.category.args.reward=centred" in text
    assert warnings(category=reader(reward="grpo")) == []
    assert warnings(category=reader(reward="std"), allocator=CuresAllocator()) == []


def test_rule_8_stale_pass_rates_under_a_moving_length_budget() -> None:
    (text,) = warnings(prompts=DifficultyTargeted(pass_rate="pooled16"), length=MovingLength())
    assert text.startswith(
        "prompts goes by visits made under other length budgets, and length moves the budget"
    )
    assert "curriculum.prompts.args.pass_rate=beta or decayed" in text
    assert warnings(prompts=DifficultyTargeted(), length=MovingLength()) == []
    assert "skip goes by visits" in warnings(skip=Greso(), length=MovingLength())[0]
    assert warnings(allocator=Knapsack(), length=MovingLength()) == [], (
        "it asks which rollouts are comparable"
    )
    assert warnings(prompts=DifficultyTargeted(pass_rate="pooled16")) == []


def test_rule_8_a_discount_of_one_keeps_what_is_stale(caplog: pytest.LogCaptureFixture) -> None:
    stack = ["curriculum=knapsack+train_long_think_short"]
    with caplog.at_level(logging.WARNING):
        load_config("quickstart", stack)
        assert "budget_discount" not in caplog.text
        load_config("quickstart", [*stack, "curriculum.budget_discount=1"])
    assert (
        "curriculum.budget_discount: at 1 pass rates seen under other length budgets count in full"
        in caplog.text
    )


def test_warnings_are_given_when_the_config_is_read(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        load_config("quickstart", ["curriculum=prioritized+knapsack"])
    assert "curriculum: prompts and allocator both favour prompts without any success" in caplog.text


def test_rule_10_parts_opposed_over_the_unsolved() -> None:
    texts = warnings(prompts=Prioritized(), allocator=Knapsack(), skip=Greso())
    assert sum("which skip passes over" in text for text in texts) == 2
    assert sum(text.startswith("allocator and prompts both favour") for text in texts) == 1
    assert warnings(prompts=Prioritized(), allocator=Knapsack(allow_fallback=False)) == []
    assert warnings(skip=Greso()) == []


def test_rule_12_credit_at_budgets_with_knapsack() -> None:
    (text,) = warnings(allocator=Knapsack(), shape=Credit())
    assert "shape gives credit at several thinking budgets" in text
    assert warnings(shape=Credit()) == []


def test_rule_12_holds_for_the_objective_too(caplog: pytest.LogCaptureFixture) -> None:
    brpo = ["algorithm=brpo", "algorithm.advantage.budgets.tokens=[8,16]"]
    with caplog.at_level(logging.WARNING):
        load_config("quickstart", brpo)
        assert "thinking budgets" not in caplog.text
        load_config("quickstart", [*brpo, "curriculum=knapsack"])
    assert "algorithm.advantage=brpo gives credit at several thinking budgets" in caplog.text


@pytest.mark.parametrize(
    "slots", [{"allocator": Knapsack()}, {"category": SelfEvolving()}], ids=["knapsack", "sec"]
)
def test_rule_13_training_on_a_subset(slots: dict[str, Curriculum]) -> None:
    (text,) = warnings(downsample=Pods(), **slots)
    assert text.startswith("downsample trains on some rollouts of a group")
    assert warnings(downsample=Pods()) == []
    assert warnings(verdict=MixedOutcomes(), **slots) == []


@pytest.mark.parametrize(
    "part", ["curriculum=gain", "curriculum=pcl curriculum.prompts.args.source=value_head"]
)
def test_ranks_that_share_sequences_read_no_whole_prompts(part: str) -> None:
    asked = "curriculum.prompts: .* asks the learner to read whole prompts"
    with pytest.raises(ConfigError, match=asked):
        load_config(
            "quickstart",
            [
                "learner.packing=varlen",
                "learner.packing.sequence_parallel=2",
                "learner.num_ranks=2",
                *part.split(),
            ],
        )
    load_config("quickstart", part.split())
