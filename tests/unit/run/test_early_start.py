"""Ray that starts while the input is still checked: when it does, on which thread, and how it ends."""

import threading
from pathlib import Path
from typing import Any

import pytest

import rl.engines.actors as engines
import rl.run.actors as actors
import rl.run.early_start as early_start
from rl.config.load import load_config
from rl.run.early_start import EarlyStart

MODEL = Path("base")


class FakeRay:
    """Stands for Ray and the actors; notes who starts what."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events: list[str] = []
        self.starter: threading.Thread | None = None
        self.fails = False
        monkeypatch.setattr(early_start, "start_ray", self.start)
        monkeypatch.setattr(early_start, "plan_placement", lambda config: "plan")
        monkeypatch.setattr(early_start, "create_placement", lambda plan: "placed")
        monkeypatch.setattr(engines, "warm_engines", self.warm)
        monkeypatch.setattr(actors, "create_actors", self.create)
        monkeypatch.setattr(early_start, "keep_logs_in", lambda logs: self.events.append(f"logs in {logs}"))
        monkeypatch.setattr(early_start, "stop_ray", self.stop)

    def start(self, config: Any) -> None:
        self.starter = threading.current_thread()
        if self.fails:
            raise ConnectionError("nothing answers")
        self.events.append("start")

    def warm(self, config: Any, placed: Any) -> dict[int, Any]:
        assert placed == "placed"
        self.events.append("engines import")
        return {0: "engine"}

    def create(self, config: Any, model_path: Path, placed: Any, *, ready: Any) -> str:
        assert (placed, ready) == ("placed", {0: "engine"})
        self.events.append(f"actors for {model_path}")
        return "actors"

    def stop(self) -> None:
        assert self.starter is None or self.starter.is_alive(), "the kernel has killed Ray already"
        self.events.append("stop")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    return FakeRay(monkeypatch)


def test_ray_starts_before_the_input_is_checked_and_only_once(fake: FakeRay) -> None:
    with EarlyStart(load_config("quickstart")) as early:
        early.begin(MODEL)
        assert early.finish(MODEL, Path("logs")) == ("placed", "actors")
        others = [event for event in fake.events if event != "logs in logs"]
        assert others == ["start", "engines import", "actors for base"]
        early.stop()
    assert fake.events.count("start") == 1
    assert fake.events[-1] == "stop"


def test_the_thread_that_starts_ray_lives_until_ray_stops(fake: FakeRay) -> None:
    with EarlyStart(load_config("quickstart")) as early:
        early.begin(MODEL)
        early.finish(MODEL, Path("logs"))
        assert fake.starter is not None
        assert fake.starter is not threading.main_thread()
    assert not fake.starter.is_alive()


def test_wrong_input_stops_what_was_begun(fake: FakeRay) -> None:
    def refused() -> None:
        with EarlyStart(load_config("quickstart")) as early:
            early.begin(MODEL)
            raise ValueError("task: no such file")

    with pytest.raises(ValueError, match="no such file"):
        refused()
    assert fake.events == ["start", "engines import", "actors for base", "stop"]


@pytest.mark.parametrize(
    "overrides",
    [["cluster.address=127.0.0.1:6379"], ["cluster=gpu1", "rollout=gpu", "learner=gpu"]],
    ids=["a cluster of others", "GPUs"],
)
def test_what_others_wait_for_is_not_taken_early(fake: FakeRay, overrides: list[str]) -> None:
    with EarlyStart(load_config("quickstart", overrides)) as early:
        early.begin(MODEL)
        assert fake.events == []
        early.finish(MODEL, Path("logs"))
        assert "start" in fake.events


def test_a_start_that_fails_is_told_where_it_is_waited_for(fake: FakeRay) -> None:
    fake.fails = True
    with EarlyStart(load_config("quickstart")) as early:
        early.begin(MODEL)
        with pytest.raises(ConnectionError, match="nothing answers"):
            early.finish(MODEL, Path("logs"))
    assert fake.events == ["stop"]
