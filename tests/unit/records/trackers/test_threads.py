"""Trackers that are slow, missing or broken hold nothing up, end nothing, and are told of once."""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from rl.records.trackers.base import Row, TrackedRun
from rl.records.trackers.threads import Trackers

RUN = TrackedRun(directory=Path("unused"), name="run", config={})
Calls = list[tuple[object, ...]]


class Noting:
    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self.calls.append(("log", step, dict(metrics)))

    def samples(self, step: int, rows: Sequence[Row]) -> None:
        self.calls.append(("samples", step, len(rows)))

    def finish(self) -> None:
        self.calls.append(("finish",))


class OnlyNumbers:
    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self.calls.append(("log", step))

    def finish(self) -> None:
        self.calls.append(("finish",))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]


def test_several_get_every_call_in_order_and_samples_only_where_there_is_a_method() -> None:
    first: Calls = []
    second: Calls = []
    trackers = Trackers({"a": (lambda run: Noting(first), RUN), "b": (lambda run: OnlyNumbers(second), RUN)})
    trackers.samples(0, [{"reward": 1.0}])
    trackers.log(0, {"x": 1})
    trackers.log(1, {"x": 2, "text": "left out", "bad": float("nan"), "none": None})
    trackers.finish()
    trackers.finish()
    assert first == [("samples", 0, 1), ("log", 0, {"x": 1}), ("log", 1, {"x": 2}), ("finish",)]
    assert second == [("log", 0), ("log", 1), ("finish",)]


def test_calls_come_from_one_thread_that_is_not_the_runs() -> None:
    seen: set[str] = set()

    class Where(Noting):
        def log(self, step: int, metrics: Mapping[str, float]) -> None:
            seen.add(threading.current_thread().name)

    def opened(run: TrackedRun) -> Noting:
        seen.add(threading.current_thread().name)
        return Where([])

    trackers = Trackers({"a": (opened, RUN)})
    trackers.log(0, {})
    trackers.finish()
    assert seen == {"tracker a"}


def missing(run: TrackedRun) -> Noting:
    raise ModuleNotFoundError("No module named 'somewhere'")


def down(run: TrackedRun) -> Noting:
    raise ConnectionError("no answer")


class Breaks(Noting):
    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        if step == 1:
            raise OSError("disk full")
        super().log(step, metrics)


class NeverEnds(Noting):
    def finish(self) -> None:
        raise RuntimeError("cannot flush")


@pytest.mark.parametrize(
    ("opened", "says"),
    [
        (missing, ("could not start", "No module named", "how to install")),
        (down, ("could not start", "no answer")),
        (lambda run: Breaks([]), ("could not go on", "disk full")),
        (lambda run: NeverEnds([]), ("could not finish", "cannot flush")),
    ],
)
def test_a_broken_tracker_is_told_of_once_and_the_others_go_on(opened, says, caplog) -> None:
    calls: Calls = []
    with caplog.at_level(logging.WARNING):
        trackers = Trackers({"bad": (opened, RUN), "good": (lambda run: Noting(calls), RUN)})
        for step in range(4):
            trackers.log(step, {})
        trackers.finish()
    (told,) = warnings(caplog)
    assert all(part in told for part in ("tracker bad", "tracker=none silences", *says))
    assert [call[:2] for call in calls] == [("log", 0), ("log", 1), ("log", 2), ("log", 3), ("finish",)]


def test_nobody_wants_samples_once_all_have_failed() -> None:
    trackers = Trackers({"bad": (down, RUN)})
    deadline = time.monotonic() + 10
    while trackers.wanted:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert not Trackers({}).wanted


def test_a_slow_tracker_holds_no_step_up_and_loses_steps_beyond_the_bound(caplog) -> None:
    calls: Calls = []
    go = threading.Event()

    def opened(run: TrackedRun) -> Noting:
        assert go.wait(30)
        return Noting(calls)

    trackers = Trackers({"slow": (opened, RUN)}, waiting=3)
    with caplog.at_level(logging.WARNING):
        for step in range(10):
            trackers.log(step, {})
        go.set()
        trackers.finish()
    assert [call[1] for call in calls if call[0] == "log"] == [0, 1, 2], "a call that waited would hang here"
    (told,) = warnings(caplog)
    assert "3 calls behind" in told


def test_a_tracker_that_hangs_is_left_at_the_end(caplog) -> None:
    calls: Calls = []
    go = threading.Event()

    class Hangs(Noting):
        def finish(self) -> None:
            go.wait(30)

    begun = time.monotonic()
    with caplog.at_level(logging.WARNING):
        trackers = Trackers(
            {"hangs": (lambda run: Hangs([]), RUN), "good": (lambda run: Noting(calls), RUN)}, finish_s=0.2
        )
        trackers.log(0, {})
        trackers.finish()
    assert time.monotonic() - begun < 5
    go.set()
    assert calls[-1] == ("finish",)
    assert [told for told in warnings(caplog) if "tracker hangs did not finish in time" in told]
