"""Answers that are plain numbers, with thousands separators, percent signs and units: decided here, exactly, without algebra."""

import re
from dataclasses import dataclass
from fractions import Fraction

TOLERANCE = Fraction(1, 10**6)
"""Two numbers that are not both integers are the same within this, absolute and relative."""

_FUNCTIONS = frozenset({"pi", "sqrt", "log", "ln", "exp", "sin", "cos", "tan", "over", "plus", "minus", "times", "mod", "choose"})
_MULTIPLES = frozenset({"hundred", "thousand", "million", "billion", "trillion", "dozen", "half", "third", "quarter"})
NUMBER_WORDS = _FUNCTIONS | _MULTIPLES | {"or", "and", "to", "if"}
"""Words beside a number that are no units: they change its value, or offer a second one."""
_CURRENCY = r"(?:\\?[$€£¥])?"
_GROUPED = r"\d{1,3}(?:(?:,|\{,\}|\\,|\\!,|\s)\d{3})+"
_DECIMAL = rf"(?:{_GROUPED}|\d{{1,40}})(?:\.\d{{0,40}})?|\.\d{{1,40}}"
_POWER = r"(?:[eE](?P<exponent>[-+]?\d{1,3})|\s*(?:\\times|\\cdot|\*|×)\s*10\s*(?:\^|\*\*)\s*\{?(?P<power>[-+]?\d{1,3})\}?)?"
_FRACTION = r"\\[dtc]?frac\s*(?:\{\s*(?P<n1>\d{1,40})\s*\}\s*\{\s*(?P<d1>\d{1,40})\s*\}|(?P<n2>\d)(?P<d2>\d))"
_BRACED_UNIT = r"\s*(?:\\text|\\mathrm|\\textrm|\\mbox)\s*\{\s*(?P<unit>[A-Za-z /^\d²³]*?)\.?\s*\}"
_UNIT = rf"(?:{_BRACED_UNIT}|\s+(?P<word>[A-Za-z]{{2,}}(?: [A-Za-z]{{2,}}){{0,2}}))?"
_QUANTITY = re.compile(
    rf"(?P<sign>[-−+])?\s*{_CURRENCY}\s*(?P<inner>[-−+])?"
    rf"(?:(?P<whole>\d{{1,40}})?\s*{_FRACTION}|(?:(?P<mixed>\d{{1,40}})\s+)?(?P<n3>\d{{1,40}})\s*/\s*(?P<d3>\d{{1,40}})"
    rf"|(?P<decimal>{_DECIMAL}){_POWER})"
    rf"\s*(?P<percent>\\?%|percent\b)?\s*(?P<degree>\^\{{?\s*\\circ\s*\}}?|°|\\degree\b)?{_UNIT}"
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with what stood beside it."""

    value: Fraction
    percent: bool
    unit: str
    """Lower case, singular; '' if none."""


def parse_quantity(text: str) -> Quantity | None:
    r"""The number that a text is, or None if it is more or less than one.

    Reads ``-1,234.5``, ``\$10``, ``1 3/4``, ``2\frac12``, ``1.5\times 10^{3}``, ``50\%``, ``45^\circ``, ``5 cm``.
    """
    match = _QUANTITY.fullmatch(text.strip())
    if not match or (match["sign"] and match["inner"]):
        return None
    value = _magnitude(match)
    words = (match["unit"] or match["word"] or "").lower().split()
    if value is None or NUMBER_WORDS.intersection(words):
        return None
    negative = (match["sign"] or match["inner"] or "+") in "-−"
    unit = " ".join(word.rstrip("s") for word in words)
    return Quantity(-value if negative else value, bool(match["percent"]), unit)


def _magnitude(match: re.Match[str]) -> Fraction | None:
    if match["decimal"]:
        digits = re.sub(r"[^\d.]", "", match["decimal"])
        exponent = int(match["exponent"] or match["power"] or 0)
        return Fraction(digits if digits[-1] != "." else digits[:-1]) * Fraction(10) ** exponent
    numerator = match["n1"] or match["n2"] or match["n3"]
    denominator = int(match["d1"] or match["d2"] or match["d3"])
    if denominator == 0:
        return None
    return int(match["whole"] or match["mixed"] or 0) + Fraction(int(numerator), denominator)


def same_quantity(gold: Quantity, given: Quantity) -> bool:
    """Equal numbers; units must agree if both have one; 10% is 10 or 0.1."""
    if gold.unit and given.unit and gold.unit != given.unit:
        return False
    if gold.percent == given.percent:
        return _close(gold.value, given.value)
    scale = Fraction(1, 100) if given.percent else Fraction(100)
    return _close(gold.value, given.value) or _close(gold.value, given.value * scale)


def _close(a: Fraction, b: Fraction) -> bool:
    if a == b:
        return True
    if a.denominator == b.denominator == 1:
        return False
    return abs(a - b) <= TOLERANCE and abs(a - b) <= TOLERANCE * max(abs(a), abs(b))
