"""Tables of a report against numbers worked out by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from rl.report.facts import duration, facts_of
from rl.report.figures.equal_budget import common_budget, spent, spent_at
from rl.report.figures.held_out import curves
from rl.report.results import results_of
from rl.report.tables import advice, equal_budgets
from rl.views.differences import config_differences, flat
from rl.views.run_view import RunView
from tests.unit.report.made_runs import made_run, write_evaluation


@pytest.fixture
def pair(tmp_path: Path) -> list[RunView]:
    return [RunView(made_run(tmp_path / "long")), RunView(made_run(tmp_path / "short", steps=20, seed=1))]


def test_what_was_spent_counts_finished_steps(pair: list[RunView]) -> None:
    tokens = spent(pair[0], "tokens")
    assert (tokens.x[0], tokens.y[0], tokens.y[-1]) == (1, 1000, 40_000)
    assert spent(pair[0], "seconds").y[-1] == pytest.approx(80)
    assert common_budget(pair, "tokens") == 20_000
    assert [spent_at(tokens, version) for version in (0, 20, 40)] == [0, 20_000, 40_000]


def test_equal_budgets_take_the_evaluations_that_both_could_afford(pair: list[RunView]) -> None:
    table = equal_budgets(pair)
    assert [row[:2] for row in table.rows] == [["long", "20,000 tokens"], ["long", "40 s"]]
    counts = {
        run.name: next(c for c in run.evaluations() if c.version == 20 and not c.greedy) for run in pair
    }
    for name, cell in (("long", table.rows[0][2]), ("short", table.rows[0][3])):
        assert cell.startswith(f"{100 * counts[name].pass_rate:.1f}%") and cell.endswith("after 20 steps")
    gained = counts["long"].pass_rate - counts["short"].pass_rate
    assert table.rows[0][4].startswith(f"{100 * gained:+.1f}%")


def test_settings_that_differ_are_found_at_any_depth(pair: list[RunView]) -> None:
    assert flat({"a": {"b": {"c": 1}, "d": []}}) == {"a.b.c": 1, "a.d": []}
    assert config_differences(pair) == {"run.steps": ["40", "20"]}


def test_results_are_those_of_the_table_that_training_prints(pair: list[RunView]) -> None:
    results = results_of(pair[0])
    assert (results.first, results.last) == (0, 40)
    line = results.summary.line("pass@1")
    evaluations = {c.version: c.pass_rate for c in pair[0].evaluations() if not c.greedy}
    assert line.before.value == pytest.approx(evaluations[0])
    assert line.after.value == pytest.approx(evaluations[40])


def test_evaluations_beyond_the_lineage_are_left_out(pair: list[RunView]) -> None:
    write_evaluation(pair[0].path, 60, 0.9, np.random.default_rng(0))
    assert results_of(pair[0]).last == 40
    assert [point.version for point in curves(pair[0])["pass@1"]] == [0, 20, 40]


def test_facts_say_what_is_known(pair: list[RunView]) -> None:
    facts = facts_of(pair[0], results_of(pair[0]))
    assert facts["State"] == "finished" and facts["Steps"] == "40 of 40" and facts["Base"] == "tiny"
    assert facts["Sampled tokens"] == "40,000" and "Starts" not in facts
    assert " before, " in facts["Held-out pass@1"]


def test_advice_of_new_and_of_old_runs(pair: list[RunView]) -> None:
    assert advice(pair) is None
    rows = [
        {"attempt": 1, "restored_step": 0},
        {
            "attempt": 1,
            "step": 3,
            "time": 0.0,
            "name": "gap_rising",
            "about": "system",
            "text": "wrong",
            "severity": "warning",
            "cause": "why",
            "fix": "do",
            "knob": "a.b",
        },
    ]
    (pair[0].path / "advisories.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert advice(pair[:1]).rows == [
        ["step 3", "1970-01-01 00:00:00 UTC", "gap rising, warning", "wrong", "why", "do [a.b]"]
    ]
    with (pair[1].path / "metrics.jsonl").open("a") as out:
        out.write(json.dumps({"attempt": 1, "step": 20, "advisory/entropy_collapse": 1.0}) + "\n")
    assert advice(pair[1:]).rows[0][:3] == ["step 20", "", "entropy collapse"]


def test_durations_read_as_people_say_them() -> None:
    assert [duration(s) for s in (0, 40, 600, 11_100)] == ["", "40 s", "10 min", "3 h 05 min"]
