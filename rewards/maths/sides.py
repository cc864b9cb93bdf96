r"""READ, equations: the sides of ``x = 2 + 3 = 5``, what may stand on the left of an answer, and the unit
behind an expression."""

import re

from rewards.maths.lexicon import MODIFIERS, SUPPOSITIONS
from rewards.maths.numbers import is_noun, parse_quantity
from rewards.maths.prose_tokens import prose_words
from rewards.maths.units import is_unit

EQUALS = re.compile(r"(?<![<>!:\\])=")
ABOUT = re.compile(r"\\approx|\\simeq|\\sim(?![a-z])")
_DENIED = re.compile(
    r"\\n(?:eq?|eg|ot)(?![a-z])|!=|\b(?:not|never|unless|versus|maybe|perhaps|possibly)\b"
    r"|\\text\s*\{\s*(?:to|but|between)\b",
    re.IGNORECASE,
)
_ARGUMENTS = re.compile(
    r"_\s?(?:\{[^{}]*\}|\w)"
    r"|\\(?:text|mathrm|mbox|operatorname|angle|triangle|overline|widehat|overrightarrow|vec"
    r"|mathbb)(?![a-z])\s?(?:\{[^{}]*\})?"
)
_CALL = re.compile(r"[A-Za-z]'*\s?\([^()]*\)")
_CONSTANT = re.compile(r"(?P<name>[A-Za-z])\s?\(\s?(?P<argument>[a-z])\s?\)\s*=(?P<value>[^A-Za-z=]+)")
_INVERTIBLE = re.compile(r"(?:\\sqrt|\\(?:log|ln|exp)|\b(?:log|ln|exp))[^=]*(?<![A-Za-z\\])[a-z](?![A-Za-z])")
_SIGN = r"(?P<sign><=|>=|<|>|\\(?:leq?|geq?|lt|gt)(?:slant)?(?![a-z]))"
_SOLVED = re.compile(rf"[a-zA-Z]\s*{_SIGN}\s*(?P<end>[^<>=a-zA-Z]*(?:\\(?:[dt]?frac|sqrt|pi)[^<>=a-zA-Z]*)*)")
_SOLVED_BACKWARDS = re.compile(
    rf"(?P<end>[^<>=a-zA-Z]*(?:\\(?:[dt]?frac|sqrt|pi)[^<>=a-zA-Z]*)*?)\s*{_SIGN}\s*[a-zA-Z]"
)
_COMMAND = re.compile(r"\\[A-Za-z]+")
_VARIABLE = re.compile(r"[A-Za-z]+|\\(?:alpha|beta|gamma|theta|phi|lambda|omega|mu)")
_UNIT_AT_END = re.compile(
    r"(?:\\[,;:! ]|[\s~])*(?:\\(?:text|mathrm|mbox|textnormal|textrm)\s?\{\s*(?P<wrapped>[A-Za-z][A-Za-z"
    r" /^23]*?)\.?\s*\}"
    r"|(?:\s|~)\(?(?P<bare>[A-Za-z]{2,}(?: [A-Za-z]+){0,3})\)?)"
    r"(?P<power>\s?\^\s?\{?[23]\}?)?\s*\Z"
)


def denies(text: str) -> bool:
    """True for what an answer cannot have when the reference has it not: denials and doubts."""
    return bool(_DENIED.search(text))


def sides(text: str) -> list[str]:
    """Return what stands between the equality signs of a text, one side if there are none."""
    return [side.strip() for side in EQUALS.split(text)]


def last_side(separator: re.Pattern[str], text: str) -> tuple[str, str, str]:
    """Like ``str.rpartition``, but what is before comes first when there is no separator."""
    matches = list(separator.finditer(text))
    if not matches:
        return text, "", ""
    return text[: matches[-1].start()].strip(), matches[-1][0], text[matches[-1].end() :].strip()


def is_calculation(side: str) -> bool:
    """True if nothing in it has a name: numbers, operators, functions and constants."""
    return not _VARIABLE.search(_bare(_ARGUMENTS.sub("", side)))


def _bare(side: str) -> str:
    """Without commands, but for the Greek letters that are variables."""
    return _COMMAND.sub(lambda match: match[0] if _VARIABLE.fullmatch(match[0]) else " ", side)


def is_name(side: str) -> bool:
    """True if a side names a quantity ("x", "f(2)", "x + y") or is a calculation ("2 + 3"), but not "2x",
    "-x", "x^2", "x - 3"."""
    if parse_quantity(side) is not None:
        return False
    bare = _CALL.sub("f", _ARGUMENTS.sub("", side))
    if _INVERTIBLE.search(bare):
        return False
    names = set(_VARIABLE.findall(_bare(bare)))
    words = prose_words(side)
    if words or len(names) != 1:
        return (MODIFIERS | SUPPOSITIONS).isdisjoint(words)
    return not re.search(r"\d|^\s*-|\^|!", bare)


def as_interval(text: str) -> str | None:
    r"""The half-line of a solved inequality: ``x < 3`` is ``(-\infty,3)``; None for anything else."""
    match = _SOLVED.fullmatch(text.strip()) or _SOLVED_BACKWARDS.fullmatch(text.strip())
    if match is None:
        return None
    sign = match["sign"]
    below = sign.startswith(("<", "\\l"))
    if match.re is _SOLVED_BACKWARDS:
        below = not below
    closed = "e" in sign or "=" in sign
    end = match["end"].strip()
    return rf"(-\infty,{end}{']' if closed else ')'}" if below else rf"{'[' if closed else '('}{end},\infty)"


def unwrap_unit(text: str) -> tuple[str, str]:
    r"""(expression, unit) of ``12\sqrt{13}\text{ feet}``; '' where no unit stands behind it."""
    match = _UNIT_AT_END.search(text)
    if match is None or not text[: match.start()].strip():
        return text, ""
    name = (match["wrapped"] or match["bare"]).strip()
    power = re.sub(r"[\s{}]", "", match["power"] or "")
    if not (is_unit(name.split()[0].split("/")[0]) or match["wrapped"]) or not is_noun(name):
        return text, ""
    return text[: match.start()].strip(), name + power


def same_function(gold: str, given: str) -> tuple[str, str] | None:
    """The values of ``W(n) = 1`` and ``W(x) = 1``: constants of a function whose argument may have any name;
    None for others."""
    pairs = [_CONSTANT.fullmatch(text.strip()) for text in (gold, given)]
    if (
        not (pairs[0] and pairs[1])
        or pairs[0]["name"] != pairs[1]["name"]
        or pairs[0]["argument"] == pairs[1]["argument"]
    ):
        return None
    return pairs[0]["value"], pairs[1]["value"]
