"""The claims about a real model are read off the table as they were written."""

import numpy as np
import pytest

from benchmarks.learning.real_model import over_seeds, verdicts


def table(**changes: float) -> dict[str, dict[str, float]]:
    rises = {"estimate": 0.3, "low": 0.2, "high": 0.4}
    names = ("pass@1", "greedy", "pass@8", "pass@1 after, over T=0.6 before", "unseen levels: pass@1")
    rows = {name: dict(rises) for name in names}
    for name, value in changes.items():
        rows[name] = {"estimate": value, "low": value - 0.1, "high": value + 0.1}
    return rows


@pytest.mark.parametrize(
    ("name", "value", "claim"),
    [
        ("pass@1", 0.14, "gain"),
        ("greedy", 0.05, "greedy"),
        ("pass@8", -0.06, "keeps_reach"),
        ("pass@1 after, over T=0.6 before", 0.09, "beats_sharpening"),
        ("unseen levels: pass@1", 0.0, "carries_over"),
    ],
)
def test_each_claim_fails_by_its_own_row(name: str, value: float, claim: str) -> None:
    assert all(verdicts(table(), [50, 60]).values())
    found = verdicts(table(**{name: value}), [50, 60])
    assert [one for one, held in found.items() if not held] == [claim]
    assert not verdicts(table(), [61])["in_an_hour"]


def test_a_task_without_levels_has_no_claim_about_unseen_ones() -> None:
    rows = table()
    del rows["unseen levels: pass@1"]
    assert verdicts(table(), [50]).keys() - verdicts(rows, [50]).keys() == {"carries_over"}


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_difference_is_over_problems_and_seeds(seeds: int) -> None:
    before, after = np.array([0.0, 0.5, 0.25, 0.25]), np.array([0.5, 0.75, 0.75, 0.5])
    row = over_seeds([(before, after)] * seeds)
    assert (row["before"], row["after"], row["estimate"]) == (0.25, 0.625, 0.375)
    assert 0 < row["low"] < 0.375 < row["high"] < 0.6
