"""SEC, DUMP, Skill-it, Cooldown and fixed shares: worked examples of
docs/methods/categories.md#which-category."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curricula.base import Curriculum
from curricula.categories.advantage_magnitude import category_magnitudes, group_magnitude
from curricula.categories.cooldown import Cooldown
from curricula.categories.dump import UpperConfidence, upper_bounds
from curricula.categories.mixture import Mixture
from curricula.categories.sec import SelfEvolving
from curricula.categories.skill_it import SkillIt, skill_logits
from curricula.drawing.weighted import softmax
from curricula.pool import PromptPool
from rollout.types import Prompt
from tests.unit.curricula.worlds import World


def shares(part: Curriculum, world: World, step: int = 0) -> list[float]:
    logits = part.category_logits(world.ctx(step))
    assert logits is not None
    return softmax(logits).tolist()


def q_after(part: SelfEvolving) -> list[float]:
    return [part.state_dict()["values"].get(name, 0.0) for name in "abc"]


# -- magnitudes ----------------------------------------------------------------------------------------------


def test_magnitudes_of_one_group() -> None:
    assert group_magnitude([4, 2, 1], [8, 8, 8], "std") == pytest.approx([1.0, 0.8660, 0.6614], abs=5e-5)
    assert group_magnitude([1], [16], "std") == pytest.approx([0.4841], abs=5e-5)
    assert group_magnitude([1, 1], [4, 28], "grpo") == pytest.approx([0.75, 0.3645], abs=5e-5)
    assert group_magnitude([0, 8], [8, 8], "std").tolist() == [0.0, 0.0]
    assert np.isnan(group_magnitude([1], [1], "centred")).all()


def test_the_published_signal_is_the_mean_magnitude_of_grpo_advantages() -> None:
    for k, n in ((1, 4), (3, 8), (7, 9)):
        outcomes = np.array([1.0] * k + [0.0] * (n - k))
        by_grpo = np.abs((outcomes - outcomes.mean()) / outcomes.std(ddof=1)).mean()
        assert group_magnitude([k], [n], "grpo") == pytest.approx([by_grpo])
        assert group_magnitude([k], [n], "std") == pytest.approx(
            [np.abs((outcomes - outcomes.mean()) / outcomes.std()).mean()]
        )


@pytest.mark.parametrize("n", [2, 4, 28])
def test_the_centred_signal_does_not_depend_on_the_group_size(n: int) -> None:
    """Its expectation over binomial outcomes is 2 p (1-p) for any n; the published one's is not."""
    rng = np.random.default_rng(0)
    k = rng.binomial(n, 0.2, size=200_000)
    assert group_magnitude(k, np.full(len(k), n), "centred").mean() == pytest.approx(2 * 0.2 * 0.8, abs=3e-3)


def test_category_signals_weigh_prompts_or_rollouts() -> None:
    world = World()
    stats = [world.stat(0, n=2, correct=1), world.stat(3, n=8, correct=0), world.stat(1, n=4, correct=2)]
    assert category_magnitudes(stats, "std") == {"a": 0.5, "b": 1.0}
    by_rollouts = category_magnitudes(stats, "grpo")
    assert by_rollouts["a"] == pytest.approx(2 * group_magnitude([1], [2], "grpo")[0] / 10)
    assert category_magnitudes([world.stat(0, n=1, correct=1)], "centred") == {}


# -- SEC -----------------------------------------------------------------------------------------------------


