"""The live display: where the run is, and whether it learns. A terminal gets a panel; a log file gets a line
every few seconds."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import IO

from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from rl.records.run_log import TOLD
from rl.records.terminal import draws_over, progress_console

SHOWN = (
    ("reward", "reward/mean", ".3f"),
    ("pass rate", "reward/pass_rate", ".3f"),
    ("staleness", "buffer/staleness_mean", ".2f"),
    ("tokens/s", "rollout/tokens_per_s", ",.0f"),
)
"""(label, metric key, format) of the figures beside the step."""


class ProgressDisplay:
    """Context manager; call :meth:`update` after every step."""

    def __init__(
        self,
        total_steps: int,
        *,
        first_step: int = 0,
        stream: IO[str] | None = None,
        interval_s: float = 10.0,
        shown: Sequence[tuple[str, str, str]] = SHOWN,
        limit: Callable[[], float | None] = lambda: None,
    ) -> None:
        """Show the way to ``total_steps`` on ``stream`` (stderr unless told), every ``interval_s`` seconds if
        it is no terminal.

        ``shown`` names the figures beside the step, as ``SHOWN`` does. ``limit`` says how many seconds
        something else leaves.
        """
        self._limit = limit
        self._console = progress_console(stream)
        self._shown = shown
        self._total = total_steps
        self._done = first_step
        self._interval_s = interval_s
        self._metrics: dict[str, float] = {}
        self._times: deque[tuple[float, int]] = deque([(time.monotonic(), first_step)], maxlen=21)
        self._printed_at = -float("inf")
        self._live = (
            Live(self._panel(), console=self._console, refresh_per_second=4, transient=True)
            if draws_over(self._console)
            else None
        )

    def __enter__(self) -> "ProgressDisplay":
        """Start the display."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop the display; the last line stays on the screen."""
        if self._live is not None:
            self._live.stop()
        self._console.print(self.line(), highlight=False, soft_wrap=True)

    def update(self, steps_done: int, metrics: dict[str, float]) -> None:
        """``steps_done`` optimizer steps are done; ``metrics`` may lack any of the shown figures (the last
        value then stays)."""
        self._done = steps_done
        self._metrics.update({key: metrics[key] for _, key, _ in self._shown if metrics.get(key) is not None})
        self._times.append((time.monotonic(), steps_done))
        if self._live is not None:
            self._live.update(self._panel())
        elif time.monotonic() - self._printed_at >= self._interval_s:
            self._printed_at = time.monotonic()
            self._console.print(self.line(), highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """A line of its own above the display: an evaluation, a restart, a checkpoint."""
        TOLD.info(text)
        self._console.print(text, highlight=False, soft_wrap=True)

    @property
    def eta_s(self) -> float | None:
        """Seconds left at the pace of the last 20 steps, or of the limit if that is sooner; None before the
        first step."""
        (start_s, start), (end_s, end) = self._times[0], self._times[-1]
        left = self._limit()
        if end <= start:
            return left
        paced = (self._total - end) * (end_s - start_s) / (end - start)
        return paced if left is None else min(paced, left)

    def line(self) -> str:
        """The display as one line of text."""
        figures = [
            f"{label} {format(self._metrics[key], spec)}"
            for label, key, spec in self._shown
            if key in self._metrics
        ]
        return "  ".join([f"step {self._done}/{self._total}", *figures, f"ETA {_clock(self.eta_s)}"])

    def _panel(self) -> Table:
        grid = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=max(1, self._total), completed=self._done, width=30)
        figures = [
            f"{label} [bold]{format(self._metrics[key], spec)}[/]"
            for label, key, spec in self._shown
            if key in self._metrics
        ]
        grid.add_row(f"step [bold]{self._done}[/]/{self._total}", bar, *figures, f"ETA {_clock(self.eta_s)}")
        return grid


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return "--:--"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
