"""Plain numbers, by hand."""

from fractions import Fraction

import pytest

from rewards.maths.numbers import parse_decimal_comma, parse_quantity, same_quantity


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
        ("5 million", 5_000_000),
        ("12,34,567", 1_234_567),
        ("twenty-one", 21),
        ("minus three quarters", Fraction(-3, 4)),
        ("0.1\\overline{6}", Fraction(1, 6)),
        ("0.1818...", Fraction(2, 11)),
        ("601 (miles)", 601),
        ("5 \\frac{\\text{m}}{\\text{s}}", 5),
        ("3 hours 20 minutes", Fraction(10, 3)),
        ("10\\text{ cm}", 10),
        ("5 square meters", 5),
        ("10cm", 10),
        ("1,000.99m²", Fraction(100099, 100)),
        ("10\\,\\mathrm{cm}^2", 10),
        ("1,000.99€", Fraction(100099, 100)),
        ("14 {, }916", 14916),
        ("11,\\! 111,\\! 100", 11111100),
    ],
)
def test_reads(text: str, value: Fraction) -> None:
    quantity = parse_quantity(text)
    assert quantity is not None
    assert quantity.value == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "1,2",
        "(1,2)",
        "12,34",
        "1,2345",
        "2x",
        "2 pi",
        "1/0",
        "\\frac{1}{0}",
        "3+4",
        "nan",
        "1 2 3",
        "--3",
        "0,111",
        "2ab",
        "3m",
        "5 or",
        "5 to",
    ],
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
        ("5 meters", "500cm", True),
        ("1 hour", "60 minutes", True),
        ("60 mph", "1 mile per minute", True),
        ("$10", "10 dollars", True),
        ("$0.50", "50 cents", True),
        ("$10", "€10", False),
        ("5 \\text{ m}^2", "5 \\text{ m}", False),
    ],
)
def test_sameness(gold: str, given: str, same: bool) -> None:
    first, second = parse_quantity(gold), parse_quantity(given)
    assert first is not None
    assert second is not None
    assert same_quantity(first, second) is same


@pytest.mark.parametrize(
    ("gold", "given", "precision", "same"),
    [
        ("1/3", "0.33", 2, True),
        ("1/3", "0.33", 3, False),
        ("100", "101", 1, False),
        ("2.5", "2.54", 1, True),
        ("2.5", "2.51", 3, False),
    ],
)
def test_precision(gold: str, given: str, precision: int, same: bool) -> None:
    first, second = parse_quantity(gold), parse_quantity(given)
    assert first is not None
    assert second is not None
    assert same_quantity(first, second, precision) is same


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2,74", Fraction(274, 100)),
        ("-0,5 €", Fraction(-1, 2)),
        ("1000,99", Fraction(100099, 100)),
        ("1,2,3", None),
        ("x,2", None),
        ("2.74", None),
    ],
)
def test_decimal_commas(text: str, value: Fraction | None) -> None:
    quantity = parse_decimal_comma(text)
    assert (quantity.value if quantity else None) == value
