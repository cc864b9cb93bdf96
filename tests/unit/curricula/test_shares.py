"""Parts of a mixture in their shares, each prompt once in an epoch of its part."""

from collections import Counter

import numpy as np
import pytest

from curricula.base import Ctx
from curricula.drawing.shares import PERIOD, SharesSampler, part_pattern
from curricula.pool import PromptPool
from rollout.statistics import StatisticsStore
from rollout.types import Prompt


def context(**sizes: int) -> Ctx:
    """Categories ``a__x`` stand for ``a/x``."""
    prompts = [
        Prompt(id=f"{name}{i}", text="", token_ids=(1,), answer="", category=name.replace("__", "/"))
        for name, size in sizes.items()
        for i in range(size)
    ]
    pool = PromptPool.from_prompts(prompts)
    return Ctx(step=0, total_steps=9, seed=3, pool=pool, store=StatisticsStore(pool.ids, sampling_key="t1"))


def test_shares_are_met_and_each_part_goes_through_epochs_of_its_own() -> None:
    ctx = context(a__x=3, a__y=2, b=50)
    sampler = SharesSampler(weights={"a": 1, "b": 3})
    drawn, cursor = [], 0
    for count in (1, 7, 12, 180):
        indices, cursor = sampler.draw(ctx, cursor, count)
        drawn += indices.tolist()
    assert drawn == sampler.draw(ctx, 0, 200)[0].tolist(), "a function of the cursor alone"
    names = [ctx.pool.ids[i] for i in drawn]
    assert Counter(name[0] for name in names) == {"a": 50, "b": 150}
    assert all(abs(sum(n[0] == "a" for n in names[: k + 1]) - (k + 1) / 4) <= 1 for k in range(200)), "evenly"
    of_a = [name for name in names if name[0] == "a"]
    assert all(len(set(of_a[i : i + 5])) == 5 for i in range(0, 50, 5))
    assert max(Counter(name for name in names if name[0] == "b").values()) == 3


def test_the_pattern_begins_anew_without_a_seam() -> None:
    ctx = context(a=7, b=400)
    sampler = SharesSampler(weights={"a": 0.002, "b": 1})
    whole = sampler.draw(ctx, 0, 3 * PERIOD)[0]
    assert whole[PERIOD - 5 : 2 * PERIOD].tolist() == sampler.draw(ctx, PERIOD - 5, PERIOD + 5)[0].tolist()
    assert np.bincount(part_pattern(np.array([1e-9, 1.0]))).tolist() == [1, PERIOD - 1], "never left out"


def test_weights_must_name_the_parts() -> None:
    with pytest.raises(ValueError, match=r"weights names \['a'\], but the prompts' parts are \['a', 'b'\]"):
        SharesSampler(weights={"a": 1}).check_pool(context(a__x=1, b=1).pool)
