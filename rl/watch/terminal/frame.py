"""One look at a run as lines that fill a terminal and no more.

Text of the run is never markup, and control characters in it are shown as such: a frame cannot be made to
move the cursor.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from rl.watch.snapshot import Part
from rl.watch.terminal.spark import BLOCKS, PLAIN, sparkline

STYLES = {
    "running": "bold green",
    "finished": "bold green",
    "starting": "bold yellow",
    "stopping": "bold yellow",
    "stopped": "bold yellow",
    "failed": "bold red",
    "died": "bold red",
    "unreadable": "bold red",
    "silent": "bold red",
}
GOING = ("starting", "running", "stopping")
ROOM = {"loops": 6, "advisories": 3, "actors": 6}
"""Lines that these sections get at most, in the order in which they get them."""
NO_ROWS = {"loops": "the run has not said", "advisories": "none so far", "actors": "none is known"}

Cells = tuple[Text, ...]


@dataclass(frozen=True)
class Frame:
    """A renderable of one snapshot.

    Args:
        parts: Of ``rl.watch.snapshot.snapshot``.
        since_s: Seconds since it was taken, by which waiting times have grown.
        height: Lines to keep within; None: those of the console.
    """

    parts: dict[str, Part]
    since_s: float = 0.0
    height: int | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lines for the console's present width and height."""
        width, height = options.max_width, self.height or console.size.height
        state: Any = self.parts["state"]
        head = _head(state)
        yield from head
        left = height - len(head) - 1
        curves: Any = self.parts.get("curves", [])
        curves = curves[: max(1, left - 8)]
        yield _curves(curves, width, PLAIN if options.ascii_only else BLOCKS)
        left -= len(curves)
        for name, rows in self._sections(state).items():
            room = min(ROOM[name], left - 1)
            if room < 1:
                return
            rows = rows or [(safe(NO_ROWS[name], "dim"),)]
            yield Rule(name, align="left", style="dim", characters="-" if options.ascii_only else "─")
            yield _rows(_cut(rows, room))
            left -= 1 + min(len(rows), room)

    def _sections(self, state: dict[str, Any]) -> dict[str, list[Cells]]:
        advisories: Any = self.parts.get("advisories", [])
        grown = self.since_s if state["state"] in GOING else 0.0
        return {
            "loops": [_loop(loop, grown) for loop in state.get("loops", [])],
            "advisories": [_advice(row) for row in advisories],
            "actors": [_actor(actor) for actor in state.get("actors", [])],
        }


def _head(state: dict[str, Any]) -> list[Any]:
    title = Table.grid(expand=True, padding=(0, 1))
    title.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    title.add_column(no_wrap=True, justify="right")
    word = "silent" if state.get("silent") else state["state"]
    phase = f": {state['phase']}" if state.get("phase") and word in GOING else ""
    title.add_row(safe(state["run"], "bold"), safe(word + phase, STYLES.get(word, "")))
    lines: list[Any] = [title]
    if state.get("steps"):
        lines.append(_progress(state))
    problem = state.get("problem") or state.get("last_error")
    if problem:
        lines.append(one_line(problem.strip().splitlines()[-1], "red"))
    return lines


def _progress(state: dict[str, Any]) -> Table:
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1)
    grid.add_column(no_wrap=True)
    facts = [] if not state.get("step_s") else [f"{clock(state['step_s'])} a step"]
    if state["state"] in GOING and state.get("eta_s") is not None:
        facts.append(f"ETA {clock(state['eta_s'])}")
    if state.get("attempt", 0) > 1:
        facts.append(f"start {state['attempt']}")
    bar = ProgressBar(total=state["steps"], completed=min(state["step"], state["steps"]))
    grid.add_row(safe(f"step {state['step']}/{state['steps']}"), bar, safe("  ".join(facts)))
    return grid


def _curves(curves: Sequence[dict[str, Any]], width: int, marks: str) -> Table:
    grid = Table.grid(padding=(0, 1))
    label = max((len(curve["label"]) for curve in curves), default=0)
    for curve in curves:
        last = "-" if curve["last"] is None else format(curve["last"], curve["format"])
        line = sparkline(curve["values"], max(8, width - label - 14), marks=marks)
        grid.add_row(safe(curve["label"], "dim"), safe(f"{last:>10}", "bold"), safe(line, "cyan"))
    return grid


def _rows(rows: Iterable[Cells]) -> Table:
    grid = Table.grid(expand=True, padding=(0, 1))
    rows = list(rows)
    for column in range(max(len(row) for row in rows)):
        last = column == max(len(row) for row in rows) - 1
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1 if last else None)
    for row in rows:
        grid.add_row(*row)
    return grid


def _cut(rows: list[Cells], room: int) -> list[Cells]:
    """At most ``room`` rows; the last one then says how many there are besides."""
    if len(rows) <= room:
        return rows
    return [*rows[: room - 1], (safe(f"and {len(rows) - room + 1} more", "dim"),)]


def _loop(loop: dict[str, Any], grown: float) -> Cells:
    waits = loop["waits_for"]
    if waits is not None and loop["others"]:
        waits += f" (and {loop['others']} more)"
    if waits is None:
        return safe(loop["name"]), safe(""), safe("at work", "green")
    waited = "" if loop["waited_s"] is None else clock(loop["waited_s"] + grown)
    return safe(loop["name"]), safe(f"{waited:>8}"), safe(waits)


def _actor(actor: dict[str, Any]) -> Cells:
    return safe(actor["name"]), safe(actor["state"], "bold"), safe(actor.get("detail") or "", "dim")


def _advice(row: dict[str, Any]) -> Cells:
    words = f": {row['text']}" if row.get("text") else ""
    return safe(f"step {row['step'] + 1}", "dim"), safe(row["name"] + words, "yellow")


def one_line(text: str, style: str = "") -> Text:
    """Text that ends in an ellipsis where the terminal does."""
    line = safe(text, style)
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def safe(text: str, style: str = "") -> Text:
    """Text of the run as rich should take it: no markup, and nothing that a terminal would act on."""
    return Text("".join(c if c.isprintable() else "�" for c in str(text)), style=style)


def clock(seconds: float) -> str:
    """``2.3 s``, ``42 s``, ``3:05`` or ``1:02:03``."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
