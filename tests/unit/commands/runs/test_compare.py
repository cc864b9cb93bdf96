"""t2rl compare: the same problems paired, the same budget found, the same settings not said."""

import json

import pytest
from typer.testing import CliRunner

from rl.cli import app
from rl.commands.runs.compare import Spent, compare_runs, spent_at
from rl.views.run_view import RunView
from tests.unit.commands.runs.made import CONFIG, evaluate, make_run


@pytest.fixture
def pair(tmp_path):
    """The second run takes twice the tokens a step and half the time."""
    first = make_run(tmp_path, "base", steps=4, tokens=1000, step_s=4.0)
    other = make_run(
        tmp_path,
        "dear",
        steps=4,
        tokens=2000,
        step_s=2.0,
        config={"learner": {"lr": 1e-2}, "run": CONFIG["run"]},
    )
    for run, rates in ((first, [1, 2, 3]), (other, [1, 4, 6])):
        for version, right in zip((0, 2, 4), rates, strict=True):
            evaluate(run, version, [right, right + 1, right, right + 2])
    return [RunView(first), RunView(other)]


def test_only_settings_that_differ_are_said(pair):
    assert compare_runs(pair).settings == {"learner.lr": ["0.001", "0.01"]}


def test_what_a_version_cost(pair):
    assert spent_at(pair[0], 2) == Spent(tokens=2000, seconds=8)
    assert spent_at(pair[0], 0) == Spent(tokens=0, seconds=0)
    assert spent_at(pair[1], 4) == Spent(tokens=8000, seconds=8)


def test_the_newest_results_are_paired(pair):
    found = compare_runs(pair).newest
    assert [(r.run, r.version, r.k) for r in found] == [
        ("base", 4, 1),
        ("dear", 4, 1),
        ("base", 4, 2),
        ("dear", 4, 2),
    ]
    assert found[0].difference is None
    assert found[1].difference.value == pytest.approx(3 / 8)
    assert found[1].difference.low < 3 / 8 < found[1].difference.high


def test_at_equal_tokens_the_dear_run_is_taken_earlier(pair):
    found = compare_runs(pair)
    assert [(r.run, r.version) for r in found.at_equal_tokens[:2]] == [("base", 4), ("dear", 2)]
    assert found.at_equal_tokens[1].difference.value == pytest.approx(1 / 8)
    assert [(r.run, r.version) for r in found.at_equal_seconds[:2]] == [("base", 2), ("dear", 4)]


def test_other_problems_are_not_subtracted(pair):
    evaluate(pair[1].path, 4, [6, 7, 6, 8], ids="q")
    found = compare_runs(pair).newest[1]
    assert found.difference is None and found.why_not == "other problems"


def test_problems_with_too_few_judged_completions_are_left_out_on_both_sides(pair):
    evaluate(pair[1].path, 4, [1, 1, 1, 1], n=1)
    found = {(r.run, r.k): r for r in compare_runs(pair).newest}
    assert found["dear", 1].difference is not None
    assert (found["dear", 2].problems, found["dear", 2].why_not) == (0, "fewer than 2 samples a problem")


def test_a_run_without_evaluations_leaves_the_rest(pair, tmp_path):
    found = compare_runs([pair[0], RunView(make_run(tmp_path, "new", steps=0))])
    assert found.newest == [] and found.steps == [4, 0]


def test_one_run_is_no_comparison(pair):
    with pytest.raises(ValueError, match="only base was named"):
        compare_runs(pair[:1])


def test_the_command(pair):
    runner = CliRunner()
    paths = [str(run.path) for run in pair]
    shown = runner.invoke(app, ["compare", *paths])
    assert shown.exit_code == 0, shown.stderr
    assert "learner.lr" in shown.stdout and "minus base" in shown.stdout and "flops" in shown.stdout
    found = json.loads(runner.invoke(app, ["compare", *paths, "--json"]).stdout)
    assert found["spent"] == [{"tokens": 4000.0, "seconds": 16.0}, {"tokens": 8000.0, "seconds": 8.0}]
    assert found["cost"]["flops"] == [4e9, 4e9]
    assert found["newest"][1]["difference"]["value"] == pytest.approx(3 / 8)
