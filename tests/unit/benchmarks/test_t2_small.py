"""The measured optimum of an isoline, and what of it is a bound."""

import numpy as np
import pytest

from benchmarks.t2.small import Level, measured, vertex

LOG_RATIO = np.log(np.array([5.0, 20.0, 80.0, 320.0, 1280.0]))


def test_the_vertex_of_a_parabola_is_found_between_cells() -> None:
    top = np.log(120.0)
    found, bound = vertex(LOG_RATIO, 0.5 - 0.03 * (LOG_RATIO - top) ** 2)
    assert found == pytest.approx(top)
    assert not bound
    assert vertex(LOG_RATIO, LOG_RATIO) == (pytest.approx(np.log(1280)), True)


def test_a_shift_that_was_made_is_measured() -> None:
    rng = np.random.default_rng(0)

    def cells(top: float) -> tuple[np.ndarray, ...]:
        rates = 0.5 - 0.03 * (LOG_RATIO - np.log(top)) ** 2
        return tuple(rate + 0.01 * rng.standard_normal((3, 50)) for rate in rates)

    names = tuple("abcde")
    level = Level(level=5, names=names, log_ratio=LOG_RATIO, single=cells(60.0), served=cells(150.0))
    assert level.judged
    found = measured([level], seeds=True, replicates=50)
    assert found["parabola"]["value"] == pytest.approx(np.log(150 / 60), abs=0.2)
    assert found["parabola"]["low"] > 0
    assert found["open"] == [{"level": 5, "point": True, "share": 1.0}]
    assert not found["parabola"]["bound"]
