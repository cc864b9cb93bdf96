"""How much of the work each engine gets, by what was measured of it."""

import math

GAIN = 0.01
"""Part of a group's surprise that goes into its engine's share: a hundred groups tell a slow engine."""
FORGOTTEN = 0.00125
"""Part of a share's distance from the usual one that each of its groups takes back. Without it chance alone
would carry the shares of equal engines apart; ``GAIN / FORGOTTEN`` is how strongly a share follows."""
WIDEST = 8.0
"""An engine gets at most so many times the usual share, and at least one part in so many."""


class EngineShares:
    """Shares of the groups under which a token takes equally long on all engines, so that they end a plan
    together.

    A group that took longer a token than is usual lowers its engine's share, one that was quicker raises it.
    The time of a token grows with what an engine has to do, so shares settle where all take nearly as long:
    it needs no model of how throughput grows with the batch, and equal engines stay equal.
    """

    def __init__(self) -> None:
        self._logs: dict[int, float] = {}
        """Engine to the logarithm of its share; their mean is 0."""
        self._usual: float | None = None
        """Moving mean of the logarithm of seconds a token, over all engines."""

    def join(self, engine: int) -> None:
        """An engine of which nothing is known gets the usual share; also one that was started again."""
        self._logs[engine] = 0.0
        self._centre()

    def leave(self, engine: int) -> None:
        """One engine fewer."""
        del self._logs[engine]
        self._centre()

    def of(self, engine: int) -> float:
        """Its share; 1 is usual."""
        return math.exp(self._logs[engine])

    @property
    def slowest(self) -> float:
        """The smallest share over the largest, 1 where engines are equal."""
        return math.exp(min(self._logs.values()) - max(self._logs.values())) if self._logs else 1.0

    def finished(self, engine: int, *, seconds: float, tokens: int) -> None:
        """A group came back after ``seconds``; its longest completion has ``tokens``."""
        if seconds <= 0 or tokens <= 0 or engine not in self._logs:
            return
        found = math.log(seconds / tokens)
        self._usual = found if self._usual is None else self._usual + GAIN * (found - self._usual)
        limit = math.log(WIDEST)
        moved = (1 - FORGOTTEN) * self._logs[engine] + GAIN * (self._usual - found)
        self._logs[engine] = min(limit, max(-limit, moved))
        self._centre()

    def _centre(self) -> None:
        if self._logs:
            mean = sum(self._logs.values()) / len(self._logs)
            self._logs = {engine: log - mean for engine, log in self._logs.items()}
