"""wandb for real, offline: no account, files in the run directory, and never a reason for a run to fail."""

import logging
import time

import pytest

from rl.records.tracker import NoTracker, WandbTracker, make_tracker


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_offline_run_lies_in_the_run_directory(tmp_path) -> None:
    tracker = make_tracker("wandb", tmp_path, name="demo", config={"lr": 0.1, "nan": float("nan")}, attempt=2)
    assert isinstance(tracker, WandbTracker)
    for step in (5, 3):
        tracker.log(step, {"reward/mean": 0.5, "text": "left out", "bad": float("nan")})
    tracker.finish()
    tracker.finish()
    (data,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    deadline = time.monotonic() + 20
    # wandb's service process flushes the file a moment after finish() returns.
    while b"reward/mean" not in data.read_bytes():
        assert time.monotonic() < deadline, "the metrics never reached the file"
        time.sleep(0.05)
    assert b"left out" not in data.read_bytes()


def test_none_records_nothing(tmp_path) -> None:
    tracker = make_tracker("none", tmp_path, name="demo", config={})
    tracker.log(1, {"a": 1})
    tracker.finish()
    assert isinstance(tracker, NoTracker) and list(tmp_path.iterdir()) == []


def test_a_wandb_that_cannot_start_is_a_warning(tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.setenv("WANDB_MODE", "nonsense")
    with caplog.at_level(logging.WARNING):
        tracker = make_tracker("wandb", tmp_path, name="demo", config={})
    assert isinstance(tracker, NoTracker)
    assert "tracker=none silences this" in caplog.text
