"""How far one suite is, and about how long it will take: a line now and then, not one for each answer."""

import time
from collections.abc import Callable

EVERY_S = 15.0
"""Seconds between two lines at least."""
ENOUGH = 0.1
"""Share of the completions from which a forecast is made."""


class SuiteProgress:
    """Counts completions that are sampled and judged.

    Args:
        about: begins every line, such as ``mine: gsm8k``.
        total: completions of the suite, over all temperatures.
        say: shows a line.
        clock: seconds.

    Example: ``mine: gsm8k, 120 of 250 completions, about 40 s left``
    """

    def __init__(
        self,
        about: str,
        total: int,
        say: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._about, self._total, self._say, self._clock = about, total, say, clock
        self._began = self._said = clock()
        self._done = 0

    def __call__(self, completions: int) -> None:
        """So many more are done."""
        self._done += completions
        now = self._clock()
        if now - self._said < EVERY_S or self._done >= self._total:
            return
        self._said = now
        left = (now - self._began) * (self._total / self._done - 1)
        forecast = f", about {left:.0f} s left" if self._done >= ENOUGH * self._total else ""
        self._say(f"{self._about}, {self._done} of {self._total} completions{forecast}")
