"""Weighted drawing without replacement, and its place in the stack."""

import json

import numpy as np
import pytest

from curricula.base import Ctx, Curriculum
from curricula.drawing.queues import Ranked, Shuffled
from curricula.drawing.uniform import EqualAllocator, UniformSampler
from curricula.drawing.weighted import WeightedOrder, softmax, weighted_draw
from curricula.pool import PromptPool
from curricula.stack import CurriculumStack
from rollout.statistics import StatisticsStore
from rollout.types import Prompt

POOL = PromptPool.from_prompts(
    [
        Prompt(id=f"p{i}", text="", token_ids=(1,), answer="", category="a" if i < 4 else "b")
        for i in range(20)
    ]
)


def draw(
    seed: int, count: int, *, categories: list[float] | None = None, prompts: np.ndarray | None = None
) -> list[int]:
    logits = np.array(categories) if categories is not None else None
    rng = np.random.default_rng(seed)
    return weighted_draw(
        rng, pool=POOL, num_prompts=count, category_logits=logits, prompt_logits=prompts
    ).tolist()


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


def test_excluded_prompts_are_drawn_only_when_nothing_else_is_left() -> None:
    for categories in (None, [9.0, 0.0]):
        logits = None if categories is None else np.array(categories)
        for seed in range(20):
            left = weighted_draw(
                np.random.default_rng(seed),
                pool=POOL,
                num_prompts=8,
                category_logits=logits,
                prompt_logits=None,
                exclude=np.array([0, 1, 2, *range(8, 17)]),
            )
            assert sorted(left.tolist()) == [3, 4, 5, 6, 7, 17, 18, 19]
    everyone = weighted_draw(
        np.random.default_rng(0),
        pool=POOL,
        num_prompts=20,
        category_logits=None,
        prompt_logits=None,
        exclude=np.arange(5),
    )
    assert sorted(everyone.tolist()) == list(range(20))


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
    parts = {
        "sampler": UniformSampler(),
        "allocator": EqualAllocator(),
        "category": OnlyB(),
        "prompts": Recent(),
    }
    return CurriculumStack(parts, pool=POOL, store=store, seed=0)


def test_a_stack_draws_by_weight_when_a_part_weighs() -> None:
    one, two = stack(), stack()
    plans = [s.plan(0, total_steps=9, num_prompts=5, rollout_budget=10) for s in (one, two)]
    assert sorted(plans[0].prompt_indices.tolist()) == [15, 16, 17, 18, 19]
    assert plans[0].prompt_indices.tolist() == plans[1].prompt_indices.tolist()
    resumed = stack()
    resumed.load_state_dict(one.state_dict())
    following = [
        s.plan(1, total_steps=9, num_prompts=9, rollout_budget=9).prompt_indices.tolist()
        for s in (one, resumed)
    ]
    assert following[0] == following[1]
    assert min(following[0]) >= 4


# -- piece by piece ------------------------------------------------------------------------------------------


def order(
    seed: int, *, categories: list[float] | None, prompts: np.ndarray | None, exclude: list[int]
) -> WeightedOrder:
    logits = None if categories is None else np.array(categories)
    rng = np.random.default_rng(seed)
    return WeightedOrder(
        rng,
        pool=POOL,
        category_logits=logits,
        prompt_logits=prompts,
        exclude=np.array(exclude, dtype=np.int64),
    )


@pytest.mark.parametrize("categories", [None, [0.0, 0.5]])
@pytest.mark.parametrize("weights", [None, np.linspace(-2, 2, 20)])
def test_an_order_taken_in_pieces_never_repeats_and_leaves_out_what_it_should(
    categories: list[float] | None, weights: np.ndarray | None
) -> None:
    for seed in range(30):
        drawn = order(seed, categories=categories, prompts=weights, exclude=[3, 11, 11])
        pieces = [drawn.take(n).tolist() for n in (1, 6, 0, 4, 7)]
        assert sorted(i for piece in pieces for i in piece) == [i for i in range(20) if i not in (3, 11)]
        assert len(drawn.take(5)) == 5, "with none left, all may come again"


