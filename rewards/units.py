"""Units of measurement and currencies that answers carry: "5 m" is 500 cm, and is neither 5 ft nor 5 kg."""

import re
from collections import Counter
from fractions import Fraction
from functools import lru_cache

_INCH = Fraction(254, 10_000)
_POUND = Fraction(45_359_237, 100_000_000)
_TABLE: dict[str, dict[str, int | Fraction]] = {
    "length": {
        "m meter metre": 1,
        "mm millimeter millimetre": Fraction(1, 1000),
        "cm centimeter centimetre": Fraction(1, 100),
        "dm decimeter decimetre": Fraction(1, 10),
        "km kilometer kilometre": 1000,
        "in inch inches": _INCH,
        "ft foot feet": 12 * _INCH,
        "yd yard": 36 * _INCH,
        "mi mile": 63_360 * _INCH,
    },
    "time": {
        "s sec second": 1,
        "ms millisecond": Fraction(1, 1000),
        "min minute": 60,
        "h hr hour": 3600,
        "day": 86_400,
        "week": 604_800,
    },
    "months": {"month": 1, "year yr": 12},
    "mass": {
        "kg kilogram": 1,
        "g gram": Fraction(1, 1000),
        "mg milligram": Fraction(1, 1_000_000),
        "ton tonne": 1000,
        "lb pound": _POUND,
        "oz ounce": _POUND / 16,
    },
    "volume": {"l liter litre": 1, "ml milliliter millilitre": Fraction(1, 1000), "gal gallon": Fraction(3_785_411_784, 10**9)},
    "us money": {"$ dollar usd": 1, "¢ cent penny pennies": Fraction(1, 100)},
    "eu money": {"€ euro eur": 1},
    "uk money": {"£ gbp": 1},
    "jp money": {"¥ yen jpy": 1},
    "angle": {"degree deg": 1},
}
_UNITS = {name: (kind, Fraction(size)) for kind, sizes in _TABLE.items() for names, size in sizes.items() for name in names.split()}
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "²": 2, "³": 3, "2": 2, "3": 3}
_FACTOR = re.compile(r"(?:(square|sq|cubic)\.?\s+)?([a-z]+|[$€£¥¢])\.?\s*(?:\^?\s*([23²³]))?")
_SPEEDS = {"mph": "mile per hour", "kmh": "km per h", "kph": "km per h"}

Measure = tuple[tuple[tuple[str, int], ...], Fraction]


def is_unit(word: str) -> bool:
    """True for a name of the table, "miles" and "mph" included."""
    return _find(word.lower()) is not None or word.lower() in _SPEEDS


def conversion(wanted: str, given: str) -> Fraction | None:
    """What a number in the unit ``given`` must be multiplied with to be in the unit ``wanted``; None if it never is.

    A number without a unit ('') fits any; units that the table lacks ("apples") fit only themselves.
    """
    if not wanted or not given or wanted == given:
        return Fraction(1)
    target, source = _measure(wanted), _measure(given)
    if target is None or source is None:
        return Fraction(1) if target is source and _singular(wanted) == _singular(given) else None
    return source[1] / target[1] if target[0] == source[0] else None


@lru_cache(maxsize=1024)
def _measure(text: str) -> Measure | None:
    """(dimensions with powers, size in base units) of "miles per hour", "cm^2", "square feet"; None if a part is unknown."""
    dimensions: Counter[str] = Counter()
    size = Fraction(1)
    lowered = text.lower().strip()
    for position, side in enumerate(re.split(r"\bper\b|/", _SPEEDS.get(lowered, lowered))):
        factor = _FACTOR.fullmatch(side.strip())
        unit = _find(factor[2]) if factor else None
        if factor is None or unit is None:
            return None
        power = _POWERS.get(factor[1] or factor[3] or "", 1) * (1 if position == 0 else -1)
        dimensions[unit[0]] += power
        size *= unit[1] ** power
    return tuple(sorted((kind, power) for kind, power in dimensions.items() if power)), size


def _find(word: str) -> tuple[str, Fraction] | None:
    return _UNITS.get(word) or (_UNITS.get(word[:-1]) if len(word) > 2 and word.endswith("s") else None)


def _singular(text: str) -> str:
    return " ".join(word.rstrip("s") for word in text.lower().split())
