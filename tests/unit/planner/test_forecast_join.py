"""The whole curve of pass@k, measured and forecast: it never falls, never bends upwards, and its intervals
contain it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.estimators.counts_file import CountRow
from planner.estimators.pass_at_k import pass_at_k
from planner.forecast import Forecast, forecast, shipped
from planner.forecast.grid import X, cell_pass_at_k
from planner.forecast.join import FARTHEST, joined, measured
from planner.forecast.posterior import coverage, difficulty, draw, outcomes
from rl.commands.passk import cells_of

EXACT = 1e-9


@st.composite
def counts(draw_: st.DrawFn) -> list[tuple[int, int]]:
    """Problems of one benchmark, sampled equally or not; all right, all wrong and lone successes included."""
    equal = draw_(st.none() | st.integers(1, 12))
    rows = []
    for _ in range(draw_(st.integers(1, 12))):
        n = equal or draw_(st.integers(1, 12))
        rows.append((n, draw_(st.sampled_from([0, 1, n]) | st.integers(0, n))))
    return [(n, min(n, c)) for n, c in rows]


def assert_joint(ks: list[int], values: list[float]) -> None:
    steps = np.diff([0.0, *values])
    assert np.all(steps >= -EXACT), "it falls"
    slopes = steps / np.diff([0, *ks])
    assert np.all(np.diff(slopes) <= EXACT), "it bends upwards"
    assert values[0] >= 0 and values[-1] <= 1 + EXACT


@st.composite
def difficulties(draw_: st.DrawFn) -> np.ndarray:
    """Any model: up to three kinds of problems anywhere on the grid."""
    places = draw_(st.lists(st.integers(0, len(X) - 1), min_size=1, max_size=3))
    density = np.zeros(len(X))
    for place in places:
        density[place] += 1 / len(places)
    return density


@settings(max_examples=100, deadline=None)
@given(counts(), difficulties())
def test_whatever_the_model_it_never_falls_and_never_bends_upwards(
    rows: list[tuple[int, int]], model: np.ndarray
) -> None:
    n, c = np.array(rows).T
    ks = [*range(1, 20), 64, 65, 256, 100_000]
    curve = joined(measured(n, c), model)
    values = [curve(k) for k in ks]
    assert_joint(ks, values)
    assert values[: n.min()] == pytest.approx([pass_at_k(n, c, k).mean() for k in range(1, n.min() + 1)])


@pytest.mark.parametrize("problems", ["these", "like these"])
def test_the_mean_difficulty_gives_the_posterior_mean(problems: str) -> None:
    seen = outcomes(np.array([8, 8, 3]), np.array([0, 5, 1]))
    found = draw(seen, shipped())
    whole = coverage(found, seen, 64)[0] if problems == "these" else found.density @ cell_pass_at_k(64)
    assert difficulty(found, seen if problems == "these" else None) @ cell_pass_at_k(64) == pytest.approx(
        float(found.weight @ whole)
    )


@settings(max_examples=4, deadline=None)
@given(counts())
def test_the_command_prints_such_a_curve_and_intervals_that_contain_it(rows: list[tuple[int, int]]) -> None:
    ks = [1, 3, 7, 8, 9, 64, 256]
    made = [CountRow(id=str(i), n=n, c=c, category=None) for i, (n, c) in enumerate(rows)]
    cells = cells_of("all", made, ks, 0.95, shipped())
    assert_joint(ks, [cell.value for cell in cells])
    assert all(cell.low <= cell.value <= cell.high and cell.low < cell.high for cell in cells)
    far = [cell for cell in cells if cell.forecast]
    for limit in ("low", "high"):
        assert np.all(np.diff([getattr(cell, limit) for cell in far]) >= -EXACT)
    assert all(min(cell.models.values()) >= cells[0].value - EXACT for cell in far)


def test_far_from_n_the_joint_curve_is_the_model() -> None:
    rng = np.random.default_rng(5)
    n = np.full(100, 32)
    c = rng.binomial(32, rng.beta(0.5, 4.5, 100))
    seen = outcomes(n, c)
    found = draw(seen, shipped())
    p = difficulty(found, seen)
    raw, _ = coverage(found, seen, 256)
    assert joined(measured(n, c), p)(256) == pytest.approx(float(found.weight @ raw), abs=1e-9)


def test_the_newcomers_case() -> None:
    """Everything solved within eight attempts: at 64 attempts it is not less."""
    rows = [(8, c) for c in [8] * 20 + [3, 5, 7] * 5]
    found: Forecast = forecast(rows, 64, problems="like these")
    assert forecast(rows, 8).value == found.value == 1.0
    assert found.low < 1.0 and min(found.models.values()) >= 1.0


def test_a_model_that_never_reaches_the_measured_figure_leaves_it_flat() -> None:
    end = measured(np.array([4, 4]), np.array([2, 4]))
    assert end is not None and end.value == 1.0
    hopeless = np.zeros(len(X))
    hopeless[0] = 1.0
    assert joined(end, hopeless)(FARTHEST / 2) == 1.0


def test_without_a_sample_of_some_problem_the_model_speaks_alone() -> None:
    assert measured(np.array([0, 4]), np.array([0, 2])) is None
