"""Schedules: exact at both ends, bounded, monotone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rewards.rubric.schedules import Schedule


def test_by_hand() -> None:
    cosine, exponential = Schedule(kind="cosine", end=0.01), Schedule(kind="exponential", end=0.01)
    assert [cosine.at(1, p) for p in (0, 0.25, 0.5, 1)] == pytest.approx([1, 0.8550180, 0.505, 0.01])
    assert [exponential.at(1, p) for p in (0, 0.25, 0.5, 1)] == pytest.approx([1, 0.3162278, 0.1, 0.01])
    assert Schedule().at(0.3, 0.7) == 0.3


def test_it_stands_still_outside_its_part_of_the_run() -> None:
    schedule = Schedule(kind="cosine", end=1, begin_at=0.2, end_at=0.6)
    assert [schedule.at(0, p) for p in (0, 0.2, 0.4, 0.6, 1)] == pytest.approx([0, 0, 0.5, 1, 1])


POSITIVE = st.floats(1e-3, 1e3)


@given(st.sampled_from(["cosine", "exponential"]), POSITIVE, POSITIVE, st.floats(0, 1), st.floats(0, 1))
def test_bounded_by_its_ends_and_monotone(
    kind: str, start: float, end: float, one: float, other: float
) -> None:
    schedule = Schedule(kind=kind, end=end)
    early, late = (schedule.at(start, p) for p in sorted((one, other)))
    low, high = sorted((start, end))
    slack = 1e-9 * high
    assert low - slack <= early <= high + slack
    assert (late - early) * (end - start) >= -slack * abs(end - start)
    assert schedule.at(start, 0) == pytest.approx(start)
    assert schedule.at(start, 1) == pytest.approx(end)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "exponential"}, "set its end"),
        ({"kind": "constant", "end": 1}, "goes nowhere"),
        ({"kind": "cosine", "begin_at": 0.5, "end_at": 0.5}, "must be before"),
        ({"kind": "linear"}, "constant"),
        ({"kind": "cosine", "ends": 1}, "Extra inputs"),
        ({"kind": "cosine", "end": float("nan")}, "finite"),
    ],
)
def test_refusals(fields: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Schedule(**fields)


def test_an_exponential_cannot_pass_zero() -> None:
    with pytest.raises(ValueError, match="passes 0"):
        Schedule(kind="exponential", end=0.1).check(-1)
    with pytest.raises(ValueError, match="passes 0"):
        Schedule(kind="exponential", end=0.1).check(0)
