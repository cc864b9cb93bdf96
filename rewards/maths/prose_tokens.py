r"""READ, words of a sentence: words, values and marks of punctuation, before anybody asks what they say.

"Seth is 16 years old." becomes the words seth, is, the value 16, the words years, old and the mark ".".
Dates, clock times and formulas are one value each, whatever stands in them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rewards.maths.characters import plain_characters
from rewards.maths.lexicon import COPULAS, FUNCTIONS, MODIFIERS, NUMBER_WORDS, SHORT_WORDS
from rewards.maths.numbers import parse_quantity
from rewards.maths.units import is_unit, measures
from rewards.maths.values import CLOCK, DATE

FORMULA = re.compile(
    r"\$\$((?:[^$\\]|\\.)++)\$\$|(?<!\\)\$((?:[^$\\\n]|\\.)++)\$(?!\d)"
    r"|\\\(((?:[^\\\n]|\\[^()\[\]\n])++)\\\)|\\\[((?:[^\\]|\\[^()\[\]])++)\\\]",
    re.DOTALL,
)
"""Display formulas may span lines, inline ones may not; ``$5 and $6`` is money."""
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s{0,3}\{[^{}\n]{0,40}\}(?:\{[clr| ]{1,20}\})?")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_WORD = re.compile(r"[A-Za-z]{2,}(?:'[a-z]{1,2})?")
_TEXT = re.compile(r"\\(?:text|textbf|textit|textrm|textnormal|mathrm|mathbf|mbox|emph)\s*\{([^{}]*)\}")
HELD = re.compile("\x00(\\d+)\x00")
ORDINAL = re.compile(r"\d{1,30}(?:st|nd|rd|th)")
_MEASURED = re.compile(r"[-+]?[$€£¥]?[\d.,]{1,40}([A-Za-z]{2,10}(?:/[a-z]{1,10})?|[a-z]{1,3}\^?\{?[23]\}?)")
_MATHS = re.compile(r"[\d=+*/^_\\<>|%$€£¥°~]|[-][\dA-Za-z(\\]|^[-]$|^[A-Za-z]$|^\(?[A-Za-z]\)$")
_MIXED = re.compile(r"\d")
_COLON = re.compile(r"(?<=\d)\s?:\s?(?=\d)")
_BREAKS = frozenset(",;.:!?()-")


@dataclass(frozen=True, slots=True)
class Token:
    """A word in lower case, a value as written, or a mark of punctuation."""

    kind: str
    text: str


def content(formula: re.Match[str]) -> str:
    """Return what stands between the delimiters of a :data:`FORMULA`."""
    return next(group for group in formula.groups() if group is not None).strip()


def prose_words(text: str) -> list[str]:
    """The words of a text in lower case; names of commands, functions, points (AB) and products of variables
    (xy) are none."""
    plain = _COMMAND.sub(" ", _ENVIRONMENT.sub(" ", _TEXT.sub(r" \1 ", text)))
    return [word[0].lower() for word in _WORD.finditer(plain) if _is_word(word[0])]


def _is_word(word: str) -> bool:
    lowered = word.lower()
    if lowered in MODIFIERS or lowered in SHORT_WORDS or lowered in NUMBER_WORDS or lowered in COPULAS:
        return lowered not in FUNCTIONS
    if lowered in FUNCTIONS or (word.isupper() and len(word) <= 4):
        return False
    return len(word) > 3 or is_unit(word)


def split_tokens(text: str, held: list[str]) -> list[Token] | None:
    """The sentence as tokens; None if some piece is neither word nor value.

    Args:
        text: The sentence.
        held: Takes the formulas, dates and times; each stands in a token as its place in this list, between
            null characters (:data:`HELD`).
    """

    def hold(found: str) -> str:
        held.append(found)
        return f" \x00{len(held) - 1}\x00 "

    text = plain_characters(text.replace("\x00", " "))
    text = FORMULA.sub(lambda match: hold(content(match)), text)
    text = " ".join(_TEXT.sub(r" \1 ", text).split())
    text = _COLON.sub(":", text)
    text = DATE.sub(lambda match: hold(match[0]), text)
    text = CLOCK.sub(
        lambda match: hold(match[0].strip()) if match["half"] or match["minute"] else match[0], text
    )
    tokens: list[Token] = []
    pieces = text.split()
    for index, piece in enumerate(pieces):
        found = _split_piece(piece, last=index == len(pieces) - 1)
        if found is None:
            return None
        tokens.extend(found)
    return _merged(tokens)


def _split_piece(piece: str, *, last: bool) -> list[Token] | None:
    """One word between spaces, with the marks around it as tokens of their own; None if it is neither word
    nor value."""
    head = ""
    inner = piece.strip("()[],.;:!?")
    if piece[0] == "(" and piece.rstrip(",.;:!?").endswith(")") and inner.isalpha() and len(inner) > 1:
        return [Token("mark", "("), Token("word", inner.lower()), Token("mark", ")")]
    if (
        piece[0] in "(["
        and "," not in piece[:-1]
        and (piece[0] == "[" or piece.count("(") > piece.count(")"))
    ):
        head, piece = piece[0], piece[1:]
    tail = ""
    while piece and _is_edge(piece, tail, last=last):
        tail, piece = piece[-1] + tail, piece[:-1]
    marks = [Token("mark", mark) for mark in tail if mark in _BREAKS]
    before = [Token("mark", "(")] if head == "(" else []
    piece = piece.strip("\"'") if piece not in "\"'" else ""
    if not piece:
        return [*before, *marks]
    if piece in ("-", "--", "—", "–"):
        return [*before, Token("dash", "-"), *marks]
    kind = _kind(piece)
    return (
        None if kind is None else [*before, Token(kind, piece.lower() if kind == "word" else piece), *marks]
    )


def _is_edge(piece: str, tail: str, *, last: bool) -> bool:
    """True if the last character is punctuation, and no part of a value."""
    mark = piece[-1]
    if mark == "!":
        return last and not tail  # "42!" is a cry, "5!." a factorial
    if mark in ")]":
        return piece.count(mark) > piece.count("(" if mark == ")" else "[") and "," not in piece[:-1]
    if mark in "\"'":
        return piece[0] == mark or not (len(piece) > 1 and piece[-2].isdigit())
    return mark in ",;:?" or (mark == "." and not piece.endswith("..."))


def _kind(piece: str) -> str | None:
    if HELD.fullmatch(piece):
        return "value"
    words = prose_words(piece)
    if not words:
        if piece in ("a", "A", "I", "&") or not (_MATHS.search(piece) or HELD.search(piece)):
            return "word"
        return "value"
    if not _MIXED.search(piece) and "\\" not in piece and "=" not in piece:
        return "word"
    if ORDINAL.fullmatch(piece):
        return "value"
    if piece[0].isalpha() and measures(piece.replace("{", "").replace("}", "")):  # "cm^2"
        return "word"
    measured = _MEASURED.fullmatch(piece)
    return (
        "value"
        if (measured and is_unit(re.split(r"[/^]", measured[1])[0])) or parse_quantity(piece)
        else None
    )


def _merged(tokens: Sequence[Token]) -> list[Token]:
    """Values side by side are one ("x = 5"); a dash is a sign in front of a value, operator between two, else
    a mark."""
    merged: list[Token] = []
    for index, token in enumerate(tokens):
        after = tokens[index + 1].kind if index + 1 < len(tokens) else ""
        if token.kind == "dash":
            token = Token("value" if after in ("value", "dash") else "mark", "-")
        if token.kind == "value" and merged and merged[-1].kind == "value":
            merged[-1] = Token("value", f"{merged[-1].text} {token.text}")
        else:
            merged.append(token)
    return merged
