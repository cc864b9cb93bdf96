"""Plain numbers, by hand."""

from fractions import Fraction

import pytest

from rewards.quantities import parse_quantity, same_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", 42),
        ("-42", -42),
        ("−42", -42),
        ("- 42", -42),
        ("+7", 7),
        ("-0", 0),
        ("042", 42),
        (".5", Fraction(1, 2)),
        ("5.", 5),
        ("1,234,567.25", Fraction(4938269, 4)),
        ("1{,}000", 1000),
        ("1\\,000", 1000),
        ("1 000", 1000),
        ("$10", 10),
        ("-\\$10", -10),
        ("1E-3", Fraction(1, 1000)),
        ("1.5\\times 10^{3}", 1500),
        ("3/4", Fraction(3, 4)),
        ("1 3/4", Fraction(7, 4)),
        ("-1 3/4", Fraction(-7, 4)),
        ("1\\frac{3}{4}", Fraction(7, 4)),
        ("\\dfrac34", Fraction(3, 4)),
        ("45^\\circ", 45),
        ("45°", 45),
        ("50\\%", 50),
        ("10\\text{ cm}", 10),
        ("5 square meters", 5),
    ],
)
def test_reads(text: str, value: Fraction) -> None:
    quantity = parse_quantity(text)
    assert quantity is not None
    assert quantity.value == value


@pytest.mark.parametrize(
    "text",
    ["", "x", "1,2", "(1,2)", "12,34", "1,2345", "2x", "2 pi", "5 million", "1/0", "\\frac{1}{0}", "3+4", "nan", "1 2 3", "--3"],
)
def test_refuses_what_is_not_one_number(text: str) -> None:
    assert parse_quantity(text) is None


@pytest.mark.parametrize(
    ("gold", "given", "same"),
    [
        ("1/3", "0.3333333", True),  # off by 3e-8, that is 1e-7 of it
        ("1/3", "0.333", False),
        ("0.0000001", "0", False),  # absolutely close, relatively not
        ("1000000", "1000000.5", False),  # relatively close, absolutely not
        ("45", "45.000001", True),
        ("100000000", "100000001", False),
        ("10%", "0.1", True),
        ("10%", "10", True),
        ("10", "10%", True),
        ("10%", "100", False),
        ("5 meters", "5", True),
        ("5 meters", "5 meter", True),
        ("5 meters", "5 feet", False),
    ],
)
def test_sameness(gold: str, given: str, same: bool) -> None:
    first, second = parse_quantity(gold), parse_quantity(given)
    assert first is not None
    assert second is not None
    assert same_quantity(first, second) is same
