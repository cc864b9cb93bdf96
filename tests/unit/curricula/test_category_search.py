"""Bandits over categories in a simulation: they find the category that can be learnt, also after it has
moved."""

import numpy as np
import pytest

from curricula.base import Curriculum
from curricula.categories.dump import UpperConfidence
from curricula.categories.sec import SelfEvolving
from tests.unit.curricula.worlds import World

STEPS = 40


def shares_of(part: Curriculum, *, seed: int, moves_at: int) -> np.ndarray:
    """[STEPS, 3] share of each category in the plans.

    a is at 1/2, b unsolvable, c solved; from ``moves_at`` on a is solved and b at 1/2.
    """
    world = World(size=600)
    stack, rng, shares = world.stack([part]), np.random.default_rng(seed), []
    for step in range(STEPS):
        rates = np.array([0.5, 0.0, 1.0] if step < moves_at else [1.0, 0.5, 1.0])
        plan = stack.plan(step, total_steps=STEPS, num_prompts=16, rollout_budget=128)
        shares.append(np.bincount(plan.prompt_indices % 3, minlength=3) / 16)
        stats = [
            world.stat(i, n=8, correct=int(rng.binomial(8, rates[i % 3])), step=step)
            for i in plan.prompt_indices.tolist()
        ]
        stack.observe(step, stats)
    return np.array(shares)


@pytest.mark.parametrize(
    "make", [lambda: SelfEvolving(temperature=0.2), UpperConfidence], ids=["sec", "dump"]
)
def test_the_learnable_category_is_found_and_followed_within_twenty_steps(make: type[Curriculum]) -> None:
    runs = np.mean([shares_of(make(), seed=seed, moves_at=20) for seed in range(5)], axis=0)
    assert runs[0].max() < 0.6, "nothing is known at the start"
    assert runs[15:20, 0].mean() > 0.7, "a teaches"
    assert runs[35:40, 1].mean() > 0.7, "b teaches"
