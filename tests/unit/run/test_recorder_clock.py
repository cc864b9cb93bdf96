"""Seconds of a step are counted by a clock that nobody sets: they add up against ``run.wall_clock_s``."""

import time

import pytest

from rl.run.recorder import StepRecord


@pytest.mark.parametrize("jump", [-3600.0, 86400.0])
def test_a_clock_that_is_set_makes_no_step_longer_or_shorter(monkeypatch, jump):
    record = StepRecord(step=0)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + jump)
    assert 0 <= record.lap() < 60
    assert 0 <= record.elapsed_s < 60
    assert 0 <= record.lap() < 60
