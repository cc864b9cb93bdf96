"""Samplers and allocators in a stack: presets that resolve together, resumes that change nothing, prompts
checked beforehand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curricula import check_prompts
from curricula.allocators.cures import CuresAllocator, CuresSampler
from curricula.allocators.knapsack import Knapsack
from curricula.allocators.speed import SpeedAllocator, SpeedSampler
from curricula.base import Curriculum
from curricula.categories.cooldown import Cooldown
from curricula.categories.dump import UpperConfidence
from curricula.categories.mixture import Mixture
from curricula.categories.sec import SelfEvolving
from curricula.categories.skill_it import SkillIt
from curricula.measures.prompt_signals import PromptSignals
from curricula.prompts.cyclical import Cyclical
from curricula.prompts.dots import DifficultyTargeted
from curricula.prompts.easy_to_hard import EasyToHard
from curricula.prompts.gain import GainOrder
from curricula.prompts.pcl import IntermediatePrompts
from curricula.prompts.prioritized import Prioritized
from curricula.prompts.stat import SkillTargeted
from rl.config.errors import ConfigError
from rl.config.load import load_config
from rollout.types import Prompt
from tests.unit.curricula.worlds import World, chosen_and_sizes

STACKS: dict[str, Callable[[], list[Curriculum]]] = {
    "sec+knapsack": lambda: [SelfEvolving(temperature=0.2), Knapsack(min_count=2, cap=24)],
    "sec without decay": lambda: [SelfEvolving(decay_unseen=False, reward="centred")],
    "dump+cures": lambda: [UpperConfidence(window=20), CuresSampler(), CuresAllocator()],
    "skill_it": lambda: [SkillIt(graph={"a": {"b": 0.5}})],
    "cooldown+dots": lambda: [Cooldown(), DifficultyTargeted()],
    "mixture+prioritized": lambda: [Mixture(weights={"a": 1}, others=2), Prioritized()],
    "pcl": lambda: [IntermediatePrompts()],
    "gain": lambda: [GainOrder(width=3.0, stride=2.0)],
    "stat": lambda: [SkillTargeted(discount=0.7)],
    "cyclical": lambda: [Cyclical()],
    "easy_to_hard": lambda: [EasyToHard(order="pass_rate")],
    "speed": lambda: [SpeedAllocator(), SpeedSampler()],
}


def world() -> World:
    return World(
        metadata=lambda i: {"angle": i * 7 % 24 / 24, "skills": ["x", "y"][: 1 + i % 2]}, discount=0.9
    )


@pytest.mark.parametrize("name", sorted(STACKS))
@pytest.mark.parametrize("lag", [0, 2])
@settings(max_examples=4, deadline=None)
@given(cut=st.integers(1, 11))
def test_a_resume_mid_run_changes_no_choice(name: str, lag: int, cut: int) -> None:
    straight = chosen_and_sizes(world(), STACKS[name], steps=12, lag=lag)
    assert chosen_and_sizes(world(), STACKS[name], steps=12, lag=lag, cut=cut) == straight
    for prompts, counts in straight:
        assert sum(counts) == 54
        assert min(counts) >= 1
        assert len(set(prompts)) == 6


@pytest.mark.parametrize("name", sorted(STACKS))
def test_another_part_may_ask_the_learner_before_the_first_plan(name: str) -> None:
    stack = world().stack(STACKS[name]())
    stack.begin(PromptSignals(version=0, indices=np.zeros(0, dtype=np.int64), columns={}))
    stack.plan(0, total_steps=4, num_prompts=6, rollout_budget=54)


@pytest.mark.parametrize(
    "stack", ["sec+knapsack+mixed", "dump+dots+cures_allocator", "speed+mixed", "cures+mixed", "sec+cures"]
)
def test_presets_resolve_together(stack: str) -> None:
    config = load_config("quickstart", [f"curriculum={stack}"])
    slots = {
        slot
        for slot in ("sampler", "category", "prompts", "allocator", "verdict")
        if getattr(config.curriculum, slot)
    }
    assert (
        slots
        == {
            "sec+knapsack+mixed": {"category", "allocator", "verdict"},
            "dump+dots+cures_allocator": {"category", "prompts", "allocator"},
            "speed+mixed": {"sampler", "allocator", "verdict"},
            "cures+mixed": {"prompts", "allocator", "verdict"},
            "sec+cures": {"category", "prompts", "allocator"},
        }[stack]
    )


@pytest.mark.parametrize(
    "pair",
    ["sec+dump", "sec+cooldown", "dots+pcl", "cures+gain", "cures_allocator+knapsack", "speed+knapsack"],
)
def test_two_presets_of_a_level_are_refused(pair: str) -> None:
    with pytest.raises(ConfigError, match=r"both set curriculum\.(category|prompts|allocator)\.name"):
        load_config("quickstart", [f"curriculum={pair}"])


def test_a_budget_below_the_screening_is_refused_before_a_run() -> None:
    with pytest.raises(ConfigError, match=r"below stream\.prompts_per_step=32 x the allocator's floor of 4"):
        load_config("quickstart", ["curriculum=speed", "stream.rollouts_per_prompt=3"])


def prompts(count: int) -> list[Prompt]:
    return [
        Prompt(id=f"p{i}", text="", token_ids=(1,), answer="", category="ab"[i % 2]) for i in range(count)
    ]


def test_the_prompts_are_checked_before_a_run(tmp_path: Path) -> None:
    check_prompts({"category": {"name": "sec"}}, prompts(8), prompts_per_step=8)
    check_prompts({}, prompts(4), prompts_per_step=8)
    with pytest.raises(
        ValueError, match=r"stream\.prompts_per_step: 9 prompts cannot be drawn by weight.*from 8"
    ):
        check_prompts({"category": {"name": "sec"}}, prompts(8), prompts_per_step=9)
    with pytest.raises(ValueError, match=r"curriculum\.category: args\.weights names \['z'\]"):
        check_prompts(
            {"category": {"name": "mixture", "args": {"weights": {"z": 1}}}}, prompts(8), prompts_per_step=4
        )
    with pytest.raises(ValueError, match=r"curriculum\.prompts: 8 of 8 prompts have no metadata\['angle'\]"):
        check_prompts({"prompts": {"name": "gain"}}, prompts(8), prompts_per_step=4)
    with pytest.raises(ValueError, match=r"curriculum\.prompts: .*nowhere: No such file"):
        check_prompts(
            {"prompts": {"name": "gain", "args": {"path": str(tmp_path / "nowhere")}}},
            prompts(8),
            prompts_per_step=4,
        )
