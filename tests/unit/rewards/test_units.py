"""Units, by hand."""

from fractions import Fraction

import pytest

from rewards.maths.units import conversion, is_unit


@pytest.mark.parametrize(
    ("wanted", "given", "factor"),
    [
        ("", "cm", 1),
        ("cm", "", 1),
        ("meters", "m", 1),
        ("m", "cm", Fraction(1, 100)),
        ("cm", "m", 100),
        ("feet", "inches", Fraction(1, 12)),
        ("miles", "feet", Fraction(1, 5280)),
        ("minutes", "hours", 60),
        ("years", "months", Fraction(1, 12)),
        ("$", "cents", Fraction(1, 100)),
        ("dollars", "$", 1),
        ("square meters", "cm^2", Fraction(1, 10_000)),
        ("cm³", "cubic cm", 1),
        ("mph", "miles per hour", 1),
        ("km/h", "m/s", Fraction(36, 10)),
        ("lb", "ounces", Fraction(1, 16)),
        ("apples", "apple", 1),
        ("meters", "feet", Fraction(3048, 10_000)),
        ("meters", "seconds", None),
        ("meters", "square meters", None),
        ("$", "€", None),
        ("apples", "oranges", None),
        ("apples", "cm", None),
    ],
)
def test_conversion(wanted: str, given: str, factor: Fraction | None) -> None:
    assert conversion(wanted, given) == factor


def test_names_of_units() -> None:
    assert all(is_unit(word) for word in ("cm", "Meters", "hours", "$", "mph", "feet"))
    assert not any(is_unit(word) for word in ("apples", "x", "pi", "", "ab"))
