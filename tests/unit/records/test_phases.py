"""Phase lines: one when a phase begins, with the seconds since the start."""

import io
import re

from rl.records.phases import Phases
from rl.records.progress import ProgressDisplay


def test_a_phase_is_said_when_it_begins() -> None:
    stream = io.StringIO()
    phases = Phases(stream)
    phases("preparing the base")
    assert re.fullmatch(r"\[ *\d+\.\d s\] preparing the base\n", stream.getvalue())
    phases("starting Ray")
    assert len(stream.getvalue().splitlines()) == 2


def test_the_estimate_knows_a_limit_that_comes_before_the_last_step() -> None:
    left = [None, 7.0, 1e9]
    progress = ProgressDisplay(1000, stream=io.StringIO(), limit=lambda: left[0])
    progress.update(1, {})
    paced = progress.eta_s
    assert paced is not None
    left[0] = 7.0
    progress._times[0] = (progress._times[-1][0] - 10, 0)
    assert progress.eta_s == 7.0
    left[0] = 1e9
    assert progress.eta_s is not None and progress.eta_s > 9000
