r"""READ, sentences: the one number or formula that a sentence gives as its answer, if every word around it is
understood.

"Seth is 16 years old", "a total of 42 apples", ``7\text{ distinct integers}`` give 16 years, 42, 7. "at least
7", "half of 7", "7 or more", ``print(7)``, "3 out of 8", "not 42" give nothing. Values joined by commas,
"and", "or" or "maybe" come out as one list, which loses where one answer is asked. Left of a number a word
must be a verb that says so, or filler; right of it, a noun may follow.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rewards.maths.characters import plain_characters
from rewards.maths.lexicon import (
    BOUND_BY,
    CONFIRMING,
    COPULAS,
    DENIALS,
    FILLERS,
    FUNCTIONS,
    HEDGES,
    MODIFIERS,
    MODIFIERS_BEHIND,
    NOUNS_OF,
    NUMBER_WORDS,
    PARTS,
    REASONS,
    SCALES,
    SHORT_WORDS,
    SUPPOSITIONS,
)
from rewards.maths.numbers import TRAILING, parse_quantity
from rewards.maths.units import is_unit, measures
from rewards.maths.values import CLOCK, DATE

MAX_SENTENCE = 1_000
"""Characters; a longer sentence is not read."""
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
_HELD = re.compile("\x00(\\d+)\x00")
_ORDINAL = re.compile(r"\d{1,30}(?:st|nd|rd|th)")
_MEASURED = re.compile(r"[-+]?[$€£¥]?[\d.,]{1,40}([A-Za-z]{2,10}(?:/[a-z]{1,10})?|[a-z]{1,3}\^?\{?[23]\}?)")
_MATHS = re.compile(r"[\d=+*/^_\\<>|%$€£¥°~]|[-][\dA-Za-z(\\]|^[-]$|^[A-Za-z]$|^\(?[A-Za-z]\)$")
_MIXED = re.compile(r"\d")
_COLON = re.compile(r"(?<=\d)\s?:\s?(?=\d)")
_CODE = re.compile(
    r"(?<![\\A-Za-z])(?!(?:sin|cos|tan|sec|csc|cot|log|ln|exp|sqrt|gcd|lcm|max|min)\()[A-Za-z_]{3,}\(|\blambda\b"
)
_MISTAKES = frozenset(("mistake", "error", "wrong", "incorrect", "trap", "distractor"))
_DOUBTS = frozenset(
    (
        "know",
        "determined",
        "maybe",
        "perhaps",
        "possibly",
        "probably",
        "guess",
        "unsure",
        "uncertain",
        "doubt",
    )
)
_JOINTS = frozenset(("and", "or", "maybe", "perhaps", "possibly", "alternatively", "otherwise"))
_PERHAPS = _JOINTS | frozenset(
    [
        "even",
        "also",
        "else",
        "rather",
        "about",
        "approximately",
        "around",
        "it",
        "is",
        "was",
        "could",
        "might",
        "may",
        "be",
        "either",
    ]
)
_SUBORDINATE = REASONS | {"so", "which", "that", "who"}
_BREAKS = frozenset(",;.:!?()-")


@dataclass(frozen=True, slots=True)
class _Token:
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


def understood(text: str, *, last: bool = False, loose: bool = False) -> str | None:
    """The answer that a sentence gives, values joined by ", "; None if it gives none or is not understood.

    Args:
        text: The sentence.
        last: Take its last clause that has a value, not its first.
        loose: Words that are not known may stand before the value.
    """
    if len(text) > MAX_SENTENCE or text.rstrip(" *\"'.").endswith("?") or _CODE.search(text):
        return None
    held: list[str] = []
    tokens = _tokens(text, held)
    if tokens is None:
        return None
    tokens = _without_contrast(tokens)
    clauses = [clause for clause in _clauses(tokens) if clause]
    numbered = [
        index for index, clause in enumerate(clauses) if any(token.kind == "value" for token in clause)
    ]
    if not numbered:
        return None
    main = numbered[-1] if last else numbered[0]
    while last and main > 0 and clauses[main][0].text in REASONS | {"not"} and main != numbered[0]:
        main = numbered[numbered.index(main) - 1]
    if clauses[main][0].text == "as":  # "no number such as 7"
        return None
    values = _clause(clauses[main], loose=loose)
    if any(_takes_back(clause, loose=loose) for clause in clauses[:main]):
        return None
    if values is None:
        return None
    if last and clauses[main][0].text in _JOINTS and numbered.index(main) > 0:
        before = _clause(clauses[numbered[numbered.index(main) - 1]], loose=loose)
        if before is None:
            return None
        values = before + values
    for clause in clauses[main + 1 :]:
        more = _later(clause)
        if more is None:
            return None
        values = values + more
    restored = [_HELD.sub(lambda match: held[int(match[1])], value) for value in values]
    return ", ".join(dict.fromkeys(restored)) if len(set(restored)) == 1 else ", ".join(restored)


def _tokens(text: str, held: list[str]) -> list[_Token] | None:
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
    tokens: list[_Token] = []
    pieces = text.split()
    for index, piece in enumerate(pieces):
        found = _piece(piece, last=index == len(pieces) - 1)
        if found is None:
            return None
        tokens.extend(found)
    return _merged(tokens)


def _piece(piece: str, *, last: bool) -> list[_Token] | None:
    """One word between spaces, with the marks around it as tokens of their own; None if it is neither word
    nor value."""
    head = ""
    inner = piece.strip("()[],.;:!?")
    if piece[0] == "(" and piece.rstrip(",.;:!?").endswith(")") and inner.isalpha() and len(inner) > 1:
        return [_Token("mark", "("), _Token("word", inner.lower()), _Token("mark", ")")]
    if (
        piece[0] in "(["
        and "," not in piece[:-1]
        and (piece[0] == "[" or piece.count("(") > piece.count(")"))
    ):
        head, piece = piece[0], piece[1:]
    tail = ""
    while piece and _is_edge(piece, tail, last=last):
        tail, piece = piece[-1] + tail, piece[:-1]
    marks = [_Token("mark", mark) for mark in tail if mark in _BREAKS]
    before = [_Token("mark", "(")] if head == "(" else []
    piece = piece.strip("\"'") if piece not in "\"'" else ""
    if not piece:
        return [*before, *marks]
    if piece in ("-", "--", "—", "–"):
        return [*before, _Token("dash", "-"), *marks]
    kind = _kind(piece)
    return (
        None if kind is None else [*before, _Token(kind, piece.lower() if kind == "word" else piece), *marks]
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
    if _HELD.fullmatch(piece):
        return "value"
    words = prose_words(piece)
    if not words:
        if piece in ("a", "A", "I", "&") or not (_MATHS.search(piece) or _HELD.search(piece)):
            return "word"
        return "value"
    if not _MIXED.search(piece) and "\\" not in piece and "=" not in piece:
        return "word"
    if _ORDINAL.fullmatch(piece):
        return "value"
    if piece[0].isalpha() and measures(piece.replace("{", "").replace("}", "")):  # "cm^2"
        return "word"
    measured = _MEASURED.fullmatch(piece)
    return (
        "value"
        if (measured and is_unit(re.split(r"[/^]", measured[1])[0])) or parse_quantity(piece)
        else None
    )


def _merged(tokens: Sequence[_Token]) -> list[_Token]:
    """Values side by side are one ("x = 5"); a dash is a sign in front of a value, operator between two, else
    a mark."""
    merged: list[_Token] = []
    for index, token in enumerate(tokens):
        after = tokens[index + 1].kind if index + 1 < len(tokens) else ""
        if token.kind == "dash":
            token = _Token("value" if after in ("value", "dash") else "mark", "-")
        if token.kind == "value" and merged and merged[-1].kind == "value":
            merged[-1] = _Token("value", f"{merged[-1].text} {token.text}")
        else:
            merged.append(token)
    return merged


def _clauses(tokens: Sequence[_Token]) -> list[list[_Token]]:
    """Split at marks, but not inside a list of values, and before words that give reasons or add to what was
    said."""
    clauses: list[list[_Token]] = [[]]
    for index, token in enumerate(tokens):
        after = tokens[index + 1] if index + 1 < len(tokens) else None
        if token.kind == "mark":
            previous = clauses[-1][-1].kind if clauses[-1] else ""
            beyond = tokens[index + 2].kind if index + 2 < len(tokens) else ""
            if (
                token.text == ","
                and previous == "value"
                and after
                and (after.kind == "value" or (after.text in _JOINTS and beyond == "value"))
            ):
                clauses[-1].append(_Token("word", "and"))
                continue
            clauses.append([])
        elif (
            token.kind == "word"
            and token.text in _SUBORDINATE
            and clauses[-1]
            and not (
                token.text == "as" and ((after and after.text == "well") or clauses[-1][-1].text == "well")
            )
        ):
            clauses.append([token])
        else:
            clauses[-1].append(token)
    return clauses


def _without_contrast(tokens: list[_Token]) -> list[_Token]:
    """ "not 8 but 9" says 9."""
    for index, token in enumerate(tokens):
        if token.text == "not" and index + 2 < len(tokens) and tokens[index + 1].kind == "value":
            after = index + 3 if tokens[index + 2].text == "," else index + 2
            if after < len(tokens) and tokens[after].text == "but":
                return _without_contrast(tokens[:index] + tokens[after + 1 :])
    return tokens


def _takes_back(clause: Sequence[_Token], *, loose: bool) -> bool:
    """True for a clause in front that denies or doubts what comes: "wrong: 7", "I am not sure, 7"."""
    if any(token.kind != "word" for token in clause):
        return False
    words = [token.text for token in clause]
    if not loose or "sure" in words or "certain" in words:
        return not (DENIALS | HEDGES | SUPPOSITIONS).isdisjoint(words) or not MODIFIERS.isdisjoint(words[-2:])
    if "no" in words and ("answer" in words or "solution" in words):
        return True
    return words[-1] in DENIALS or (len(words) <= 2 and words[0] in DENIALS) or not _DOUBTS.isdisjoint(words)


def _later(clause: Sequence[_Token]) -> list[str] | None:
    """Further values that a later clause adds; None if it takes back or doubts what was said, or is not
    understood."""
    words = {token.text for token in clause if token.kind == "word"}
    values = [token for token in clause if token.kind == "value"]
    first = clause[0].text
    if first in REASONS or (first == "not" and values):
        return []
    if not values:
        return [] if words.isdisjoint(DENIALS | HEDGES if len(clause) > 3 else MODIFIERS_BEHIND) else None
    if first in ("which", "that", "who", "where", "for", "in", "so"):
        return [] if words.isdisjoint(DENIALS | HEDGES) and first != "so" else None
    return _clause(clause, loose=False)


def _clause(clause: Sequence[_Token], *, loose: bool) -> list[str] | None:
    """The values of a clause, each with its unit; None if a word in it is not understood."""
    last_value = max(index for index, token in enumerate(clause) if token.kind == "value")
    verb = max(
        (
            index
            for index in range(last_value)
            if clause[index].kind == "word" and clause[index].text in COPULAS
        ),
        default=-1,
    )
    if verb > 0 and not _asserted(clause[:verb]):
        return None
    rest = list(clause[verb + 1 :])
    start = next(index for index, token in enumerate(rest) if token.kind == "value")
    before = [token.text for token in rest[:start]]
    tie = before[-1] if before else ""
    if tie in BOUND_BY and not any(
        token.text in BOUND_BY[tie] for token in clause[max(0, verb) : verb + len(before)]
    ):
        return None
    several = sum(token.kind == "value" for token in rest) > 1
    if not _leads_in(before, verb=verb >= 0, loose=loose, several=several):
        return None
    values: list[str] = []
    index = start
    while index < len(rest):
        following = next(
            (other for other in range(index + 1, len(rest)) if rest[other].kind == "value"), len(rest)
        )
        words = [token.text for token in rest[index + 1 : following]]
        value, left = _with_unit(rest[index].text, words)
        if following < len(rest):
            if not _joins(left):
                return None
        elif not _trails(left, measured=value != rest[index].text, ordinal=bool(_ORDINAL.fullmatch(value))):
            return None
        values.append(value)
        index = following
    return values


def _asserted(words: Sequence[_Token]) -> bool:
    """True unless the verb is denied or doubted: "cannot be", "might be"."""
    if not (SUPPOSITIONS | _MISTAKES).isdisjoint(token.text for token in words if token.kind == "word"):
        return False
    for token in reversed(words[-2:]):
        if token.kind != "word":
            return True
        if token.text in DENIALS or token.text in HEDGES:
            return False
    return True


def _leads_in(words: Sequence[str], *, verb: bool, loose: bool, several: bool) -> bool:
    if words and words[-1] == "of" and (len(words) < 2 or words[-2] not in NOUNS_OF):
        return False
    unknown = [word for word in words if word not in FILLERS and not (several and word in _PERHAPS)]
    if (unknown and verb) or not SUPPOSITIONS.isdisjoint(words):
        return False
    if any(word in MODIFIERS or word in NUMBER_WORDS or word.removesuffix("s") in PARTS for word in unknown):
        return False
    if not unknown or loose:
        return True
    return len(words) > 2


def _joins(words: Sequence[str]) -> bool:
    """True if what stands between two values makes them a list."""
    if _JOINTS.isdisjoint(words):
        return False
    others = [word for word in words if word not in _PERHAPS]
    return len(others) <= 2 and MODIFIERS.isdisjoint(others) and NUMBER_WORDS.isdisjoint(others)


def _trails(words: Sequence[str], *, measured: bool, ordinal: bool) -> bool:
    """True if what stands behind a value leaves it as it is."""
    if ordinal and words[:1] not in (["place"], ["position"]):  # "the 9th prime" is not 9
        return False
    if words and (words[0] in ("and", "&", "st", "nd", "rd", "th") or (words[0] == "to" and not measured)):
        return False
    if words and words[0] in ("is", "was"):  # "42 is the answer", not "42 is too small"
        return CONFIRMING.issuperset(words[1:])
    more = (
        {"more", "fewer", "less"}
        if len(words) > 1 and words[0] in ("more", "fewer", "less") and "than" not in words
        else set()
    )
    if any((word in MODIFIERS_BEHIND and word not in more) or word.strip("-") == "ish" for word in words):
        return False
    if any(a == "out" and b == "of" for a, b in pairwise(words)):
        return False
    return not any(
        word in NUMBER_WORDS or word in PARTS or word.removesuffix("s") in SCALES for word in words[:3]
    )


def _with_unit(value: str, words: Sequence[str]) -> tuple[str, list[str]]:
    """The value with the scale words, percent and unit behind it, and the words that are left."""
    for count in range(min(5, len(words)), 0, -1):
        if words[count - 1] in ("a", "an", "in", "of", "and", "or"):
            continue
        longer = f"{value} {' '.join(words[:count])}"
        found = parse_quantity(longer)
        if (
            found
            and not TRAILING.search(longer)
            and (measures(found.unit) or found.percent or words[0].removesuffix("s") in SCALES)
        ):
            return longer, list(words[count:])
    return value, list(words)
