"""Rows of real runs (``python -m benchmarks.advice``, and the quickstart), replayed: the right advice comes
first, and a healthy run hears nothing. Rows hold the keys that rules read, in four digits."""

from pathlib import Path

import pytest

from rl.commands.advisories.replay import replay
from rl.views.run_view import RunView

RUNS = Path(__file__).parent / "advice_runs"


def advised(name: str) -> list[tuple[int, str]]:
    return [(step, one.name) for step, one in replay(RunView(RUNS / name))]


def test_the_quickstart_hears_nothing_in_120_steps() -> None:
    view = RunView(RUNS / "quickstart")
    assert len(view.metrics()) == 120 and len(view.evaluations()) == 5
    assert advised("quickstart") == []


@pytest.mark.parametrize(
    ("run", "first", "later"),
    [
        ("gamed", "battery_accepted", ["held_out_falls", "saturated_reward"]),
        ("starved", "engines_starved", []),
    ],
)
def test_the_right_advice_comes_first(run: str, first: str, later: list[str]) -> None:
    said = [name for _, name in advised(run)]
    assert said[0] == first
    assert set(later) <= set(said)


def test_the_held_out_shows_the_gaming_at_the_third_evaluation() -> None:
    assert next(step for step, name in advised("gamed") if name == "held_out_falls") <= 31
