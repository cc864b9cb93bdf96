"""What is shown follows from the files, and only what changed is made again."""

import time
from pathlib import Path

import pytest

from rl.views.run_view import RunView
from rl.watch.reader import RunReader
from rl.watch.snapshot import POINTS, curves, snapshot, state
from tests.unit.watch.made import add_step, watched_run, write_status


def test_waiting_times_are_by_the_runs_own_clock(tmp_path: Path) -> None:
    run = RunView(watched_run(tmp_path / "mine", state="running"))
    assert state(run)["loops"] == [
        {"name": "prompts", "waits_for": "a free place in the buffer", "others": 0, "waited_s": 5.0},
        {"name": "learner", "waits_for": None, "others": 0, "waited_s": 2.0},
    ]


def test_the_time_left_is_at_the_latest_pace(tmp_path: Path) -> None:
    run = RunView(watched_run(tmp_path / "mine", state="running", steps=6))
    assert state(run)["eta_s"] == (40 - 6) * 2.0
    for step in range(6, 26):
        add_step(run.path, step, **{"time/step_s": 4.0})
    assert state(run)["eta_s"] == (40 - 26) * 4.0


def test_curves_are_short_and_end_at_the_last_value(tmp_path: Path) -> None:
    run = RunView(watched_run(tmp_path / "mine", steps=300))
    found = {curve["label"]: curve for curve in curves(run)}
    assert set(found) == {"reward", "pass rate", "held-out", "staleness", "tokens/s"}
    assert len(found["reward"]["values"]) <= POINTS and found["reward"]["steps"][-1] == 300
    assert found["reward"]["last"] == run.metrics()[-1]["reward/mean"]
    assert found["held-out"]["steps"][0] == 0


def test_the_newest_advisories_come_first(tmp_path: Path) -> None:
    run = RunView(watched_run(tmp_path / "mine", steps=3))
    for step in (3, 4):
        add_step(run.path, step, **{f"advisory/rule_{step}": 1.0})
    assert [row["name"] for row in snapshot(run)["advisories"]] == ["rule_4", "rule_3"]


def test_an_unreadable_run_says_so_and_recovers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunView(watched_run(tmp_path / "mine"))
    reader = RunReader(run)
    reader._parts._at_least_s = 0.0
    monkeypatch.setattr("rl.watch.reader.SHARE", 1.0)
    whole = (run.path / "metrics.jsonl").read_text()
    (run.path / "metrics.jsonl").write_text(whole + "nonsense\n")
    assert "not a JSON row" in reader.parts()["state"]
    (run.path / "metrics.jsonl").write_text(whole)
    time.sleep(0.05)
    assert "not a JSON row" not in reader.parts()["state"] and '"finished"' in reader.parts()["state"]


def test_a_resumed_run_goes_on_with_its_new_start(tmp_path: Path) -> None:
    from rl.records.jsonl import JsonlWriter

    run = RunView(watched_run(tmp_path / "mine", state="died", steps=6))
    assert (state(run)["attempt"], state(run)["step"]) == (1, 6)
    attempts = JsonlWriter(run.path / "attempts.jsonl", attempt=2, restored_step=3)
    attempts.write({"pid": 2, "started_at": 2e9})
    attempts.close()
    metrics = JsonlWriter(run.path / "metrics.jsonl", attempt=2, restored_step=3)
    metrics.write({"step": 3, "time/step_s": 1.0})
    metrics.close()
    write_status(run.path, state="running", attempt=2)
    now = state(run)
    assert (now["attempt"], now["restored_step"], now["step"], now["state"]) == (2, 3, 4, "running")
