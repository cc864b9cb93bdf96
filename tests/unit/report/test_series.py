"""Lines of many steps are drawn by fewer points, with intervals that cover."""

import numpy as np
import pytest
from scipy import stats

from rl.report.figures.series import MOST, Series, brief, smoothed, thinned


def test_a_short_line_is_drawn_as_it_is() -> None:
    line = smoothed(Series(np.arange(3), np.array([1.0, 5.0, 2.0])))
    assert line.window == 1
    assert line.mean.tolist() == [1.0, 5.0, 2.0]


def test_windows_hold_the_mean_and_the_interval_of_their_steps() -> None:
    values = np.random.default_rng(0).normal(5, 1, 100) + 1e6
    line = smoothed(Series(np.arange(100), values))
    place = int(np.flatnonzero(line.x == 50)[0])
    half = line.window // 2
    inside = values[50 - half : 50 + half + 1]
    low, high = stats.t.interval(0.95, len(inside) - 1, inside.mean(), stats.sem(inside))
    assert line.mean[place] == pytest.approx(inside.mean(), abs=1e-6)
    assert (line.low[place], line.high[place]) == (
        pytest.approx(low, abs=1e-4),
        pytest.approx(high, abs=1e-4),
    )


def test_a_constant_has_an_interval_of_no_width() -> None:
    line = smoothed(Series(np.arange(50), np.full(50, 0.1)))
    assert np.allclose(line.low, 0.1) and np.allclose(line.high, 0.1)


def test_a_long_line_keeps_its_ends_and_its_mean() -> None:
    series = Series(np.arange(10_000), np.random.default_rng(1).random(10_000))
    assert len(smoothed(series).x) == MOST
    few = thinned(series)
    assert len(few) == MOST and few.x[-1] == 9_999
    assert few.y.mean() == pytest.approx(series.y.mean(), abs=1e-3)


def test_pages_get_few_digits_and_null_for_nan() -> None:
    assert brief([1 / 3, float("nan"), 12345678]) == [0.33333, None, 12346000.0]
