"""Frames fit their terminal; lines say each step once; text of the run moves no cursor."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from rl.views.run_view import RunView
from rl.watch.snapshot import snapshot
from rl.watch.terminal.frame import Frame, clock
from rl.watch.terminal.live import line, lines, taken
from rl.watch.terminal.spark import PLAIN, sparkline
from tests.unit.watch.made import ACTORS, add_step, watched_run, write_status


@pytest.fixture
def run(tmp_path: Path) -> RunView:
    return RunView(watched_run(tmp_path / "mine", state="running", steps=6))


def drawn(frame: Frame, *, width: int = 80, height: int = 24, **options: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=width, height=height, force_terminal=True, **options).print(frame)
    return out.getvalue()


def plain(frame: Frame, **options: Any) -> list[str]:
    return drawn(frame, color_system=None, **options).rstrip("\n").split("\n")


def test_a_frame_says_where_the_run_is_and_what_it_waits_for(run: RunView) -> None:
    text = "\n".join(plain(Frame(snapshot(run), since_s=2.0)))
    for words in ("mine", "running", "step 6/40", "2.0 s a step", "ETA 1:08", "pass rate", "held-out"):
        assert words in text
    words = " ".join(text.split())
    assert "prompts 7.0 s a free place in the buffer" in words, "5 s by the run's clock, and 2 since"
    assert "learner at work" in words and "engine-0 busy 12 requests" in words


@pytest.mark.parametrize("size", [(80, 24), (200, 60), (60, 12), (40, 8), (20, 4)])
def test_a_frame_fits_its_terminal(run: RunView, size: tuple[int, int]) -> None:
    write_status(
        run.path, actors=[{**ACTORS[0], "name": f"engine-{i}"} for i in range(40)], last_error="x" * 500
    )
    rows = plain(Frame(snapshot(run)), width=size[0], height=size[1])
    assert len(rows) <= size[1] and max(map(len, rows)) <= size[0]
    if size[1] >= 24:
        assert "and 35 more" in "\n".join(rows)


def test_text_of_the_run_is_no_markup_and_moves_no_cursor(run: RunView) -> None:
    evil = "[red]a[/red]\x1b[2J\x07\nb\u202e"
    write_status(
        run.path, phase=evil, actors=[{**ACTORS[0], "detail": evil}], loops={evil: {"waits_for": evil}}
    )
    text = drawn(Frame(snapshot(run)), color_system=None)
    assert "[red]a[/red]" in text
    assert not {"\x1b", "\x07", "\u202e"} & set(text)


def test_no_color_is_kept_to(run: RunView, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[3" in drawn(Frame(snapshot(run)), color_system="standard")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in drawn(Frame(snapshot(run)))


def test_a_run_without_anything_yet(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "attempts.jsonl").write_text("")
    text = "\n".join(plain(Frame(snapshot(RunView(tmp_path / "new")))))
    assert "the run has not said" in text and "none is known" in text


def test_a_terminal_without_blocks_gets_plain_marks(run: RunView) -> None:
    written = io.BytesIO()
    out = io.TextIOWrapper(written, encoding="ascii")
    Console(file=out, width=80, height=24).print(Frame(snapshot(run)))
    out.flush()
    assert written.getvalue().isascii()


def test_sparklines() -> None:
    assert sparkline([0, 1, 2, 7], 8) == "▁▂▃█"
    assert sparkline([1, None, 2], 8, marks="ab") == "a b"
    assert sparkline([3, 3], 8) == "▁▁" and sparkline([], 8) == "" and sparkline([None], 8) == " "
    assert sparkline([0, 0, 4, 4, 8, 8], 3, marks="abc") == "abc", "averaged in pieces"
    assert len(sparkline(list(range(1000)), 37)) == 37 and PLAIN.isascii()


def test_one_line_a_step_until_the_run_is_over(run: RunView) -> None:
    out = io.StringIO()
    console = Console(file=out, width=40)
    pauses = iter(
        [lambda: None, lambda: add_step(run.path, 6), lambda: write_status(run.path, state="stopped", step=7)]
    )
    lines(lambda: taken(run), console, pause=lambda s: next(pauses)())
    rows = out.getvalue().splitlines()
    assert [row.split("  ")[:2] for row in rows] == [
        ["mine running", "step 6/40"],
        ["mine running", "step 7/40"],
        ["mine stopped", "step 7/40"],
    ]


def test_a_run_that_cannot_be_read_says_why(run: RunView) -> None:
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write("nonsense\n")
    parts, _ = taken(run)
    assert "metrics.jsonl: not a JSON row" in line(parts)
    assert "metrics.jsonl: not a JSON row" in "".join(plain(Frame(parts), width=300))


def test_clocks() -> None:
    assert [clock(s) for s in (0, 9.96, 59.4, 61, 3723)] == ["0.0 s", "10.0 s", "59 s", "1:01", "1:02:03"]