def sec_after_two_steps(
    decay_unseen: bool, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> tuple[SelfEvolving, World]:
    """Rewards of the worked example, in place of what groups would give: {a: .8, b: .4}, then {b: .6, c:
    .2}."""
    world, part = World(), SelfEvolving(rate=0.5, temperature=temperature, decay_unseen=decay_unseen)
    for rewards in ({"a": 0.8, "b": 0.4}, {"b": 0.6, "c": 0.2}):
        monkeypatch.setattr(
            "curricula.categories.sec.category_magnitudes", lambda stats, kind, rewards=rewards: rewards
        )
        part.observe(world.ctx(), [world.stat(0, n=2, correct=1)])
    return part, world


def test_sec_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    world, part = World(), SelfEvolving(rate=0.5, temperature=1.0)
    monkeypatch.setattr(
        "curricula.categories.sec.category_magnitudes", lambda stats, kind: {"a": 0.8, "b": 0.4}
    )
    part.observe(world.ctx(), [world.stat(0, n=2, correct=1)])
    assert q_after(part) == pytest.approx([0.4, 0.2, 0.0])
    assert shares(part, world) == pytest.approx([0.40176, 0.328933, 0.269307], abs=5e-7)
    part.temperature = 0.2
    assert shares(part, world) == pytest.approx([0.665241, 0.244728, 0.090031], abs=5e-7)


def test_sec_unseen_categories_decay_as_released(monkeypatch: pytest.MonkeyPatch) -> None:
    part, world = sec_after_two_steps(True, 1.0, monkeypatch)
    assert q_after(part) == pytest.approx([0.2, 0.4, 0.1])
    assert shares(part, world) == pytest.approx([0.319873, 0.390694, 0.289433], abs=5e-7)
    part.temperature = 0.2
    assert shares(part, world) == pytest.approx([0.231224, 0.628532, 0.140244], abs=5e-7)


def test_sec_unseen_categories_keep_their_value_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    part, world = sec_after_two_steps(False, 1.0, monkeypatch)
    assert q_after(part) == pytest.approx([0.4, 0.4, 0.1])
    assert shares(part, world) == pytest.approx([0.364855, 0.364855, 0.270291], abs=1e-6)


def test_sec_reads_raw_outcomes_of_all_groups_and_reports() -> None:
    world, part = World(), SelfEvolving(rate=1.0)
    world.observe(
        part, [world.stat(0, n=8, correct=4), world.stat(3, n=8, correct=8), world.stat(1, n=8, correct=0)]
    )
    assert q_after(part) == [0.5, 0.0, 0.0]
    metrics = part.metrics()
    assert metrics["sec_value/a"] == 0.5
    assert metrics["sec_share_of_seen/a"] == pytest.approx(1 / (1 + np.exp(-0.5)))
    world.observe(part, [])
    assert q_after(part) == [0.5, 0.0, 0.0], "a plan without groups says nothing"


def test_sec_is_stable_at_a_tiny_temperature() -> None:
    world, part = World(), SelfEvolving(temperature=1e-3, rate=1.0)
    world.observe(part, [world.stat(1, n=8, correct=4)])
    assert shares(part, world) == [0.0, 1.0, 0.0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 8), min_size=2, max_size=2, unique=True))
def test_sec_prefers_what_taught_more(counts: list[int]) -> None:
    """Monotone: nearer to half right means a larger share."""
    world, part = World(), SelfEvolving()
    world.observe(part, [world.stat(i, n=8, correct=k) for i, k in enumerate(counts)])
    probabilities = shares(part, world)
    distances = [abs(k - 4) for k in counts]
    assert (probabilities[0] - probabilities[1]) * (distances[1] - distances[0]) >= 0


# -- DUMP ----------------------------------------------------------------------------------------------------


def test_dump_worked_example() -> None:
    means, counts = np.array([0.6, 0.3, 0.0]), np.array([300, 100, 20])
    bounds = upper_bounds(means, counts)
    assert (bounds - means) == pytest.approx([0.200376, 0.345913, 0.758610], abs=5e-7)
    assert bounds == pytest.approx([0.800376, 0.645913, 0.758610], abs=5e-7)
    assert softmax(bounds / 0.1) == pytest.approx([0.534194, 0.113993, 0.351813], abs=5e-7)
    late = upper_bounds(means, 100 * counts)
    assert (late - means) == pytest.approx([0.02664, 0.04614, 0.10315], abs=5e-6)
    assert softmax(late / 0.1) == pytest.approx([0.938232, 0.056769, 0.004998], abs=1e-6)


def test_dump_through_observations_equals_the_formula() -> None:
    world, part = World(size=60), UpperConfidence(reward="std")
    world.observe(part, [world.stat(0, n=8, correct=4), world.stat(1, n=16, correct=0)])
    assert part.metrics()["dump_mean/a"] == 1.0
    expected = softmax(upper_bounds(np.array([1.0, 0.0, 0.0]), np.array([8, 16, 0])) / 0.1)
    assert shares(part, world) == pytest.approx(expected.tolist())


def test_dump_starts_even_and_an_unseen_category_has_the_largest_bonus() -> None:
    world, part = World(), UpperConfidence()
    assert shares(part, world) == pytest.approx([1 / 3] * 3)
    for _ in range(20):
        world.observe(part, [world.stat(0, n=16, correct=8), world.stat(1, n=16, correct=8)])
    bonus = upper_bounds(np.zeros(3), np.array([320, 320, 0]))
    assert bonus.argmax() == 2
    assert shares(part, world)[2] > 0.9


