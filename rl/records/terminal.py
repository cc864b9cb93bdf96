"""Progress on the terminal while a command works, unless it was told to be quiet.

``t2rl --quiet`` sets ``T2RL_QUIET``, which the processes that a command starts inherit. Results, warnings and
errors are written all the same. ``NO_COLOR`` and ``TERM=dumb`` are rich's own, and hold here too.
"""

import os
import sys
from typing import IO

from rich.console import Console

QUIET = "T2RL_QUIET"


def quiet() -> bool:
    """True if progress is not wanted."""
    return bool(os.environ.get(QUIET))


def progress_console(stream: IO[str] | None = None) -> Console:
    """Console for progress on ``stream`` (stderr unless told); it writes nothing when quiet."""
    return Console(file=stream or sys.stderr, quiet=quiet())


def draws_over(console: Console) -> bool:
    """True where a display may be drawn over itself: a terminal that can move its cursor, and not quiet."""
    return console.is_terminal and not console.is_dumb_terminal and not console.quiet
