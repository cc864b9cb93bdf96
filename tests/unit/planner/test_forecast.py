"""Forecasts: parts against closed forms, coverage by simulation, real counts with the model left out."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import beta as beta_law

from planner.estimators.beta_binomial import BetaBinomial, fit
from planner.estimators.pass_at_k import pass_at_k
from planner.forecast import Forecast, Reference, forecast, from_counts, shipped
from planner.forecast.family import densities
from planner.forecast.grid import LOG_P, cell_pass_at_k, likelihood
from planner.forecast.posterior import Draws, coverage, draw, outcomes
from planner.forecast.reference import KS, growths
from planner.forecast.spending import next_problems

COUNTS = Path(__file__).parents[3] / "benchmarks" / "data" / "monkeys_counts.jsonl"


def beta_on_grid(a: float, b: float) -> np.ndarray:
    return densities(np.array([[0.0, np.log(a), np.log(b)]]))


@pytest.mark.parametrize(("n", "c"), [(8, 3), (32, 31), (10_000, 2), (10_000, 4_000)])
def test_the_kernel_is_a_beta_for_few_and_for_many_samples(n: int, c: int) -> None:
    # Flat in logit p, c of n gives Beta(c, n - c), whose mean is c / n.
    weight = likelihood(np.array([n]), np.array([c]))[0]
    mean = weight @ np.exp(LOG_P) / weight.sum()
    assert mean == pytest.approx(c / n, rel=0.01, abs=0.01)
    spread = np.sqrt(weight @ np.exp(LOG_P) ** 2 / weight.sum() - mean**2)
    assert spread == pytest.approx(beta_law.std(c, n - c), rel=0.2, abs=0.006)


@pytest.mark.parametrize(("a", "b"), [(0.5, 4.5), (2.0, 3.0), (0.02, 0.5)])
def test_the_family_holds_the_beta(a: float, b: float) -> None:
    for k in (1, 32, 1024):
        assert (beta_on_grid(a, b) @ cell_pass_at_k(k))[0] == pytest.approx(
            BetaBinomial(a=a, b=b).pass_at_k(k), rel=0.01
        )


def test_coverage_of_known_difficulty_is_the_posterior_mean() -> None:
    n, c = np.array([32, 32, 32, 8]), np.array([0, 3, 3, 0])
    draws = Draws(density=beta_on_grid(0.5, 4.5), weight=np.ones(1))
    mean, variance = coverage(draws, outcomes(n, c), 64)
    exact = BetaBinomial(a=0.5, b=4.5).posterior_pass_at_k(n, c, 64)
    assert mean[0] == pytest.approx(exact.mean(), rel=0.005)
    square = [
        beta_law.expect(lambda p: (1 - (1 - p) ** 64) ** 2, args=(0.5 + y, 4.5 + m - y))
        for m, y in zip(n, c, strict=True)
    ]
    assert variance[0] == pytest.approx(np.sum(np.array(square) - exact**2) / 16, rel=0.02)


def test_draws_are_many_and_the_same_each_time() -> None:
    rng = np.random.default_rng(0)
    seen = outcomes(np.full(500, 32), rng.binomial(32, rng.beta(0.5, 4.5, 500)))
    first, second = draw(seen, None), draw(seen, None)
    assert first.effective_number > 100
    assert np.array_equal(first.weight, second.weight)


def test_forecasts_cover_where_the_family_is_right() -> None:
    rng = np.random.default_rng(1)
    inside, errors = 0, []
    for _ in range(24):
        p = rng.beta(0.5, 4.5, 100)
        found = forecast(
            np.stack([np.full(100, 32), rng.binomial(32, p)], axis=1), 256, prior=None, confidence=0.9
        )
        truth = (1 - (1 - p) ** 256).mean()
        inside += found.low <= truth <= found.high
        errors.append(found.value - truth)
    assert inside >= 18
    assert np.mean(np.abs(errors)) < 0.05


def populations() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    rows = [json.loads(line) for line in COUNTS.read_text(encoding="utf-8").splitlines()]
    return {r["model"]: (np.full(len(r["c"]), r["n"]), np.array(r["c"])) for r in rows}


@pytest.fixture(scope="module")
def real() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return populations()


def test_real_counts_with_the_model_left_out(real: dict) -> None:
    reference, rng = from_counts(real), np.random.default_rng(2)
    ours, plain = [], []
    for name in ("Pythia 410M", "Pythia 2.8B", "Pythia 12B"):
        n, c = real[name]
        truth = pass_at_k(n, c, 256).mean()
        for _ in range(5):
            drawn = rng.hypergeometric(c, n - c, 32)
            found = forecast(
                np.stack([np.full(len(c), 32), drawn], axis=1), 256, prior=reference.without(name)
            )
            ours.append(abs(found.value - truth))
            plain.append(abs(fit([32] * len(c), drawn).pass_at_k(256) - truth))
    assert np.mean(ours) < 0.05
    assert np.mean(ours) < 0.8 * np.mean(plain)


def test_growths_of_a_reference(real: dict) -> None:
    reference = from_counts(real)
    n, c = real["Pythia 1B"]
    curve = np.array([pass_at_k(n, c, k).mean() for k in KS])
    row = reference.growth[reference.names.index("Pythia 1B")]
    assert row == pytest.approx(np.diff(np.log(curve / (1 - curve))))
    # pass@k = k / (k + 1): its odds are k
    assert growths(beta_on_grid(1.0, 1.0), 5)[0] == pytest.approx([np.log(4)] * 5, abs=0.01)
    assert "Pythia 1B" not in reference.without("Pythia 1B").names


def test_the_prior_prefers_the_reference_and_never_forbids() -> None:
    growth = np.array([[1.3, 1.1, 0.9, 0.8], [1.32, 1.15, 0.95, 0.82], [1.28, 1.08, 0.92, 0.75]])
    reference = Reference(names=("a", "b", "c"), growth=growth)
    near, far = densities(np.array([[-2.0, np.log(0.28), np.log(0.95)]])), beta_on_grid(30.0, 30.0)
    values = reference.log_prior(np.concatenate([near, far]))
    assert values[0] > values[1] + 5
    assert np.isfinite(values[1])


def test_the_floor_follows_how_much_populations_differ() -> None:
    rng = np.random.default_rng(3)
    close, far = (1 + s * rng.standard_normal((6, 4)) for s in (0.01, 0.4))
    names = tuple("abcdef")
    assert Reference(names=names, growth=close).floor < Reference(names=names, growth=far).floor


def test_references_that_cannot_be(real: dict) -> None:
    with pytest.raises(ValueError, match="at least 3"):
        from_counts(dict(list(real.items())[:2]))
    with pytest.raises(ValueError, match="each needs at least 256"):
        from_counts({"a": ([128, 300], [1, 2])})
    for solved in ([0, 0], [300, 300], [290, 280]):
        with pytest.raises(ValueError, match="no growth"):
            from_counts({name: ([300, 300], solved) for name in "abc"})


def test_the_shipped_reference_is_of_these_counts(real: dict) -> None:
    ours = shipped()
    assert len(ours.names) == 16
    of_counts = from_counts(real)
    for name, row in zip(of_counts.names, of_counts.growth, strict=True):
        assert ours.growth[ours.names.index(f"MATH {name}")] == pytest.approx(row[:4], abs=1e-4)


def test_edges() -> None:
    none, every = forecast([(8, 0)] * 30, 64), forecast([(8, 8)] * 30, 64)
    assert 0 <= none.low <= none.value < 0.1 < none.high < 0.5
    assert "power_law" not in none.models
    assert every.value == pytest.approx(1.0, abs=1e-3)
    unseen = forecast([(0, 0), (32, 3), (32, 0)], 64)
    assert unseen.low < unseen.value < unseen.high
    for wrong in ([8, 0], [(8, 9)], [(8, 0.5)], []):
        with pytest.raises(ValueError, match="counts"):
            forecast(wrong, 64)
    with pytest.raises(ValueError, match="k is 0"):
        forecast([(8, 1)], 0)


def test_more_samples_are_worth_more_and_cost_certainty() -> None:
    counts = [(32, c) for c in [0] * 20 + [1] * 5 + [2, 3, 5, 8, 20]]
    found = [forecast(counts, k) for k in (33, 64, 256, 1024)]
    assert np.all(np.diff([f.value for f in found]) > 0)
    assert np.all(np.diff([f.high - f.low for f in found[:3]]) > 0)
    low, high = found[2].model_interval
    assert low <= found[2].value <= high
    assert low == min(found[2].value, *found[2].models.values())


def test_the_population_is_less_certain_than_its_well_known_members() -> None:
    counts = [(20_000, c) for c in (0, 3, 40, 200, 900, 5000, 1, 0, 0, 70)]
    these, like_these = forecast(counts, 1000), forecast(counts, 1000, problems="like these")

    def width(found: Forecast) -> float:
        return found.high - found.low

    assert width(like_these) > 5 * width(these)
    assert these.value == pytest.approx(pass_at_k(20_000, [c for _, c in counts], 1000).mean(), abs=0.01)


def test_samples_go_to_what_is_unsolved() -> None:
    assert sorted(next_problems([5, 2, 2, 9], [0, 0, 1, 0], 6).tolist()) == [0, 0, 1, 1, 1, 1]
    assert next_problems([3, 3, 3], [0, 0, 0], 2).tolist() == [0, 1]
    assert sorted(next_problems([1, 2], [1, 1], 3).tolist()) == [0, 0, 1]
    assert sorted(next_problems([1, 2], [1, 1], 3, enough=2).tolist()) == [0, 0, 1]
    with pytest.raises(ValueError, match="1 or more"):
        next_problems([1], [0], 0)


def test_spending_is_level_and_complete() -> None:
    rng = np.random.default_rng(4)
    for _ in range(50):
        n = rng.integers(0, 20, 12)
        c = np.minimum(rng.integers(0, 2, 12), n)
        samples = int(rng.integers(1, 60))
        chosen = next_problems(n, c, samples)
        assert len(chosen) == samples
        after = n + np.bincount(chosen, minlength=12)
        open_ = c < 1 if (c < 1).any() else np.ones(12, dtype=bool)
        assert not set(chosen) & set(np.flatnonzero(~open_))
        touched = np.unique(chosen)
        assert np.ptp(after[touched]) <= 1
        assert after[open_].min() >= after[touched].max() - 1