def test_dump_window_counts_rollouts_and_forgets_the_oldest() -> None:
    world, part = World(), UpperConfidence(window=10)
    for correct, n in ((4, 8), (0, 6)):
        world.observe(part, [world.stat(0, n=n, correct=correct)])
    assert part.metrics()["dump_mean/a"] == pytest.approx(4 / 10), "6 of value 0, and 4 of the 8 of value 1"
    world.observe(part, [world.stat(0, n=12, correct=0)])
    assert part.metrics()["dump_mean/a"] == 0.0
    assert part.state_dict()["counts"]["a"] == 26


# -- Skill-it ------------------------------------------------------------------------------------------------


def test_skill_it_worked_example() -> None:
    graph = np.array([[1.0, 0.5], [0.0, 1.0]])
    assert softmax(skill_logits(graph, np.array([0.8, 0.2]), eta=0.5)) == pytest.approx(
        [0.586618, 0.413382], abs=5e-7
    )


def test_skill_it_updates_from_training_failures_at_its_times() -> None:
    """12 steps and 6 updates: every second plan. With a graph a -> b the losses of b count for a too."""
    world, part = World(), SkillIt(graph={"a": {"b": 0.5}})
    assert shares(part, world) == pytest.approx(softmax(0.5 * np.array([1.5, 1.0, 1.0])).tolist())
    groups = [world.stat(0, n=10, correct=2), world.stat(1, n=10, correct=8)]
    world.observe(part, groups, step=0)
    assert part.state_dict()["history"] == []
    world.observe(part, groups, step=1)
    assert part.state_dict()["history"] == [{"a": 0.8, "b": 0.2}]
    assert shares(part, world) == pytest.approx(softmax(0.5 * np.array([0.8 + 0.5 * 0.2, 0.2, 1.0])).tolist())
    assert part.metrics()["skill_it_share_of_seen/a"] == pytest.approx(softmax(0.5 * np.array([0.9, 0.2]))[0])


def test_skill_it_window_and_unseen_categories() -> None:
    world, part = World(), SkillIt(window=2, updates=12)
    for step, correct in enumerate((0, 5, 10)):
        world.observe(part, [world.stat(0, n=10, correct=correct)], step=step)
    assert part.state_dict()["history"] == [{"a": 0.5}, {"a": 0.0}]
    world.observe(part, [world.stat(1, n=10, correct=10)], step=3)
    assert part.state_dict()["history"][-1] == {
        "a": 0.0,
        "b": 0.0,
    }, "a category without rollouts keeps its last loss"


def test_skill_it_refuses_a_graph_of_other_names() -> None:
    with pytest.raises(ValueError, match=r"args\.graph names \['nope'\].*\['a', 'b', 'c'\]"):
        SkillIt(graph={"a": {"nope": 1.0}}).check_pool(World().pool)


# -- Cooldown, fixed shares ----------------------------------------------------------------------------------


def test_cooldown_worked_example() -> None:
    sizes = {"x": 900, "y": 90, "z": 10}
    pool = PromptPool.from_prompts(
        [
            Prompt(id=f"{c}{i}", text="", token_ids=(1,), answer="", category=c)
            for c, n in sizes.items()
            for i in range(n)
        ]
    )
    world, part = World(), Cooldown(first=5.0, then=1.0, switch_at=0.5)
    world.pool = pool
    assert shares(part, world, step=5) == pytest.approx([0.490787, 0.309666, 0.199547], abs=5e-7)
    assert shares(part, world, step=6) == pytest.approx([0.9, 0.09, 0.01])
    assert part.describe(world.ctx(6), np.arange(2)) == {"cooldown_temperature": 1.0}


def test_mixture_draws_the_shares_it_is_given() -> None:
    world = World()
    assert shares(Mixture(weights={"a": 3, "b": 1, "c": 0}), world) == [0.75, 0.25, 0.0]
    assert shares(Mixture(weights={"a": 2}, others=1), world) == [0.5, 0.25, 0.25]
    assert shares(Mixture(), world) == pytest.approx([1 / 3] * 3)
    drawn = world.stack([Mixture(weights={"a": 1}, others=0)]).plan(
        0, total_steps=3, num_prompts=8, rollout_budget=8
    )
    assert (drawn.prompt_indices % 3 == 0).all()


def test_mixture_errors_name_the_fix() -> None:
    pool = World().pool
    with pytest.raises(ValueError, match=r"names \['z'\], but the prompts' categories are \['a', 'b', 'c'\]"):
        Mixture(weights={"a": 1, "z": 1}).check_pool(pool)
    with pytest.raises(ValueError, match=r"leaves out \['b', 'c'\]: add them, or set args\.others"):
        Mixture(weights={"a": 1}).check_pool(pool)
    with pytest.raises(ValueError, match="are all 0"):
        Mixture(weights={"a": 0})
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        Mixture(weights={"a": -1})
