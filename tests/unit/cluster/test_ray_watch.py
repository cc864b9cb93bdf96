"""What is told, and when, of a Ray that goes."""

import threading
import time

import psutil
import pytest

from rl.cluster.ray_watch import RayWatch, ray_lost, when_ray_is_lost

SOON = 0.01
WAIT_S = 10


class Gcs:
    """A process that ends when a test says so."""

    pid = 17

    def __init__(self) -> None:
        self.state = psutil.STATUS_SLEEPING

    def status(self) -> str:
        if self.state == "gone":
            raise psutil.NoSuchProcess(self.pid)
        return self.state


@pytest.fixture
def gcs() -> Gcs:
    return Gcs()


class Heard:
    """What was told, and a wait for it."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.told = threading.Event()

    def __call__(self, reason: str) -> None:
        self.reasons.append(reason)
        self.told.set()


def watch_of(gcs: Gcs | None, *, alive=lambda: True, leave=pytest.fail, **limits: float) -> RayWatch:
    watch = RayWatch(gcs, node_is_alive=alive, leave=leave, every_s=SOON, **limits)
    watch.start()
    return watch


def until(condition) -> None:
    """Wait for it."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(SOON)


@pytest.mark.parametrize("state", [psutil.STATUS_ZOMBIE, "gone"])
def test_the_end_of_the_gcs_is_told_once(gcs, state):
    watch = watch_of(gcs)
    heard = Heard()
    with watch.telling(heard):
        assert not heard.told.wait(5 * SOON) and watch.lost == ""
        gcs.state = state
        assert heard.told.wait(WAIT_S)
    watch.stop()
    assert heard.reasons == [watch.lost] == ["Ray's GCS (pid 17) has ended"]


def test_who_asks_late_is_told_at_once_and_who_has_left_is_not(gcs):
    heard = Heard()
    watch = watch_of(gcs)
    with watch.telling(heard):
        pass
    gcs.state = "gone"
    until(lambda: watch.lost)
    assert heard.reasons == []
    with watch.telling(heard):
        assert heard.reasons == [watch.lost]
    watch.stop()


@pytest.mark.parametrize("closing", [True, False])
def test_a_process_that_does_not_end_is_ended(gcs, closing):
    left = Heard()
    limits = {"finish_s": 60, "close_s": SOON} if closing else {"finish_s": SOON, "close_s": SOON}
    watch = watch_of(gcs, leave=left, **limits)
    gcs.state = "gone"
    until(lambda: watch.lost)
    if closing:
        assert not left.told.wait(10 * SOON), "its step is not over"
        watch.closing()
    assert left.told.wait(WAIT_S)
    assert left.reasons == [f"{watch.lost}, and closing what it leaves takes too long"]


def test_who_has_closed_in_time_is_left_alone(gcs):
    watch = watch_of(gcs, finish_s=60, close_s=60)
    gcs.state = "gone"
    until(lambda: watch.lost)
    watch.closing()
    watch.stop()
    watch._thread.join(WAIT_S)
    assert not watch._thread.is_alive()


def test_a_node_that_ray_has_given_up_ends_the_process():
    left = Heard()
    alive = iter([True, True, False])
    watch = watch_of(None, alive=lambda: next(alive), leave=left)
    assert left.told.wait(WAIT_S)
    watch.stop()
    assert len(left.reasons) == 1 and "raylet" in left.reasons[0]


def test_a_watch_that_was_stopped_says_nothing_of_the_gcs_that_ends_with_ray(gcs):
    watch = watch_of(gcs)
    watch.stop()
    watch.stop()
    gcs.state = "gone"
    assert not watch._thread.is_alive() and watch.lost == ""


def test_nothing_is_lost_where_nobody_looks(monkeypatch):
    monkeypatch.setattr("rl.cluster.ray_watch._WATCH", None)
    with when_ray_is_lost(pytest.fail):
        assert ray_lost() == ""
