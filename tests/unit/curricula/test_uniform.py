"""Every prompt once per epoch, whatever the step size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curricula.base import Ctx
from curricula.drawing.uniform import EqualAllocator, UniformSampler
from curricula.pool import PromptPool
from rollout.statistics import StatisticsStore
from rollout.types import Prompt


def context(size: int, *, seed: int = 0, step: int = 0, budget: int = 0) -> Ctx:
    prompts = [
        Prompt(id=f"p{i}", text="", token_ids=(1,), answer="", category="ab"[i % 2], difficulty=i)
        for i in range(size)
    ]
    pool = PromptPool.from_prompts(prompts)
    store = StatisticsStore(pool.ids, sampling_key="t1-p1-m64")
    return Ctx(step=step, total_steps=9, seed=seed, pool=pool, store=store, rollout_budget=budget)


@given(st.integers(1, 30), st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(0, 5))
def test_every_prompt_once_per_epoch(size: int, takes: list[int], seed: int) -> None:
    ctx, cursor, drawn = context(size, seed=seed), 0, []
    for count in takes:
        indices, cursor = UniformSampler().draw(ctx, cursor, count)
        assert len(indices) == count
        drawn += indices.tolist()
    assert cursor == len(drawn)
    for start in range(0, len(drawn) - size + 1, size):
        assert sorted(drawn[start : start + size]) == list(range(size))


def test_the_order_depends_on_seed_and_epoch_only() -> None:
    sampler = UniformSampler()
    first = sampler.draw(context(50, step=0), 0, 50)[0].tolist()
    assert sampler.draw(context(50, step=7), 0, 50)[0].tolist() == first
    assert sampler.draw(context(50), 50, 50)[0].tolist() != first
    assert sampler.draw(context(50, seed=1), 0, 50)[0].tolist() != first
    assert sampler.draw(context(50), 20, 10)[0].tolist() == first[20:30]


def test_equal_groups_with_the_remainder_up_front() -> None:
    assert EqualAllocator().allocate(context(3, budget=8), np.arange(3)).num_rollouts.tolist() == [3, 3, 2]


def test_pool_columns() -> None:
    pool = context(5).pool
    assert pool.category_names == ("a", "b")
    assert pool.categories.tolist() == [0, 1, 0, 1, 0]
    assert pool.difficulties.tolist() == [0, 1, 2, 3, 4]
    assert [group.tolist() for group in pool.by_category] == [[0, 2, 4], [1, 3]]


def test_bad_pools_are_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        PromptPool.from_prompts([])
    twin = Prompt(id="same", text="", token_ids=(1,), answer="")
    with pytest.raises(ValueError, match="same"):
        PromptPool.from_prompts([twin, twin])
