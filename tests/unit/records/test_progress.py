"""The display as text: what it shows, how often, and the time that is left."""

import io
import time

from rl.records.progress import ProgressDisplay, _clock


def test_a_log_file_gets_a_line_every_interval_and_one_at_the_end() -> None:
    stream = io.StringIO()
    with ProgressDisplay(10, stream=stream, interval_s=3600) as progress:
        progress.update(1, {"reward/mean": 0.25, "rollout/tokens_per_s": 12345.6, "unknown": 1.0})
        progress.update(2, {"buffer/staleness_mean": 0.5})
        progress.note("checkpoint written")
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("step 1/10  reward 0.250  tokens/s 12,346")
    assert lines[1] == "checkpoint written"
    assert lines[2].startswith("step 2/10  reward 0.250  staleness 0.50  tokens/s 12,346")
    assert len(lines) == 3


def test_eta_follows_the_pace_of_this_attempt() -> None:
    progress = ProgressDisplay(30, first_step=20, stream=io.StringIO())
    assert progress.eta_s is None
    progress._times.clear()
    progress._times.extend([(100.0, 20), (104.0, 22)])
    assert progress.eta_s == 16.0


def test_a_terminal_gets_a_live_panel(monkeypatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with ProgressDisplay(4, stream=stream) as progress:
        progress.update(3, {"reward/mean": 0.75})
        time.sleep(0.3)
        shown = stream.getvalue()
    assert "\x1b[" in shown and "0.750" in shown
    assert "step 3/4  reward 0.750" in stream.getvalue()[len(shown) :]


def test_clock() -> None:
    assert [_clock(s) for s in (None, 0.0, 61.9, 3661.0)] == ["--:--", "0:00", "1:01", "1:01:01"]
