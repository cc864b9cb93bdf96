"""Units of measurement and currencies that answers carry: "5 m" is 500 cm, and is neither 5 ft nor 5 kg.

A name may mean several things ("pound", "degree", "cent"): two units fit if any of their meanings do.
"""

import re
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import product

Dimensions = tuple[tuple[str, int], ...]
Measure = tuple[Dimensions, Fraction]

_INCH = Fraction(254, 10_000)
_POUND = Fraction(45_359_237, 100_000_000)
_TABLE: tuple[tuple[dict[str, int], dict[str, int | Fraction]], ...] = (
    (
        {"length": 1},
        {
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
    ),
    ({"length": 2}, {"ha hectare": 10_000, "acre": Fraction(40_468_564_224, 10_000_000)}),
    (
        {"length": 3},
        {
            "l L liter litre": Fraction(1, 1000),
            "ml mL milliliter millilitre cc": Fraction(1, 1_000_000),
            "cl centiliter": Fraction(1, 100_000),
            "gal gallon": Fraction(3_785_411_784, 10**12),
            "quart qt": Fraction(3_785_411_784, 4 * 10**12),
            "pint pt": Fraction(3_785_411_784, 8 * 10**12),
        },
    ),
    (
        {"time": 1},
        {
            "s sec second": 1,
            "ms millisecond": Fraction(1, 1000),
            "min minute": 60,
            "h hr hour": 3600,
            "day": 86_400,
            "week": 604_800,
        },
    ),
    ({"months": 1}, {"month": 1, "year yr": 12, "decade": 120, "century centuries": 1200}),
    (
        {"mass": 1},
        {
            "kg kilogram": 1,
            "g gram": Fraction(1, 1000),
            "mg milligram": Fraction(1, 1_000_000),
            "ton tonne": 1000,
            "lb lbs pound": _POUND,
            "oz ounce": _POUND / 16,
        },
    ),
    ({"mass": 1, "length": 1, "time": -2}, {"N newton": 1, "kN kilonewton": 1000}),
    ({"mass": 1, "length": 2, "time": -2}, {"J joule": 1, "kJ kilojoule": 1000}),
    (
        {"mass": 1, "length": 2, "time": -3},
        {"W watt": 1, "kW kilowatt": 1000, "MW megawatt": 10**6, "mW milliwatt": Fraction(1, 1000)},
    ),
    (
        {"mass": 1, "length": -1, "time": -2},
        {"Pa pascal": 1, "kPa kilopascal": 1000, "atm atmosphere": 101_325},
    ),
    ({"time": -1}, {"Hz hertz": 1, "kHz kilohertz": 1000, "MHz megahertz": 10**6}),
    ({"volt": 1}, {"V volt": 1, "mV millivolt": Fraction(1, 1000), "kV kilovolt": 1000}),
    ({"ampere": 1}, {"A amp ampere": 1, "mA milliamp milliampere": Fraction(1, 1000)}),
    ({"ohm": 1}, {"ohm Ω": 1}),
    ({"coulomb": 1}, {"C coulomb": 1}),
    ({"mole": 1}, {"mol mole": 1}),
    ({"us money": 1}, {"$ dollar usd buck": 1, "¢ cent penny pennies": Fraction(1, 100)}),
    ({"eu money": 1}, {"€ euro eur": 1, "cent": Fraction(1, 100)}),
    ({"uk money": 1}, {"£ gbp pound quid": 1, "pence penny pennies p": Fraction(1, 100)}),
    ({"jp money": 1}, {"¥ yen jpy": 1}),
    ({"in money": 1}, {"₹ rupee inr": 1}),
    ({"cn money": 1}, {"yuan rmb cny": 1}),
    ({"angle": 1}, {"degree deg °": 1}),
    ({"celsius": 1}, {"celsius °c degc centigrade degree °": 1}),
    ({"fahrenheit": 1}, {"fahrenheit °f degf degree °": 1}),
    ({"kelvin": 1}, {"K kelvin": 1}),
    ({"turn": 1}, {"radian rad": 1}),
)
_UNITS: dict[str, list[tuple[dict[str, int], Fraction]]] = {}
for _dimensions, _sizes in _TABLE:
    for _names, _size in _sizes.items():
        for _name in _names.split():
            _UNITS.setdefault(_name, []).append((_dimensions, Fraction(_size)))
_MIXED_CASE = frozenset(name for name in _UNITS if name != name.lower())
_LOWERED = frozenset(name.lower() for name in _MIXED_CASE if len(name) > 1)
SINGLE_LETTERS = frozenset(name for name in _UNITS if len(name) == 1 and name.isascii() and name.isalpha())
"""Letters that are units where they stand behind a number and a space."""
CURRENCIES = "$€£¥₹"
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "2": 2, "3": 3}
_FACTOR = re.compile(
    r"(?:(square|sq|cubic)\.?\s+)?((?:degrees?\s+)?[A-Za-zΩ]+|°[CFcf]?|[$€£¥₹¢])\.?\s*(?:\^?\s*([23]))?",
    re.IGNORECASE,
)
_RAISED = str.maketrans({"²": "^2", "³": "^3"})
_DEGREES = re.compile(r"degrees?\s+", re.IGNORECASE)
_SPLIT = re.compile(r"\bper\b|/|\ban?\b")
_SPEEDS = {"mph": "mile per hour", "kmh": "km per h", "kph": "km per h", "kmph": "km per h"}
_ALIASES = {
    "pounds sterling": "gbp",
    "pound sterling": "gbp",
    "us dollars": "usd",
    "u.s. dollars": "usd",
    "sqft": "square foot",
}
_GENERIC = frozenset(
    {
        "unit",
        "units",
        "square unit",
        "square units",
        "cubic unit",
        "cubic units",
        "units^2",
        "units^3",
        "unit^2",
        "unit^3",
    }
)
"""Names that say nothing but that there is a unit."""


