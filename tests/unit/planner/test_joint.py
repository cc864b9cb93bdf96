import numpy as np
import pytest

from planner.cost.devices import device
from planner.cost.flops import ModelShape
from planner.cost.roofline import Server
from planner.estimators.pass_at_k import pass_at_k
from planner.joint.choice import Limits, choose, plan
from planner.joint.options import Candidate, Options, tabulate
from planner.joint.recorded import Recorded, on_same_problems

SMALL = ModelShape(params=1e6, layers=2, attention_width=64, kv_width=64)
LARGE = ModelShape(params=1e8, layers=8, attention_width=512, kv_width=512)


def recorded(
    name: str, right: list[list[int]], lengths: list[list[int]], answers: list[list[str]] | None = None
) -> Recorded:
    return Recorded(
        name=name,
        bits=0,
        temperature=1.0,
        max_tokens=100,
        problems=tuple(f"p{i}" for i in range(len(right))),
        prompt_tokens=np.full(len(right), 10.0),
        lengths=tuple(np.array(row) for row in lengths),
        right=tuple(np.array(row, dtype=bool) for row in right),
        answers=None if answers is None else tuple(tuple(row) for row in answers),
    )


def on_cpu(some: Recorded, shape: ModelShape = SMALL) -> Candidate:
    return Candidate(recorded=some, shape=shape, cost=Server(shape=shape, device=device("cpu_core")))


def find(options: Options, **wanted: object) -> int:
    at = [
        i for i, o in enumerate(options.options) if all(getattr(o, name) == v for name, v in wanted.items())
    ]
    assert len(at) == 1
    return at[0]


def test_a_lower_limit_turns_longer_samples_wrong_and_charges_the_limit() -> None:
    some = recorded("a", [[1, 1, 0, 1]], [[5, 20, 100, 40]], [["1", "1", "2", "1"]]).cut(20)
    assert some.right[0].tolist() == [True, True, False, False]
    assert some.lengths[0].tolist() == [5, 20, 20, 20]
    assert some.answers == (("1", "1", None, None),)


def test_limits_are_quantiles_of_the_lengths_and_the_recorded_one() -> None:
    some = recorded("a", [[1] * 4], [[10, 20, 30, 40]])
    assert some.limits(1) == [100]
    assert some.limits(4) == [18, 25, 33, 100]


def test_options_are_what_pass_at_k_and_the_cost_model_say() -> None:
    some = recorded("a", [[1, 0, 0, 0], [1, 1, 0, 0]], [[10, 20, 30, 40]] * 2)
    cost = on_cpu(some).cost
    options = tabulate([on_cpu(some)], limits=1)
    one = find(options, k=2, strategy="parallel")
    assert options.right[one].tolist() == pass_at_k([4, 4], [1, 2], 2).tolist()
    assert options.costs["flops"][one] == pytest.approx([SMALL.query(10, 25, 2)] * 2)
    # The longest of two of 10, 20, 30, 40: (20 + 2 x 30 + 3 x 40) / 6.
    assert options.costs["latency"][one][0] == pytest.approx(cost.latency_parallel_s(10, 200 / 6, 2))
    # One after the other: problem 0 goes on with 3/4 after a wrong sample of 30 tokens on average.
    after = find(options, k=2, strategy="sequential")
    expected = 1 / 4 * 10 + 3 / 4 * 30 + 3 / 4 * (1 / 3 * 10 + 2 / 3 * 30)
    assert options.costs["latency"][after][0] == pytest.approx(
        cost.latency_sequential_s(10, expected, length=25)
    )
    assert options.right[after].tolist() == options.right[one].tolist()


def test_votes_stand_in_where_nothing_can_be_checked() -> None:
    some = recorded("a", [[1, 1, 0, 0]], [[10] * 4], [["1", "1.0", "2", "3"]])
    options = tabulate([on_cpu(some)], limits=1, verifier=False)
    assert {o.strategy for o in options.options} == {"parallel", "majority"}
    assert options.right[find(options, strategy="majority", k=4)][0] == 1, "1 and 1.0 were both judged right"
    with pytest.raises(ValueError, match="a has none"):
        tabulate([on_cpu(recorded("a", [[1]], [[10]]))], verifier=False)


def two_models(problems: int = 40) -> Options:
    """The small model solves every other problem, always; the large one all of them."""
    small = recorded("small", [[i % 2] * 4 for i in range(problems)], [[10, 10, 10, 90]] * problems)
    large = recorded("large", [[1] * 4] * problems, [[20] * 4] * problems)
    return tabulate([on_cpu(small), on_cpu(large, LARGE)], limits=3)


def test_the_cheapest_that_reaches_a_target_and_the_best_within_a_budget() -> None:
    options, everyone = two_models(), np.ones(40)
    cheap = choose(options, Limits(cost="flops", target=0.5), everyone)
    assert cheap is not None
    assert options.options[cheap].candidate == "small"
    best = choose(options, Limits(cost="flops"), everyone)
    assert best is not None
    assert options.options[best].candidate == "large"
    assert options.options[best].k == 1, "the cheaper of equals"
    limit = float(options.costs["flops"][best].mean())
    kept = choose(options, Limits(cost="flops", budget=limit * 0.9), everyone)
    assert kept is not None
    assert options.options[kept].candidate == "small"
    assert choose(options, Limits(latency=0.0), everyone) is None


def test_a_plan_says_how_sure_it_is_and_what_it_gains() -> None:
    found = plan(two_models(), Limits(cost="flops", target=0.9), replicates=50)
    assert found.accuracy.value == 1
    assert found.stability[0] == (found.chosen, 1.0)
    assert found.held_out is not None
    assert found.held_out.accuracy.low == pytest.approx(1)
    assert found.held_out.within_budget == 1
    assert found.held_out.saving.value == 0, "no cut and no order saves on a model that is always right"


def test_sequential_sampling_is_found_to_save_on_problems_that_did_not_choose() -> None:
    rng = np.random.default_rng(0)
    right = rng.random((60, 8)) < rng.beta(1, 1, 60)[:, None]
    some = recorded("a", right.astype(int).tolist(), [[20] * 8] * 60)
    found = plan(tabulate([on_cpu(some)], limits=1), Limits(cost="flops", target=0.7), replicates=100)
    assert found.held_out is not None
    assert found.held_out.saving.low > 0.1


def test_limits_that_nothing_keeps_are_refused_with_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"most accurate solves 1\.000"):
        plan(two_models(), Limits(target=1.0, latency=1e-12))


def test_candidates_are_compared_on_the_problems_they_share() -> None:
    first = recorded("a", [[1]] * 5, [[3]] * 5)
    second = recorded("b", [[1]] * 6, [[3]] * 6)
    assert [c.problems for c in on_same_problems([first, second])] == [first.problems] * 2
    with pytest.raises(ValueError, match="share 1 problems"):
        on_same_problems([first, recorded("b", [[1]], [[3]])])
