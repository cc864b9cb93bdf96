"""A curve in one line of text."""

import statistics
from collections.abc import Sequence
from itertools import pairwise

BLOCKS = "▁▂▃▄▅▆▇█"
PLAIN = "_.-~=+*#"
"""For terminals that have no blocks."""
GAP = " "


def sparkline(values: Sequence[float | None], width: int, *, marks: str = BLOCKS) -> str:
    """``values`` as at most ``width`` characters, the lowest as the first of ``marks``; None is a gap.

    More values than characters are averaged in pieces of nearly equal length.
    """
    pieces = _pieces(values, width)
    known = [value for value in pieces if value is not None]
    if not known:
        return GAP * len(pieces)
    low, high = min(known), max(known)
    scale = (len(marks) - 1) / (high - low) if high > low else 0.0
    return "".join(GAP if value is None else marks[round((value - low) * scale)] for value in pieces)


def _pieces(values: Sequence[float | None], width: int) -> list[float | None]:
    if len(values) <= width:
        return list(values)
    edges = [i * len(values) // width for i in range(width + 1)]
    return [_mean(values[a:b]) for a, b in pairwise(edges)]


def _mean(piece: Sequence[float | None]) -> float | None:
    known = [value for value in piece if value is not None]
    return statistics.fmean(known) if known else None
