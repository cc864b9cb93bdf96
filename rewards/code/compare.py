"""When two outputs are the same: white space at line ends and empty lines at the end do not count, all else
does."""

import math


def same_output(wanted: str, got: bytes, *, tolerance: float = 0.0) -> bool:
    """Compare as text.

    Args:
        wanted: Expected output.
        got: What the program wrote; undecodable bytes are a wrong answer.
        tolerance: Absolute or relative difference that numbers may have; with it, words are compared instead
            of lines.
    """
    try:
        text = got.decode("utf-8")
    except UnicodeDecodeError:
        return False
    ours, theirs = lines(wanted), lines(text)
    if ours == theirs:
        return True
    return (
        tolerance > 0
        and len(ours) == len(theirs)
        and all(map(lambda a, b: _close_line(a, b, tolerance), ours, theirs))
    )


def lines(text: str) -> list[str]:
    """Without white space at the ends of lines and without empty lines at the end."""
    found = [line.rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    while found and not found[-1]:
        found.pop()
    return found


def _close_line(wanted: str, got: str, tolerance: float) -> bool:
    ours, theirs = wanted.split(), got.split()
    return len(ours) == len(theirs) and all(
        a == b or _close(a, b, tolerance) for a, b in zip(ours, theirs, strict=True)
    )


def _close(wanted: str, got: str, tolerance: float) -> bool:
    try:
        ours, theirs = float(wanted), float(got)
        # Numbers beyond the range of floats would all be infinity, and the same.
        return math.isfinite(ours) and math.isclose(ours, theirs, rel_tol=tolerance, abs_tol=tolerance)
    except ValueError:
        return False
