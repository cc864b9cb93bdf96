"""Weighted drawing without replacement, and its place in the stack."""

import numpy as np
import pytest

from curricula.base import Ctx, Curriculum
from curricula.pool import PromptPool
from curricula.stack import CurriculumStack
from curricula.uniform import EqualAllocator, UniformSampler
from curricula.weighted import softmax, weighted_draw
from rollout.statistics import StatisticsStore
from rollout.types import Prompt

POOL = PromptPool.from_prompts(
    [Prompt(id=f"p{i}", text="", token_ids=(1,), answer="", category="a" if i < 4 else "b") for i in range(20)]
)


def draw(seed: int, count: int, *, categories: list[float] | None = None, prompts: np.ndarray | None = None) -> list[int]:
    logits = np.array(categories) if categories is not None else None
    rng = np.random.default_rng(seed)
    return weighted_draw(rng, pool=POOL, num_prompts=count, category_logits=logits, prompt_logits=prompts).tolist()


def test_category_shares_follow_the_softmax() -> None:
    share = np.mean([i < 4 for seed in range(4000) for i in draw(seed, 1, categories=[np.log(3.0), 0.0])])
    assert share == pytest.approx(0.75, abs=0.03)


def test_prompt_shares_follow_the_weights() -> None:
    logits = np.full(20, -np.inf)
    logits[[2, 7]] = np.log([1.0, 4.0])
    share = np.mean([draw(seed, 1, prompts=logits)[0] == 7 for seed in range(4000)])
    assert share == pytest.approx(0.8, abs=0.03)


def test_draws_are_distinct_and_a_small_category_gives_what_it_has() -> None:
    for seed in range(50):
        drawn = draw(seed, 12, categories=[9.0, 0.0])
        assert len(set(drawn)) == 12
        assert {0, 1, 2, 3} <= set(drawn)
    assert sorted(draw(0, 20, categories=[9.0, 0.0])) == list(range(20))
    assert len(set(draw(0, 18, categories=[-np.inf, 0.0]))) == 18
    with pytest.raises(ValueError, match="21 distinct prompts asked of a pool of 20"):
        draw(0, 21)


def test_softmax_is_stable_at_low_temperature() -> None:
    assert softmax(np.array([0.0, 1.0]) / 1e-3).tolist() == [0.0, 1.0]
    assert softmax(np.array([2000.0, 2000.0])).tolist() == [0.5, 0.5]


class OnlyB(Curriculum):
    def category_logits(self, ctx: Ctx) -> np.ndarray:
        return np.array([-np.inf, 0.0])


class Recent(Curriculum):
    def prompt_logits(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        return np.where(indices >= 15, 50.0, 0.0)


def stack() -> CurriculumStack:
    store = StatisticsStore(POOL.ids, sampling_key="t1-p1-m64")
    parts = {"sampler": UniformSampler(), "allocator": EqualAllocator(), "category": OnlyB(), "prompts": Recent()}
    return CurriculumStack(parts, pool=POOL, store=store, seed=0)


def test_a_stack_draws_by_weight_when_a_part_weighs() -> None:
    one, two = stack(), stack()
    plans = [s.plan(0, total_steps=9, num_prompts=5, rollout_budget=10) for s in (one, two)]
    assert sorted(plans[0].prompt_indices.tolist()) == [15, 16, 17, 18, 19]
    assert plans[0].prompt_indices.tolist() == plans[1].prompt_indices.tolist()
    resumed = stack()
    resumed.load_state_dict(one.state_dict())
    following = [s.plan(1, total_steps=9, num_prompts=9, rollout_budget=9).prompt_indices.tolist() for s in (one, resumed)]
    assert following[0] == following[1]
    assert min(following[0]) >= 4
