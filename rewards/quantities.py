"""Answers that are plain numbers, with thousands separators, percent signs, currencies and units.

They are decided here, exactly, without algebra.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

from rewards.units import conversion, is_unit

PRECISION = 6
"""Decimals to which two numbers that are not both integers must agree."""

_FUNCTIONS = frozenset({"pi", "sqrt", "log", "ln", "exp", "sin", "cos", "tan", "over", "plus", "minus", "times", "mod", "choose"})
_MULTIPLES = frozenset({"hundred", "thousand", "million", "billion", "trillion", "dozen", "half", "third", "quarter"})
_JOINTS = frozenset({"or", "and", "to", "if", "not", "but", "maybe", "perhaps", "possibly"})
NUMBER_WORDS = _FUNCTIONS | _MULTIPLES | _JOINTS
"""Words beside a number that are no units: they change its value, or offer a second one."""

_SPACE = r"(?:\s|\\[,;:! ]|~){0,4}"
_CURRENCY = r"(?:\\?(?P<before>[$€£¥]))?"
_GROUPED = r"(?!0)\d{1,3}(?:(?:,|\s?\{\s?,\s?\}\s?|\\,|\\!,|,\\!\s?|\s)\d{3})+"
_DECIMAL = rf"(?:{_GROUPED}|\d{{1,40}})(?:\.\d{{0,40}})?|\.\d{{1,40}}"
_POWER = r"(?:[eE](?P<exponent>[-+]?\d{1,3})|\s*(?:\\times|\\cdot|\*|×)\s*10\s*(?:\^|\*\*)\s*\{?(?P<power>[-+]?\d{1,3})\}?)?"
_FRACTION = r"\\[dtc]?frac\s*(?:\{\s*(?P<n1>\d{1,40})\s*\}\s*\{\s*(?P<d1>\d{1,40})\s*\}|(?P<n2>\d)\s?(?P<d2>\d))"
_BRACED_UNIT = (
    r"\\(?:text|textbf|textrm|textnormal|mathrm|mbox)\s*\{\s*(?P<unit>[A-Za-z /^\d²³]{0,40}?)\.?\s*\}"
    r"(?:\s*\^\s*\{?\s*(?P<square>[23])\s*\}?)?"
)
_UNIT = (
    rf"(?:{_SPACE}{_BRACED_UNIT}|(?:\s|\\ |~){{1,4}}"
    r"(?P<word>[A-Za-z]{2,20}\.?(?: [A-Za-z]{2,20}){0,2}(?:/[a-z]{1,10})?(?:\^?[23²³])?)"
    r"|(?P<glued>[A-Za-z]{2,10}(?:/[a-z]{1,10})?(?:\^?[23²³])?|m[²³])|\s?\\?(?P<after>[$€£¥]))?"
)
_QUANTITY = re.compile(
    rf"(?P<sign>[-−+])?\s*{_CURRENCY}\s*(?P<inner>[-−+])?"
    rf"(?:(?P<whole>\d{{1,40}})?\s*{_FRACTION}|(?:(?P<mixed>\d{{1,40}})\s+)?(?P<n3>\d{{1,40}})\s*/\s*(?P<d3>\d{{1,40}})"
    rf"|(?P<decimal>{_DECIMAL}){_POWER})"
    rf"(?:{_SPACE}(?P<percent>\\?%|percent\b))?(?:\s?(?P<degree>\^\s?\{{?\s?\\circ\s?\}}?|°|\\degree\b))?{_UNIT}"
)
_DECIMAL_COMMA = re.compile(r"\s*(?P<sign>[-−+]?)\s*\\?[$€£¥]?\s*(?P<whole>\d{1,40}),(?P<rest>\d{1,40})\s*(?:\\?[$€£¥])?\s*")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with what stood beside it."""

    value: Fraction
    percent: bool = False
    unit: str = ""
    """Lower case, as written; '' if none."""


def parse_quantity(text: str) -> Quantity | None:
    r"""The number that a text is, or None if it is more or less than one.

    Reads ``-1,234.5``, ``\$10``, ``1 3/4``, ``2\frac12``, ``1.5\times 10^{3}``, ``50\%``, ``45^\circ``, ``5 cm``, ``1000m²``.
    """
    match = _QUANTITY.fullmatch(_single_spaced(text))
    if not match or (match["sign"] and match["inner"]):
        return None
    value, unit = _magnitude(match), _unit(match)
    if value is None or unit is None or not NUMBER_WORDS.isdisjoint(unit.split()):
        return None
    negative = (match["sign"] or match["inner"] or "+") in "-−"
    return Quantity(-value if negative else value, bool(match["percent"]), unit)


def parse_decimal_comma(text: str) -> Quantity | None:
    """The number of ``2,74`` as much of Europe writes it; None for anything else."""
    match = _DECIMAL_COMMA.fullmatch(_single_spaced(text))
    if not match:
        return None
    value = Fraction(f"{match['whole']}.{match['rest']}")
    return Quantity(-value if match["sign"] in ("-", "−") else value)


def same_quantity(gold: Quantity, given: Quantity, precision: int = PRECISION) -> bool:
    """Equal numbers; units must convert into each other if both have one; 10% is 10 or 0.1."""
    factor = conversion(gold.unit, given.unit)
    if factor is None:
        return False
    value = given.value * factor
    if gold.percent == given.percent:
        return _close(gold.value, value, precision)
    scale = Fraction(1, 100) if given.percent else Fraction(100)
    return _close(gold.value, value, precision) or _close(gold.value, value * scale, precision)


def _single_spaced(text: str) -> str:
    """Without runs of white space, on which patterns with several optional spaces take cubic time."""
    return " ".join(text.split())


def _unit(match: re.Match[str]) -> str | None:
    """The unit beside the number, '' if none; None if what stands there is no unit."""
    words = (match["unit"] or match["word"] or "").lower().strip().rstrip(".")
    if match["square"]:
        words = f"{words}^{match['square']}"
    if match["glued"]:  # "5cm", but not the algebra of "2ab"
        words = match["glued"].lower()
        if not is_unit(re.split(r"[/^\d²³]", words)[0]):
            return None
    return words or match["before"] or match["after"] or ("degree" if match["degree"] else "")


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


def _close(a: Fraction, b: Fraction, precision: int) -> bool:
    """Equal integers, else within 10^-precision, absolutely and relatively."""
    if a == b:
        return True
    if a.denominator == b.denominator == 1:
        return False
    tolerance = Fraction(1, 10**precision)
    return abs(a - b) <= tolerance and abs(a - b) <= tolerance * max(abs(a), abs(b))