def is_unit(word: str) -> bool:
    """True for a name of the table, "miles" and "mph" included."""
    return bool(_find(word)) or word.lower() in _SPEEDS


def conversion(wanted: str, given: str) -> Fraction | None:
    """Return the factor from a number in the unit ``given`` to the unit ``wanted``; None if there is none.

    A number without a unit ('') fits any; units that the table lacks ("apples") fit only themselves.
    """
    if not wanted or not given or wanted == given:
        return Fraction(1)
    targets, sources = measures(wanted), measures(given)
    if len(targets) > len(sources) and any(dimensions == (("angle", 1),) for dimensions, _ in targets):
        return None  # 40 degrees may be an angle, 40 °F is none
    if not targets or not sources:
        same = not targets and not sources and _singular(wanted) == _singular(given)
        return Fraction(1) if same or (_is_generic(wanted) and _is_generic(given)) else None
    return next(
        (mine[1] / other[1] for other, mine in product(targets, sources) if other[0] == mine[0]), None
    )


@lru_cache(maxsize=1024)
def measures(text: str) -> tuple[Measure, ...]:
    """The meanings of "miles per hour", "cm^2", "square feet", "pounds"; none if a part is unknown."""
    text = " ".join(text.translate(_RAISED).split())
    text = _ALIASES.get(text.lower(), text)
    parts: list[list[tuple[Counter[str], Fraction]]] = []
    for position, side in enumerate(_SPLIT.split(_SPEEDS.get(text.lower(), text))):
        found = list(_factor(side.strip(), 1 if position == 0 else -1))
        if not found:
            return ()
        parts.append(found)
    return tuple(_combined(choice) for choice in product(*parts))


def _factor(text: str, sign: int) -> Iterator[tuple[Counter[str], Fraction]]:
    factor = _FACTOR.fullmatch(text)
    if factor is None:
        return
    named = _DEGREES.match(factor[2])
    name = factor[2][named.end() :] if named and len(factor[2]) > named.end() else factor[2]
    power = sign * _POWERS.get((factor[1] or factor[3] or "").lower(), 1)
    if named and name.lower() not in ("celsius", "c", "fahrenheit", "f", "centigrade") and name != factor[2]:
        return
    if named and name.lower() in ("c", "f"):
        name = f"°{name.lower()}"
    for dimensions, size in _find(name):
        yield Counter({kind: times * power for kind, times in dimensions.items()}), size**power


def _combined(parts: tuple[tuple[Counter[str], Fraction], ...]) -> Measure:
    dimensions: Counter[str] = Counter()
    size = Fraction(1)
    for part, factor in parts:
        dimensions.update(part)
        size *= factor
    return tuple(sorted((kind, power) for kind, power in dimensions.items() if power)), size


def _find(word: str) -> list[tuple[dict[str, int], Fraction]]:
    """The meanings of a name; capitals count where two units differ in nothing else (mW, MW)."""
    if word in _UNITS:
        return _UNITS[word]
    if len(word) == 1:
        return []
    lowered = word.lower()
    if lowered in _LOWERED and lowered not in _UNITS:
        return next((_UNITS[name] for name in sorted(_MIXED_CASE) if name.lower() == lowered), [])
    for name in (
        lowered,
        lowered[:-1] if len(word) > 3 and lowered.endswith("s") else "",
        lowered[:-2] if lowered.endswith("es") else "",
    ):
        if len(name) > 1 and name in _UNITS:
            return _UNITS[name]
    return []


def _is_generic(text: str) -> bool:
    return " ".join(text.lower().split()) in _GENERIC


def _singular(text: str) -> str:
    return " ".join(word.rstrip("s") for word in text.lower().split())
