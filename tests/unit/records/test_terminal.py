"""Progress is silent when it was told to be, and draws over itself only where that works."""

import io

import pytest

from rl.records.milestones import Milestones
from rl.records.phases import Phases
from rl.records.progress import ProgressDisplay
from rl.records.terminal import QUIET, draws_over, progress_console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("quiet", "written"), [("", True), ("1", False)])
def test_quiet_silences_progress_of_every_kind(
    monkeypatch: pytest.MonkeyPatch, quiet: str, written: bool
) -> None:
    monkeypatch.setenv(QUIET, quiet)
    for show in (phase, milestone, step):
        out = io.StringIO()
        show(out)
        assert bool(out.getvalue()) == written, show.__name__


def phase(out: io.StringIO) -> None:
    Phases(out)("starting Ray")


def milestone(out: io.StringIO) -> None:
    Milestones(out=out).show("building", 1, 10)


def step(out: io.StringIO) -> None:
    with ProgressDisplay(10, stream=out) as progress:
        progress.note("step 1: held-out pass@1 .5")
        progress.update(1, {"reward/mean": 0.5})


@pytest.mark.parametrize(
    ("term", "quiet", "draws"), [("xterm", "", True), ("dumb", "", False), ("xterm", "1", False)]
)
def test_a_display_is_drawn_where_the_cursor_can_move(
    monkeypatch: pytest.MonkeyPatch, term: str, quiet: str, draws: bool
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv(QUIET, quiet)
    assert draws_over(progress_console(Terminal())) is draws
    assert not draws_over(progress_console(io.StringIO()))


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    out = Terminal()
    step(out)
    assert "\x1b" not in out.getvalue() and "step 1/10" in out.getvalue()
