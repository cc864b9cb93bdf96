r"""READ: what kind of thing a text is, besides a number: a time, a date, a ratio, a choice, a number in
another base, a division.

Each reader takes a text with plain characters and gives a value that compares by ``==``, or None.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

from rewards.maths.lexicon import BASES, MONTHS

_WRAPPER = re.compile(
    r"\\(?:text|textbf|textit|textrm|textnormal|mathrm|mathbf|mbox|emph|operatorname|textsc|rm"
    r"|bf)\s*\{([^{}]*)\}"
)
_SPACES = re.compile(r"\\[,;:! ]|\\q?quad(?![a-z])|[\s~]+")
CLOCK = re.compile(
    r"(?P<hour>\d{1,2})(?:\s?:\s?(?P<minute>[0-5]\d)(?:\s?:\s?(?P<second>[0-5]\d))?)?\s?(?P<half>[a"
    r"p]\.?\s?m\b\.?|noon\b|midnight\b|o'clock\b)?",
    re.IGNORECASE,
)
_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
DATE = re.compile(
    rf"(?:the\s+)?(?:(?P<month>{_MONTH})\b\.?\s+(?:the\s+)?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b"
    rf"|(?P<day2>\d{{1,2}})(?:st|nd|rd"
    rf"|th)?\s+(?:of\s+)?(?P<month2>{_MONTH})\b\.?)(?:,?\s+(?P<year>\d{{4}})\b)?",
    re.IGNORECASE,
)
_RATIO = re.compile(
    r"(?P<parts>\d{1,30}(?:\.\d{1,30})?(?:\s?(?::|\\colon|\\ratio)\s?\d{1,30}(?:\.\d{1,30})?)+)"
)
_BASED = re.compile(
    r"\(?(?P<digits>[0-9A-Fa-f]{1,60})\)?_\s?(?:\{\s?\(?(?P<base>[a-z]{3,7}|\d{1,2})\)?\s?\}"
    r"|(?P<base2>\d{1,2}))"
)
_BASE_WORDS = re.compile(
    r"\(?(?P<digits>[0-9A-F]{1,60})\)?,? \(?(?:in )?base (?P<base>[a-z]{3,7}|\d{1,2})\)?", re.IGNORECASE
)
_REMAINDER = re.compile(
    r"(?P<quotient>-?\d{1,40})\s*(?:,|with|and)?\s*(?:a\s+)?(?:r|rem\.?"
    r"|remainder)\s*(?:of\s+)?:?\s*(?P<rest>\d{1,40})",
    re.IGNORECASE,
)
_CHOICE = re.compile(
    r"\(?([A-J])(?:\)[.:]?(?=\s|\Z|\d|\\)|[.:](?=\s|\Z))(?:\s*(?P<rest>\S.*))?|(?:option|choice"
    r"|answer)\s+\(?([A-J])\)?",
    re.IGNORECASE | re.DOTALL,
)
_LETTER = re.compile(r"\(?([A-Ja-j])\)?[.:]?")


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day; seconds since midnight, and whether the text says which half of the day."""

    seconds: int
    known_half: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """A choice letter with what it stands for, '' if that is not said."""

    letter: str
    rest: str = ""


def unwrapped(text: str) -> str:
    r"""Without ``\text{}`` and the like, and with single spaces."""
    return _SPACES.sub(" ", _WRAPPER.sub(r" \1 ", text)).strip()


def clock(text: str) -> Clock | None:
    """``3:30``, ``3:30 PM``, ``8 a.m.``, ``12 noon``; a number alone is none."""
    text = text.strip().lower()
    if text in ("noon", "midnight"):
        return Clock(12 * 3600 if text == "noon" else 0, known_half=True)
    match = CLOCK.fullmatch(text)
    if match is None or not (match["minute"] or match["half"]):
        return None
    hour, half = int(match["hour"]), (match["half"] or "").replace(".", "").replace(" ", "")
    if hour > 24 or (half in ("am", "pm") and not 1 <= hour <= 12):
        return None
    if half in ("pm", "noon"):
        hour = hour % 12 + 12
    elif half in ("am", "midnight"):
        hour %= 12
    seconds = hour * 3600 + int(match["minute"] or 0) * 60 + int(match["second"] or 0)
    return Clock(seconds, known_half=half not in ("", "o'clock") or hour > 12)


def date(text: str) -> tuple[int, int, int | None] | None:
    """(month, day, year) of ``July 4th``, ``4 July``, ``March 5, 2021``; the year may be missing."""
    match = DATE.fullmatch(text.strip())
    if match is None:
        return None
    month, day = MONTHS[(match["month"] or match["month2"]).lower()], int(match["day"] or match["day2"])
    return (month, day, int(match["year"]) if match["year"] else None) if 1 <= day <= 31 else None


def ratio(text: str) -> tuple[Fraction, ...] | None:
    """The terms of ``3:4``, with the last one 1 so that equal ratios are equal."""
    match = _RATIO.fullmatch(text.replace(r"\!", "").strip())
    if match is None:
        return None
    terms = [Fraction(part.strip()) for part in re.split(r":|\\colon|\\ratio", match["parts"])]
    return tuple(term / terms[-1] for term in terms) if terms[-1] else None


def ratio_in_words(text: str) -> tuple[Fraction, ...] | None:
    """The same for "3 to 4", which counts only where the reference is a ratio."""
    return ratio(re.sub(r"\s+to\s+", ":", text.strip()))


def based(text: str) -> tuple[str, int] | None:
    r"""(digits, base) of ``101_2``, ``(101)_{2}``, ``101_{\text{two}}``, ``101 base 2``."""
    match = _BASED.fullmatch(text) or _BASE_WORDS.fullmatch(text)
    if match is None or text.count("(") != text.count(")"):
        return None
    name = match["base"] or match.groupdict().get("base2") or ""
    base = int(name) if name.isdigit() else BASES.get(name.lower())
    return (match["digits"].upper().lstrip("0") or "0", base) if base and base > 1 else None


def division(text: str) -> tuple[int, int] | None:
    """(quotient, remainder) of ``7 R 2``, ``7 remainder 2``."""
    match = _REMAINDER.fullmatch(text.strip())
    return (int(match["quotient"]), int(match["rest"])) if match else None


def choice(text: str) -> Choice | None:
    """``(C) 12``, ``C.``, ``Option C``; a bare letter is none, it may be a variable."""
    match = _CHOICE.fullmatch(text.strip())
    if match is None:
        return None
    return Choice((match[1] or match[3]).upper(), (match["rest"] or "").strip())


def letter(text: str) -> str | None:
    """The letter of ``C``, ``(C)``, ``C.``; None for anything else."""
    match = _LETTER.fullmatch(text.strip())
    return match[1].upper() if match else None
