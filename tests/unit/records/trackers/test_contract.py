"""The contract of trackers: those that ship keep it, so does the example, and every check can fail."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rl.cli import app
from rl.records.trackers import TRACKERS
from rl.records.trackers.base import Row, TrackedRun
from rl.records.trackers.contract import CHECKS, check_tracker

EXAMPLE = f"{Path(__file__).resolve().parents[4] / 'examples' / 'own_tracker.py'}:CsvTracker"


@pytest.fixture(autouse=True)
def places_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "MLFLOW_TRACKING_URI", "TRACKIO_SPACE_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


class Good:
    def __init__(self, run: TrackedRun) -> None:
        self.run = run
        self.ended = False

    def log(self, step: int, metrics: Mapping[str, float]) -> None: ...

    def samples(self, step: int, rows: Sequence[Row]) -> None: ...

    def finish(self) -> None: ...


class NoLog:
    def __init__(self, run: TrackedRun) -> None: ...

    def finish(self) -> None: ...


class ChangesMetrics(Good):
    def log(self, step: int, metrics: Any) -> None:
        metrics["step"] = step


class NeedsKey(Good):
    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        assert metrics["reward/mean"] >= 0


class NoResume(Good):
    def __init__(self, run: TrackedRun) -> None:
        (run.directory / "mine").touch(exist_ok=False)
        super().__init__(run)

    def log(self, step: int, metrics: Mapping[str, float]) -> None: ...


class WantsSamples(Good):
    def samples(self, step: int, rows: Sequence[Row]) -> None:
        assert rows[0]["completion"] is not None


class EndsOnce(Good):
    def finish(self) -> None:
        assert not self.ended
        self.ended = True


BREAKS = {
    NoLog: "opens in a thread",
    ChangesMetrics: "takes steps as they come",
    NeedsKey: "takes steps as they come",
    WantsSamples: "takes samples",
    EndsOnce: "finishes twice",
}


def test_a_tracker_that_keeps_nothing_keeps_the_contract() -> None:
    assert [(one.check, one.problem) for one in check_tracker(Good, {})] == [(check, "") for check in CHECKS]


@pytest.mark.parametrize("broken", BREAKS)
def test_a_broken_tracker_fails_the_check_that_it_breaks(broken) -> None:
    assert BREAKS[broken] in {one.check for one in check_tracker(broken, {}) if not one.passed}


def test_a_resume_in_the_same_directory_is_checked() -> None:
    with pytest.raises(FileExistsError):  # of the disk, so no broken contract: it is shown as it is
        check_tracker(NoResume, {})


@pytest.mark.parametrize("name", ["tensorboard", EXAMPLE])
def test_the_command_checks_what_ships_and_what_does_not(name: str) -> None:
    result = CliRunner().invoke(app, ["trackers", "check", name, "--json"])
    assert result.exit_code == 0
    assert [one["passed"] for one in json.loads(result.output)["findings"]] == [True] * len(CHECKS)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's own use of SQLAlchemy
@pytest.mark.parametrize("name", ["mlflow", "trackio"])
def test_those_whose_libraries_are_installed_by_hand_keep_the_contract(name, monkeypatch, tmp_path) -> None:
    pytest.importorskip(name)
    if name == "trackio":
        monkeypatch.setattr("trackio.utils.TRACKIO_DIR", tmp_path)
    findings = check_tracker(TRACKERS[name], {"project": "t2rl-check"})
    assert [(one.check, one.problem) for one in findings] == [(check, "") for check in CHECKS]


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    result = CliRunner().invoke(app, ["trackers", "check", "tensorbord"])
    assert result.exit_code == 2 and "tensorboard" in result.output