def test_a_ranked_order_in_pieces_is_the_order_as_a_whole() -> None:
    keys = np.random.default_rng(0).normal(size=5000)
    keys[::7] = np.nan
    members = np.arange(1, 5000, 2)
    pieces = Ranked(keys, members)
    taken = np.concatenate([pieces.take(n) for n in (3, 500, 0, 900, 40)])
    expected = members[np.argsort(keys[members])]  # NaN come last
    assert taken.tolist() == expected[:1443].tolist()
    assert pieces.left == np.count_nonzero(~np.isnan(keys[members])) - 1443


def test_pieces_of_an_order_follow_the_weights_that_are_left() -> None:
    """With weights 1, 2, 3 the second prompt after 3 was taken is 2 in two of three draws (successive
    sampling)."""
    logits = np.full(20, -np.inf)
    logits[:3] = np.log([1.0, 2.0, 3.0])
    seconds = []
    for seed in range(6000):
        drawn = order(seed, categories=None, prompts=logits, exclude=[])
        if drawn.take(1)[0] == 2:
            seconds.append(int(drawn.take(1)[0]))
    assert len(seconds) / 6000 == pytest.approx(1 / 2, abs=0.025)
    assert np.mean(np.array(seconds) == 1) == pytest.approx(2 / 3, abs=0.03)


def test_closed_prompts_serve_where_no_other_is_left_and_then_by_chance() -> None:
    logits = np.where(np.arange(20) == 5, 0.0, -np.inf)
    firsts = [draw(seed, 3, prompts=logits) for seed in range(400)]
    assert {drawn[0] for drawn in firsts} == {5}
    times = np.bincount([prompt for drawn in firsts for prompt in drawn[1:]], minlength=20)
    assert times[5] == 0 and np.delete(times, 5).min() > 800 / 19 / 2, "each of the others as often"


@pytest.mark.parametrize("count", [2, 9])
def test_equal_weights_give_every_member_the_same_chance(count: int) -> None:
    """Below half of the members by rejection, above by a permutation of the rest."""
    members, times = np.arange(30, 42), np.zeros(100)
    for seed in range(3000):
        queue = Shuffled(np.random.default_rng(seed), members, size=100, out=np.array([2, 31, 40, 99]))
        assert queue.left == 10
        times[queue.take(count)] += 1
    inside = np.setdiff1d(members, [31, 40])
    assert times.sum() == times[inside].sum() == 3000 * count
    assert times[inside] / 3000 == pytest.approx(np.full(10, count / 10), abs=0.04)


class Half(Curriculum):
    """Passes over odd prompts, and counts how often the pool is weighed."""

    def __init__(self) -> None:
        self.weighed = 0

    def prompt_logits(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        self.weighed += 1
        return np.zeros(len(indices))

    def skip(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        return indices % 2 == 1


def test_a_plan_that_passes_over_prompts_weighs_the_pool_once() -> None:
    part = Half()
    store = StatisticsStore(POOL.ids, sampling_key="t1-p1-m64")
    made = CurriculumStack(
        {"sampler": UniformSampler(), "allocator": EqualAllocator(), "prompts": part},
        pool=POOL,
        store=store,
        seed=0,
    )
    plan = made.plan(0, total_steps=9, num_prompts=10, rollout_budget=10)
    assert sorted(plan.prompt_indices.tolist()) == list(range(0, 20, 2))
    assert part.weighed == 1


def test_a_weighted_plan_and_its_refills_share_no_prompt() -> None:
    one = stack()
    plan = one.plan(0, total_steps=9, num_prompts=5, rollout_budget=5)
    one = resumed_from(one)
    refills = [one.refill(0, round=r, num_prompts=5, rollout_budget=5) for r in (1, 2)]
    drawn = np.concatenate([p.prompt_indices for p in (plan, *refills)])
    assert len(set(drawn.tolist())) == 15
    assert sorted(plan.prompt_indices.tolist()) == [15, 16, 17, 18, 19]


def resumed_from(one: CurriculumStack) -> CurriculumStack:
    again = stack()
    again.load_state_dict(json.loads(json.dumps(one.state_dict())))
    return again
