r"""READ, numbers: a text that is one number, with its percent sign, scale word, currency or unit, as an exact
fraction.

``1,234.5``, ``12,34,567``, ``1 3/4``, ``2\frac12``, ``1.5\times 10^{3}``, ``0.\overline{3}``, ``50\%``, ``\$5
million``, ``45^\circ``, ``5 \frac{\text{m}}{\text{s}}``, ``601 (miles)``, ``twenty-one``. Whatever is not
understood makes it no number.
"""

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from rewards.maths.characters import plain_characters
from rewards.maths.lexicon import COPULAS, FUNCTIONS, MODIFIERS, NUMBER_WORDS, PREPOSITIONS, SCALES
from rewards.maths.number_words import parse_cardinal, parse_fraction
from rewards.maths.units import CURRENCIES, SINGLE_LETTERS, conversion, is_unit, measures

PRECISION = 6
"""Decimals to which two numbers must agree where one of them is written as a decimal."""

_NO_UNITS = (
    FUNCTIONS
    | PREPOSITIONS
    | MODIFIERS
    | NUMBER_WORDS
    | COPULAS
    | frozenset(("and", "to", "am", "pm", "r", "as", "when"))
)
_CURRENCY = rf"\\?(?:US)?\\?[{CURRENCIES}]"
_GROUPED = (
    r"(?!0)(?:\d{1,3}(?:(?:,|\s?\{\s?,\s?\}\s?|\\,|\\!|,\\!\s?|\s)\d{3})++(?![\d,]\d|\d)"
    r"|\d{1,2}(?:,\d{2}){1,8},\d{3}(?!,?\d))"
)
_BAR = r"\\(?:overline|bar|dot)\s?(?:\{\s?\d{1,20}\s?\}|\d)"
_REPEATED = rf"(?P<repeated>(?:{_BAR}){{1,2}}|\(\d{{1,20}}\)|(?:\\[lc]?dots|\.\.\.))"
_DECIMAL = rf"(?:{_GROUPED}|\d{{1,60}})(?:\.(?!\.\.)\d{{0,60}})?|\.\d{{1,60}}"
_POWER = (
    r"(?:[eE](?P<exponent>[-+]?\d{1,3})(?![\d.])"
    r"|\s*(?:\\times|\\cdot|\*|x|X)\s*10\s*(?:\^|\*\*)\s*(?:\{\s?(?P<power>[-+]?\s?\d{1,3})\s?\}"
    r"|\(?(?P<power2>[-+]?\d{1,3})\)?))?"
)
_FRACTION = (
    r"\\[dtc]?frac\s*(?:\{\s*(?P<n1>\d{1,60})\s*\}\s*\{\s*(?P<d1>\d{1,60})\s*\}"
    r"|(?P<n2>\d)\s?(?P<d2>\d)|(?P<n4>\d)\s?\{\s?(?P<d4>\d{1,60})\s?\})"
)
_HEAD = re.compile(
    rf"(?P<sign>[-+])?\s*(?:(?P<before>{_CURRENCY})\s*)?(?P<inner>[-+])?\s?"
    rf"(?:(?P<whole>\d{{1,60}})?\s*{_FRACTION}"
    rf"|(?:(?P<mixed>\d{{1,60}})\s+)?(?P<n3>\d{{1,60}})\s*/\s*(?P<d3>\d{{1,60}})(?![\d.])"
    rf"|(?P<decimal>{_DECIMAL})(?:{_REPEATED})?{_POWER})"
)
_DECIMAL_COMMA = re.compile(
    rf"\s*(?P<sign>[-+]?)\s*(?:{_CURRENCY})?\s*(?P<whole>\d{{1,60}}),(?P<rest>\d{{1,60}})\s*(?:"
    rf"{_CURRENCY})?\s*"
)
_WRAPPED = re.compile(r"\\(?:text|textbf|textit|textrm|textnormal|mathrm|mathbf|mbox|rm|bf)\s*\{([^{}]*)\}")
_UNIT_FRACTION = re.compile(r"\\[dtc]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_SPACE = re.compile(r"\\[,;:! ]|\\q?quad(?![a-z])|[\s~]+")
_DEGREE = re.compile(r"\^\s?\{?\s?\\circ\s?\}?|\\degree(?![a-z])|\\deg(?![a-z])")
_POWER_BRACES = re.compile(r"\^\s?\{\s?([23]|-[123])\s?\}")
_PERCENT = re.compile(r"(?:\\?%|percent\b|per cent\b)", re.IGNORECASE)
_UNIT = re.compile(
    rf"[A-Za-zΩ°{CURRENCIES}¢][A-Za-zΩ°{CURRENCIES}¢/^. *\-']{{0,60}}(?:(?<=\^)-?[1-3]|(?<=[A-Za-z])[23])?"
    rf"(?:/[a-z]{{1,10}}\^?[23]?)?"
)
_AREA = re.compile(r"^(?:square|cubic|sq)\.?\s")
_SQUARED = re.compile(r"(?P<unit>[a-z]+) (?P<power>squared|cubed)$", re.IGNORECASE)
_SIGN_WORD = re.compile(r"(?:\\text\s?\{\s*)?(?:negative|minus)\s*\}?\s*(?=[\d.$\\])", re.IGNORECASE)
_PARTS = re.compile(r"(?<=[A-Za-z.}])\s*,?\s*(?:(?:and\s+|\\text\s?\{\s?and\s?\}\s*))?(?=\d)")
_ORDINAL = re.compile(r"(?:st|nd|rd|th)\b")
_LETTERS = re.compile(r"[A-Za-z]+")
TRAILING = re.compile(
    r"(?:\s(?:long|tall|high|wide|deep|old|ago|away|each|altogether|total|in total|left|in all|of age))+$"
)
MAX_NUMBER = 300
"""Characters; a longer text is no plain number."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with what stood beside it."""

    value: Fraction
    percent: bool = False
    unit: str = ""
    """As written; '' if none."""
    rounded: bool = False
    """True if written as a decimal, which may stand for a number with more digits."""
    letter: bool = False
    """True if the unit is a bare letter ("5 m"), which algebra would read as a factor."""


@lru_cache(maxsize=2048)
def parse_quantity(text: str) -> Quantity | None:
    """The number that a text is, or None if it is more or less than one."""
    if len(text) > MAX_NUMBER:
        return None
    text = " ".join(plain_characters(text).split())
    spelt = _SIGN_WORD.match(text)
    if spelt:
        positive = parse_quantity(text[spelt.end() :])
        return None if positive is None else replace(positive, value=-positive.value)
    match = _HEAD.match(text)
    if match is None:
        return _in_words(text)
    if match["sign"] and match["inner"]:
        return None
    value = _magnitude(match)
    tail = _tail(text[match.end() :])
    if value is None or tail is None:
        return _compound(text)
    before = (match["before"] or "").replace("\\", "").replace("US", "")
    if before and tail.unit and not _same_money(before, tail.unit):
        return None
    negative = (match["sign"] or match["inner"] or "+") == "-"
    return Quantity(
        (-value if negative else value) * tail.scale,
        tail.percent,
        tail.unit or before,
        _is_rounded(match),
        tail.letter,
    )


def _compound(text: str) -> Quantity | None:
    """ "3 hours 20 minutes", "5 ft 6 in": parts in smaller and smaller units of one kind, summed in the first
    one."""
    parts = _PARTS.split(text)
    if not 2 <= len(parts) <= 3 or text.startswith("-"):
        return None
    quantities = [parse_quantity(part) for part in parts]
    total = quantities[0]
    if total is None or not measures(total.unit):
        return None
    last = Fraction(1)
    for part in quantities[1:]:
        factor = conversion(total.unit, part.unit) if part and part.unit else None
        if part is None or factor is None or factor >= last or part.percent:
            return None
        total, last = replace(total, value=total.value + part.value * factor), factor
    return total


def is_noun(words: str) -> bool:
    """True if words may name a unit, or what was counted."""
    return _is_noun(_flattened(words))


def parse_decimal_comma(text: str) -> Quantity | None:
    """The number of ``2,74`` as much of Europe writes it; None for anything else."""
    if len(text) > MAX_NUMBER:
        return None
    match = _DECIMAL_COMMA.fullmatch(" ".join(plain_characters(text).split()))
    if not match or (len(match["rest"]) == 3 and match["whole"] != "0"):  # "1,500" is a thousand and a half
        return None
    value = Fraction(f"{match['whole']}.{match['rest']}")
    return Quantity(-value if match["sign"] == "-" else value, rounded=True)


def same_quantity(gold: Quantity, given: Quantity, precision: int = PRECISION) -> bool:
    """Equal numbers; units must convert into each other if both have one; 10% is 10 or 0.1."""
    if given.letter and not gold.unit:
        return False
    factor = conversion(gold.unit, given.unit)
    if factor is None or (gold.percent and given.unit) or (given.percent and gold.unit):
        return False
    value, rounded = given.value * factor, gold.rounded or given.rounded
    if gold.percent == given.percent:
        return _close(gold.value, value, precision, rounded=rounded)
    scale = Fraction(1, 100) if given.percent else Fraction(100)
    return any(_close(gold.value, one, precision, rounded=rounded) for one in (value, value * scale))


def _close(a: Fraction, b: Fraction, precision: int, *, rounded: bool) -> bool:
    """Equal; where one is written as a decimal and they are not both integers, within 10^-precision,
    absolutely and relatively."""
    if a == b:
        return True
    if not rounded or a.denominator == b.denominator == 1:
        return False
    tolerance = Fraction(1, 10**precision)
    return abs(a - b) <= tolerance and abs(a - b) <= tolerance * max(abs(a), abs(b))


def _is_rounded(match: re.Match[str]) -> bool:
    if not match["decimal"]:
        return False
    return "." in match["decimal"] and (not match["repeated"] or _ellipsis_block(match) is None)


def _magnitude(match: re.Match[str]) -> Fraction | None:
    if match["decimal"]:
        digits = re.sub(r"[^\d.]", "", match["decimal"])
        exponent = int((match["exponent"] or match["power"] or match["power2"] or "0").replace(" ", ""))
        mantissa = _repeating(digits, match) if match["repeated"] else Fraction(digits.rstrip(".") or "0")
        return None if mantissa is None else mantissa * Fraction(10) ** exponent
    numerator = match["n1"] or match["n2"] or match["n3"] or match["n4"]
    denominator = int(match["d1"] or match["d2"] or match["d3"] or match["d4"])
    if denominator == 0:
        return None
    return int(match["whole"] or match["mixed"] or 0) + Fraction(int(numerator), denominator)


def _repeating(digits: str, match: re.Match[str]) -> Fraction | None:
    """The value of a decimal with a repeated block; None if only whole digits stand before it ("7(3)",
    "12...")."""
    if "." not in digits:
        return None
    repeated = match["repeated"]
    block = (
        _ellipsis_block(match)
        if "dots" in repeated or "..." in repeated
        else "".join(re.findall(r"\d", repeated))
    )
    if block is None:  # "3.14159...": a rounded number
        return Fraction(digits)
    places = len(digits.partition(".")[2])
    return Fraction(digits.rstrip(".") or "0") + Fraction(int(block), (10 ** len(block) - 1) * 10**places)


def _ellipsis_block(match: re.Match[str]) -> str | None:
    """Return what "0.333..." and "0.1818..." repeat: one digit three times, or more digits twice; None if
    nothing is repeated."""
    if "dots" not in match["repeated"] and "..." not in match["repeated"]:
        return match["repeated"]
    places = match["decimal"].partition(".")[2]
    for length in range(1, 7):
        block = places[-length:]
        if len(block) == length and places.endswith(block * (3 if length == 1 else 2)):
            return block
    return None


@dataclass(frozen=True, slots=True)
class _Tail:
    """The characters behind the digits."""

    scale: int = 1
    percent: bool = False
    unit: str = ""
    letter: bool = False


def _tail(text: str) -> _Tail | None:
    """Percent sign, scale words and unit; None if anything else stands there."""
    if not text.strip(" ."):
        return _Tail()
    wrapped = bool(_WRAPPED.search(text)) or text.lstrip().startswith("(")
    glued = text[0].isalpha()
    words = _flattened(text)
    if words.startswith("(") and words.endswith(")") and words.count("(") == 1:
        words = words[1:-1].strip()
    percent = _PERCENT.match(words)
    if percent:
        words = words[percent.end() :].strip()
        return _Tail(percent=True) if not words else None
    scale, words = _scaled(words)
    if not words:
        return _Tail(scale=scale)
    if glued and (ordinal := _ORDINAL.match(words)) and scale == 1:
        # "the 7th prime" is not 7
        return _Tail() if words[ordinal.end() :].strip() in ("place", "position") else None
    words = _trimmed(words)
    if not _is_noun(words):
        return None
    first = _LETTERS.match(words)
    if (
        glued
        and scale == 1
        and not (
            first and is_unit(first[0]) and (len(first[0]) > 1 or re.fullmatch(r"m\^?[23]|[a-z]/\w+", words))
        )
    ):
        return None  # the algebra of "2ab" or "3m"
    letter = len(words) == 1 and words.isalpha() and not wrapped
    if not wrapped and len(words.split()) > 3 and not measures(words):
        return None
    return _Tail(scale=scale, unit=words, letter=letter)


def _flattened(text: str) -> str:
    """A unit without LaTeX: ``\\frac{\\text{m}}{\\text{s}}`` is m/s."""
    text = _DEGREE.sub("°", _WRAPPED.sub(r" \1 ", text))
    text = (
        _POWER_BRACES.sub(r"^\1", _UNIT_FRACTION.sub(r"\1/\2", text)).replace("\\cdot", "*").replace("{}", "")
    )
    text = (
        " ".join(_SPACE.sub(" ", text).split())
        .replace(" /", "/")
        .replace("/ ", "/")
        .replace(" ^", "^")
        .replace("\\$", "$")
    )
    text = text.strip().removesuffix(".").strip()
    squared = _SQUARED.search(text)
    if squared and is_unit(squared["unit"]):
        text = (
            f"{text[: squared.start()]}{squared['unit']}^{2 if squared['power'].lower() == 'squared' else 3}"
        )
    return text


def _is_noun(words: str) -> bool:
    """True if it may name a unit or what was counted."""
    if not _UNIT.fullmatch(words) or (len(words) == 1 and words.isalpha() and words not in SINGLE_LETTERS):
        return False
    if words in ("st", "nd", "rd", "th"):
        return False
    named = _AREA.sub("", words.lower())
    return _NO_UNITS.isdisjoint(re.split(r"[\s/^*.\-]+", named)) or bool(measures(words))


def _trimmed(words: str) -> str:
    shorter = TRAILING.sub("", words)
    return shorter if shorter != words and measures(shorter) else words


def _scaled(words: str) -> tuple[int, str]:
    """(product of the scale words at the start, the rest)."""
    scale, parts = 1, words.split()
    while parts and (
        size := SCALES.get(parts[0].lower().removesuffix("s") if parts[0].lower() != "gross" else "gross")
    ):
        scale *= size
        parts = parts[1:]
    if scale > 1 and parts and parts[0].lower() == "of":
        parts = parts[1:]
    return scale, " ".join(parts)


def _same_money(sign: str, unit: str) -> bool:
    return conversion(sign, unit) == 1


def _in_words(text: str) -> Quantity | None:
    """ "twenty-one", "minus three quarters", "a dozen eggs", "two and a half million": None if it does not
    begin so."""
    words = _flattened(text).lower().replace("-", " ").replace(",", " ").split()
    negative = bool(words) and words[0] in ("negative", "minus")
    words = words[1:] if negative else words
    value, rest = parse_cardinal(words)
    if value is None:
        return None
    if rest[:1] == ["and"]:  # "two and a half"
        part, beyond = parse_fraction(rest[1:])
        if part is None:
            return None
        scale, tail = _scaled(" ".join(beyond))
        value, rest = (value + part) * scale, tail.split()
    if rest[:1] in (["a"], ["an"], ["of"]) and value.denominator > 1:  # "half a mile", "half of a mile"
        rest = rest[2:] if rest[:2] in (["of", "a"], ["of", "an"]) else rest[1:] if rest[0] != "of" else rest
    tail_read = _tail(" " + " ".join(rest)) if rest else _Tail()
    if tail_read is None or tail_read.letter:
        return None
    return Quantity((-value if negative else value) * tail_read.scale, tail_read.percent, tail_read.unit)
