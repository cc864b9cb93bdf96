"""Run directories are read once, and then only what was added."""

import json
import math
import os
from pathlib import Path

import pytest
import yaml

from rl.records.jsonl import JsonlWriter
from rl.records.metrics import MetricsWriter
from rl.views.rows import GrowingRows
from rl.views.run_view import RunView, find_runs


@pytest.fixture
def run(tmp_path: Path) -> Path:
    path = tmp_path / "mine"
    (path / "eval").mkdir(parents=True)
    (path / "config.yaml").write_text(
        yaml.safe_dump({"run": {"name": "mine"}, "rollout": {"top_p": 0.9, "max_tokens": 32}})
    )
    return path


def evaluation(path: Path, version: int, *rows: dict) -> None:
    file = path / "eval" / f"version-{version:08d}.jsonl"
    file.write_text("".join(json.dumps({"version": version, **row}) + "\n" for row in rows))


def test_rows_that_are_added_are_seen_and_a_torn_one_waits(tmp_path: Path) -> None:
    rows = GrowingRows(tmp_path / "rows.jsonl")
    assert rows.all() == []
    rows.path.write_text('{"step": 0}\n{"ste')
    assert rows.all() == [{"step": 0}]
    with rows.path.open("a") as file:
        file.write('p": 1}\n')
    assert rows.all() == [{"step": 0}, {"step": 1}]


def test_only_what_was_added_is_read(tmp_path: Path) -> None:
    rows = GrowingRows(tmp_path / "rows.jsonl")
    rows.path.write_text('{"step": 0}\n')
    first = rows.all()[0]
    with rows.path.open("a") as file:
        file.write('{"step": 1}\n')
    assert rows.all()[0] is first and len(rows.all()) == 2


def test_a_file_that_shrank_is_read_again(tmp_path: Path) -> None:
    rows = GrowingRows(tmp_path / "rows.jsonl")
    rows.path.write_text('{"step": 0}\n{"step": 1}\n')
    assert len(rows.all()) == 2
    rows.path.write_text('{"step": 7}\n')
    assert rows.all() == [{"step": 7}]


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    rows = GrowingRows(tmp_path / "rows.jsonl")
    rows.path.write_text('{"step": 0}\nnonsense\n')
    with pytest.raises(ValueError, match=r"rows.jsonl: not a JSON row at byte 12"):
        rows.all()


def test_lost_steps_are_superseded(run: Path) -> None:
    for attempt, restored, steps in ((1, 0, (0, 1, 2)), (2, 1, (1,))):
        writer = MetricsWriter(run / "metrics.jsonl", attempt=attempt, restored_step=restored)
        for step in steps:
            writer.write(step, {"reward/mean": attempt})
        writer.close()
    view = RunView(run)
    assert [(row["step"], row["reward/mean"]) for row in view.metrics()] == [(0, 1), (1, 2)]
    assert view.steps_done == 2


def test_evaluations_of_lost_steps_are_left_out(run: Path) -> None:
    for attempt, restored, end in ((1, 0, 57), (2, 40, 43)):
        writer = MetricsWriter(run / "metrics.jsonl", attempt=attempt, restored_step=restored)
        for step in range(restored, end):
            writer.write(step, {})
        writer.close()
    for version in (0, 40, 50):
        evaluation(
            run,
            version,
            {"id": "a", "category": "x", "difficulty": 0, "n": 4, "c": 1, "tokens": 9, "temperature": 1.0},
        )
    assert [counts.version for counts in RunView(run).evaluations()] == [0, 40]


def test_a_run_that_has_written_nothing_is_empty(run: Path) -> None:
    view = RunView(run)
    assert view.metrics() == view.choices() == view.trained_groups() == view.advisories() == []
    assert view.attempts() == view.evaluations() == [] and view.steps_done == 0


def test_settings_by_dotted_name(run: Path) -> None:
    view = RunView(run)
    assert view.setting("rollout.max_tokens") == 32
    assert view.setting("rollout.nowhere", 5) == 5 and view.setting("run.name.deeper") is None


def test_evaluations_by_version_and_temperature_and_again_when_rewritten(run: Path) -> None:
    row = {"id": "a", "category": "x", "difficulty": 0, "n": 4, "c": 1, "tokens": 9}
    evaluation(run, 10, {**row, "temperature": 1.0}, {**row, "n": 1, "temperature": 0})
    evaluation(run, 0, {**row, "c": 3, "temperature": 1.0}, {**row, "n": 0, "c": 0, "temperature": 0.6})
    view = RunView(run)
    found = view.evaluations()
    assert [(e.version, e.label) for e in found] == [(0, "T=1"), (0, "T=0.6"), (10, "T=1"), (10, "greedy")]
    assert found[0].pass_rate == 0.75 and math.isnan(found[1].pass_rate)
    assert found[0].sampling.top_p == 0.9 and found[3].sampling.top_p == 1.0
    evaluation(run, 0, {**row, "c": 4, "temperature": 1.0})
    assert view.evaluations()[0].pass_rate == 1.0


def test_a_row_that_is_none_of_counts_is_named(run: Path) -> None:
    evaluation(run, 3, {"id": "a"})
    with pytest.raises(ValueError, match=r"version-00000003.jsonl:1: not a row of held-out counts"):
        RunView(run).evaluations()


def test_advisories_of_a_run_that_kept_no_texts(run: Path) -> None:
    writer = MetricsWriter(run / "metrics.jsonl", attempt=1)
    writer.write(4, {"advisory/gap_rising": 1.0, "reward/mean": 0.5})
    writer.close()
    assert RunView(run).advisories() == [{"step": 4, "name": "gap_rising"}]


def test_a_directory_of_no_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no such run directory\. t2rl runs"):
        RunView(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="not a run directory"):
        RunView(tmp_path)


def test_a_name_that_is_nearly_a_run_is_answered_with_it(run: Path) -> None:
    with pytest.raises(ValueError, match=r"no such run directory. Did you mean '.*/mine'\?"):
        RunView(run.parent / "mien")


def test_runs_are_found_newest_start_first(tmp_path: Path) -> None:
    for number, name in enumerate(("first", "second")):
        rows = JsonlWriter(tmp_path / name / "attempts.jsonl", attempt=1)
        rows.write({"pid": 1, "started_at": float(number)})
        rows.close()
    (tmp_path / "other").mkdir()
    assert [run.name for run in find_runs(tmp_path)] == ["second", "first"]
    with pytest.raises(ValueError, match="no such directory"):
        find_runs(tmp_path / "nowhere")


def test_a_start_knows_where_it_began(run: Path) -> None:
    for attempt, restored in ((1, 0), (2, 5)):
        writer = JsonlWriter(run / "attempts.jsonl", attempt=attempt, restored_step=restored)
        writer.write({"pid": attempt, "started_at": 1.0})
        writer.close()
    assert [(row["attempt"], row["restored_step"]) for row in RunView(run).attempts()] == [(1, 0), (2, 5)]


def test_the_config_is_parsed_once_and_again_when_a_start_rewrites_it(run: Path) -> None:
    view = RunView(run)
    assert view.config() is view.config() and view.setting("rollout.top_p") == 0.9
    (run / "config.yaml").write_text("rollout: {top_p: 0.5}\n")
    os.utime(run / "config.yaml", (1, 1))
    assert view.setting("rollout.top_p") == 0.5
