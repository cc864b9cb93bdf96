"""STAT-Sel: prompts by the failures of their tags (docs/methods/prompts.md#stat)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curricula.prompts.stat import SkillTargeted
from tests.unit.curricula.worlds import World

SKILLS: tuple[list[str], ...] = (["add"], ["carry"], ["add", "carry"], [])


def tagged(size: int = 24) -> World:
    return World(size=size, metadata=lambda i: {"skills": SKILLS[i % 4]})


def test_worked_example_of_the_skill_weights() -> None:
    part = SkillTargeted(epsilon=0)
    part.load_state_dict({"misses": {"w": 6, "x": 3, "y": 1}, "trials": {}})
    assert part.shares(["w", "x", "y", "z"]) == pytest.approx([0.6, 0.3, 0.1, 0.0])
    assert SkillTargeted(epsilon=0).shares(["w", "x"]).tolist() == [0.5, 0.5]


def test_prompts_weigh_the_sum_of_their_tags_and_a_category_stands_in() -> None:
    """Prompts 0 add, 1 carry, 2 both, 3 none: its category, a."""
    world, part = tagged(4), SkillTargeted(epsilon=0)
    world.observe(
        part, [world.stat(0, n=8, correct=2), world.stat(1, n=8, correct=6), world.stat(3, n=4, correct=2)]
    )
    # Misses: add 6, carry 2, a 2.
    logits = part.prompt_logits(world.ctx(), np.arange(4))
    assert np.exp(logits) == pytest.approx([0.6, 0.2, 0.8, 0.2])
    assert part.prompt_logits(world.ctx(), np.array([2])) == pytest.approx(np.log([0.8]))
    assert part.metrics() == pytest.approx(
        {"stat_share_of_seen/add": 0.6, "stat_share_of_seen/carry": 0.2, "stat_share_of_seen/a": 0.2}
    )


def test_a_failure_counts_against_every_tag() -> None:
    world, part = tagged(4), SkillTargeted()
    world.observe(part, [world.stat(2, n=8, correct=5)])
    assert part.state_dict() == {"misses": {"add": 3.0, "carry": 3.0}, "trials": {"add": 8.0, "carry": 8.0}}


def test_rates_do_not_grow_with_exposure() -> None:
    world = tagged(4)
    by_count, by_rate = SkillTargeted(epsilon=0), SkillTargeted(epsilon=0, weigh="rate")
    for part in (by_count, by_rate):
        world.observe(part, [world.stat(0, n=80, correct=40), world.stat(1, n=8, correct=4)])
    assert by_count.shares(["add", "carry"]) == pytest.approx([10 / 11, 1 / 11])
    assert by_rate.shares(["add", "carry"]) == pytest.approx([0.5, 0.5])


def test_old_failures_fade() -> None:
    world, part = tagged(4), SkillTargeted(epsilon=0, discount=0.5)
    world.observe(part, [world.stat(0, n=8, correct=0)])
    world.observe(part, [world.stat(1, n=4, correct=0)])
    assert part.shares(["add", "carry"]) == pytest.approx([0.5, 0.5])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 8), st.integers(0, 8))
def test_more_failures_never_weigh_less(one: int, other: int) -> None:
    world, part = tagged(4), SkillTargeted()
    world.observe(part, [world.stat(0, n=8, correct=8 - one), world.stat(1, n=8, correct=8 - other)])
    logits = part.prompt_logits(world.ctx(), np.arange(4))
    assert np.isfinite(logits).all()
    assert (logits[0] - logits[1]) * (one - other) >= 0


def test_tags_that_are_no_strings_are_named() -> None:
    with pytest.raises(
        ValueError,
        match=r"prompt p0: metadata\['skills'\] is \[3\], but tags are a string or a list of strings",
    ):
        SkillTargeted().check_pool(World(metadata=lambda i: {"skills": [3]}).pool)
    alone = World(size=2, metadata=lambda i: {"skills": "add"})
    assert SkillTargeted().prompt_logits(alone.ctx(), np.arange(2)) == pytest.approx([0.0, 0.0])
