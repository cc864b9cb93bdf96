"""Idle shares and queues from the times at which engines get and give back rollouts."""

import pytest

from rl.engines.load import EngineLoad


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_engine_is_idle_while_it_has_nothing() -> None:
    clock = Clock()
    load = EngineLoad(num_engines=2, capacity=8, clock=clock)
    load.sent(0, 4)
    clock.now = 3.0
    load.done(0, 4)
    clock.now = 4.0
    # engine 0 idles 1 of 4 seconds, engine 1 all 4
    figures = load.metrics()
    assert figures["time/engine_idle_share"] == pytest.approx(5 / 8)
    assert figures["time/generation_s"] == pytest.approx(3.0) and figures["time/queue_s"] == 0
    clock.now = 6.0
    assert load.metrics() == {"time/engine_idle_share": 1.0}


def test_what_an_engine_does_not_take_at_once_waits() -> None:
    clock = Clock()
    load = EngineLoad(num_engines=1, capacity=2, clock=clock)
    load.sent(0, 2)
    load.sent(0, 2)
    clock.now = 5.0
    load.done(0, 2)
    clock.now = 10.0
    load.done(0, 2)
    figures = load.metrics()
    # two wait for 5 seconds, two are sampled for 10: of four
    assert figures["time/queue_s"] == pytest.approx(2 * 5 / 4)
    assert figures["time/generation_s"] == pytest.approx(2 * 10 / 4)
    assert figures["time/engine_idle_share"] == 0


def test_an_interval_without_time_has_no_share() -> None:
    clock = Clock()
    assert EngineLoad(num_engines=1, capacity=2, clock=clock).metrics() == {}
