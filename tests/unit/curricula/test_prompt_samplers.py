"""CurES, Kimi, DOTS, PCL, easy to hard, cyclical: worked examples of
docs/methods/prompts.md#which-prompts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curricula.allocators.cures import CuresSampler
from curricula.base import Curriculum
from curricula.drawing.weighted import softmax, weighted_draw
from curricula.prompts.cyclical import Cyclical, cycle
from curricula.prompts.dots import DifficultyTargeted
from curricula.prompts.easiest import admitted
from curricula.prompts.easy_to_hard import EasyToHard
from curricula.prompts.estimates import RateWeighted
from curricula.prompts.pcl import IntermediatePrompts
from curricula.prompts.prioritized import Prioritized
from rollout.statistics import PassRateMode
from tests.unit.curricula.worlds import World

RATES = st.lists(st.sampled_from([0.0, 1.0, 0.5, 1 / 16, 0.9, 0.33]), min_size=1, max_size=12)


def weights(part: RateWeighted, rates: list[float]) -> list[float]:
    return softmax(part.weigh(np.array(rates))).tolist()


def opened(part: Curriculum, world: World, step: int) -> list[int]:
    logits = part.prompt_logits(world.ctx(step), np.arange(world.size))
    assert logits is not None
    return np.flatnonzero(np.isfinite(logits)).tolist()


# -- by pass rate --------------------------------------------------------------------------------------------


def test_cures_worked_example() -> None:
    rho = weights(CuresSampler(temperature=0.1), [0.5, 0.25, 0.0625, 0.9])
    assert rho == pytest.approx([0.580407, 0.297037, 0.044007, 0.078550], abs=1e-6)


def test_dots_worked_example() -> None:
    shares = weights(DifficultyTargeted(temperature=0.1), [0, 0.0625, 0.25, 0.5, 0.75, 1])
    assert shares == pytest.approx([0.0057, 0.0106, 0.0690, 0.8402, 0.0690, 0.0057], abs=5e-5)


def test_prioritized_worked_example() -> None:
    plain = Prioritized(uniform_share=0, unsolved_cap=1)
    assert weights(plain, [0, 0.25, 0.5, 1]) == pytest.approx([0.4444, 0.3333, 0.2222, 0], abs=5e-5)


def test_prioritized_caps_the_unsolved_and_keeps_a_uniform_floor() -> None:
    shares = weights(Prioritized(uniform_share=0.2, unsolved_cap=0.25), [0, 0, 0, 0.5, 1])
    assert sum(shares[:3]) == pytest.approx(0.25)
    assert shares[3] > shares[4] > 0.2 / 5 * 0.75
    assert weights(Prioritized(), [0, 0]) == pytest.approx([0.5, 0.5]), "nothing else to draw"
    assert weights(Prioritized(uniform_share=0), [1, 1]) == pytest.approx([0.5, 0.5])


def test_a_prompt_whose_counts_have_faded_to_nothing_is_one_never_seen() -> None:
    world = World(size=6, discount=0.9)
    world.store.add(world.stat(0, n=4, correct=2, step=0))
    world.store.add(world.stat(1, n=4, correct=1, step=20_000))
    part = Prioritized(unseen=0.0)
    estimates = part.estimates(world.ctx(0), np.arange(3))
    assert estimates.tolist() == [0.0, 0.25, 0.0]
    assert np.isfinite(part.weigh(estimates)).all()


@settings(max_examples=100, deadline=None)
@given(rates=RATES, share=st.floats(0, 1), cap=st.floats(0, 1))
def test_prioritized_on_any_input(rates: list[float], share: float, cap: float) -> None:
    part, array = Prioritized(uniform_share=share, unsolved_cap=cap), np.array(rates)
    with np.errstate(divide="ignore"):
        shares = np.exp(part.weigh(array))
    assert shares.sum() == pytest.approx(1)
    solvable = array > 0
    if solvable.any() and shares[solvable].sum() > 0:
        assert shares[~solvable].sum() <= max(cap, 1e-12) + 1e-9
    order = np.argsort(array[solvable], kind="stable")
    assert (np.diff(shares[solvable][order]) <= 1e-12).all(), "a higher pass rate never weighs more"


@settings(max_examples=60, deadline=None)
@given(rates=RATES)
@pytest.mark.parametrize(
    "part", [CuresSampler(), DifficultyTargeted(), IntermediatePrompts()], ids=lambda part: part.label
)
def test_nearer_to_one_half_weighs_more(part: RateWeighted, rates: list[float]) -> None:
    logits, distance = part.weigh(np.array(rates)), np.abs(np.array(rates) - 0.5)
    assert np.isfinite(logits).all()
    order = np.argsort(distance, kind="stable")
    assert (np.diff(logits[order]) <= 1e-9).all()


def test_the_posterior_follows_observations_and_unseen_counts_as_told() -> None:
    """(1, 1) -> 1 of 4 -> (2, 4), mean 1/3 -> 6 of 8 -> (8, 6), mean .5714."""
    world, part = World(), CuresSampler()
    world.observe(part, [world.stat(0, n=4, correct=1)])
    assert part.estimates(world.ctx(), np.array([0, 1])) == pytest.approx([1 / 3, 0.5])
    world.observe(part, [world.stat(0, n=8, correct=6)])
    assert part.estimates(world.ctx(), np.array([0])) == pytest.approx([8 / 14])
    assert CuresSampler(unseen=0.9).estimates(world.ctx(), np.array([0, 1])) == pytest.approx([8 / 14, 0.9])
    assert Prioritized(unseen=0.2).estimates(world.ctx(), np.array([0, 1])) == pytest.approx([7 / 12, 0.2])
    assert part.describe(world.ctx(), np.array([0, 1])) == pytest.approx(
        {"cures_sampler_estimate": (8 / 14 + 0.5) / 2, "cures_sampler_unseen_ratio": 0.5}
    )


@pytest.mark.parametrize("mode", ["beta", "last_visit", "decayed"])
def test_what_was_seen_under_another_length_budget_counts_less_and_then_as_unseen(mode: PassRateMode) -> None:
    """Two rollouts are worth 1 after one halving of the budget, and .5, less than a rollout, after two."""
    world, part = World(), DifficultyTargeted(pass_rate=mode, unseen=0.9)
    world.store.set_budget(64)
    world.observe(part, [world.stat(0, n=2, correct=0)])
    estimate = lambda: part.estimates(world.ctx(), np.array([0, 1])).tolist()  # noqa: E731
    assert estimate()[0] < 0.5 and estimate()[1] == 0.9
    world.store.set_budget(32)
    assert estimate()[0] < 0.5
    world.store.set_budget(16)
    assert estimate() == [0.9, 0.9]
    assert part.describe(world.ctx(), np.array([0]))["dots_unseen_ratio"] == 1


def test_pcl_picks_the_nearest_of_its_candidates() -> None:
    """V = [.1, .45, .7, .9], two wanted: prompts 1 and 2."""
    world, part = World(size=4), IntermediatePrompts(pass_rate="decayed", candidates=2)
    world.observe(part, [world.stat(i, n=20, correct=k) for i, k in enumerate((2, 9, 14, 18))])
    for seed in range(20):
        logits = part.prompt_logits(world.ctx(num_prompts=2, seed=seed), np.arange(4))
        drawn = weighted_draw(
            np.random.default_rng(seed),
            pool=world.pool,
            num_prompts=2,
            category_logits=None,
            prompt_logits=logits,
        )
        assert sorted(drawn.tolist()) == [1, 2]


def test_pcl_looks_at_no_more_than_its_candidates() -> None:
    world, part = World(size=100), IntermediatePrompts(candidates=4)
    logits = part.prompt_logits(world.ctx(num_prompts=5), np.arange(100))
    assert np.isfinite(logits).sum() == 20
    other = part.prompt_logits(world.ctx(step=1, num_prompts=5), np.arange(100))
    assert (np.isfinite(logits) != np.isfinite(other)).any()


# -- paced ---------------------------------------------------------------------------------------------------


def test_easy_to_hard_opens_the_pool_level_by_level() -> None:
    """24 prompts on four levels, a quarter at the start, all from step 6 of 12."""
    world, part = World(), EasyToHard(start=0.25, full_at=0.5)
    assert opened(part, world, 0) == list(range(0, 24, 4))
    assert {i % 4 for i in opened(part, world, 2)} == {0, 1}
    assert opened(part, world, 6) == opened(part, world, 11) == list(range(24))
    assert part.describe(world.ctx(3), np.array([0, 1])) == {
        "easy_to_hard_share": 0.625,
        "easy_to_hard_difficulty": 0.5,
    }


def test_easy_to_hard_by_pass_rate_breaks_ties_by_difficulty() -> None:
    world, part = World(size=8), EasyToHard(order="pass_rate", start=0.5)
    assert opened(part, world, 0) == [0, 1, 4, 5], "nothing observed: levels 0 and 1"
    world.observe(part, [world.stat(7, n=8, correct=8), world.stat(0, n=8, correct=0)])
    assert opened(part, world, 0) == [1, 4, 5, 7]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 11), st.floats(0.01, 1), st.floats(0.01, 1), st.floats(0.1, 4))
def test_easy_to_hard_never_closes_what_it_opened(
    step: int, start: float, full_at: float, power: float
) -> None:
    world, part = World(), EasyToHard(start=start, full_at=full_at, power=power)
    assert set(opened(part, world, step)) <= set(opened(part, world, step + 1))


def test_cycle_worked_example() -> None:
    assert cycle(0.25, 1.0, 0.5, 5) == [0.25, 0.5, 1, 0.5, 0.25, 0.5, 1, 0.5, 0.25, 0.5]
    assert cycle(1.0, 1.0, 0.5, 3) == [1.0, 1.0, 1.0]


def test_cyclical_shares_last_in_proportion_to_their_size() -> None:
    """[.25, .5, 1, .5, .25] sums to 2.5, so over 10 steps they last 1, 2, 4, 2 and 1."""
    world, part = World(), Cyclical(epochs=2.5)
    over_run = [part.share(world.ctx(step, total_steps=10)) for step in range(10)]
    assert over_run == [0.25, 0.5, 0.5, 1, 1, 1, 1, 0.5, 0.5, 0.25]
    assert part.share(world.ctx(12, total_steps=10)) == 0.25, "a resumed run may be longer than it was"
    with pytest.raises(ValueError, match=r"high=0\.25 is below low=0\.5"):
        Cyclical(low=0.5, high=0.25)


def test_cyclical_opens_the_prompts_of_highest_pass_rate() -> None:
    world, part = World(size=8), Cyclical(low=0.25)
    world.observe(part, [world.stat(i, n=8, correct=i) for i in range(8)])
    assert opened(part, world, 0) == [6, 7]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=20), st.floats(0.01, 1))
def test_admitted_holds_the_share_and_no_easier_prompt_is_left_out(levels: list[int], share: float) -> None:
    scores = -np.array(levels, dtype=float)
    mask = admitted(scores, share)
    assert mask.sum() >= max(1, round(share * len(levels)))
    assert not (~mask).any() or scores[mask].min() > scores[~mask].max()
