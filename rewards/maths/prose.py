r"""READ, sentences: the one number or formula that a sentence gives as its answer, if every word around it is
understood.

"Seth is 16 years old", "a total of 42 apples", ``7\text{ distinct integers}`` give 16 years, 42, 7. "at least
7", "half of 7", "7 or more", ``print(7)``, "3 out of 8", "not 42" give nothing. Values joined by commas,
"and", "or" or "maybe" come out as one list, which loses where one answer is asked. Left of a number a word
must be a verb that says so, or filler; right of it, a noun may follow.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from rewards.maths.lexicon import (
    BOUND_BY,
    CONFIRMING,
    COPULAS,
    DENIALS,
    FILLERS,
    HEDGES,
    MODIFIERS,
    MODIFIERS_BEHIND,
    NOUNS_OF,
    NUMBER_WORDS,
    PARTS,
    REASONS,
    SCALES,
    SUPPOSITIONS,
)
from rewards.maths.numbers import TRAILING, parse_quantity
from rewards.maths.prose_tokens import HELD, ORDINAL, Token, split_tokens
from rewards.maths.units import measures

MAX_SENTENCE = 1_000
"""Characters; a longer sentence is not read."""
_CODE = re.compile(
    r"(?<![\\A-Za-z])(?!(?:sin|cos|tan|sec|csc|cot|log|ln|exp|sqrt|gcd|lcm|max"
    r"|min)\()[A-Za-z_]{3,}\(|\blambda\b"
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
    tokens = split_tokens(text, held)
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
    values = _values_of(clauses[main], loose=loose)
    if any(_takes_back(clause, loose=loose) for clause in clauses[:main]):
        return None
    if values is None:
        return None
    if last and clauses[main][0].text in _JOINTS and numbered.index(main) > 0:
        before = _values_of(clauses[numbered[numbered.index(main) - 1]], loose=loose)
        if before is None:
            return None
        values = before + values
    for clause in clauses[main + 1 :]:
        more = _further_values(clause)
        if more is None:
            return None
        values = values + more
    restored = [HELD.sub(lambda match: held[int(match[1])], value) for value in values]
    return ", ".join(dict.fromkeys(restored)) if len(set(restored)) == 1 else ", ".join(restored)


def _clauses(tokens: Sequence[Token]) -> list[list[Token]]:
    """Split at marks, but not inside a list of values, and before words that give reasons or add to what was
    said."""
    clauses: list[list[Token]] = [[]]
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
                clauses[-1].append(Token("word", "and"))
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


def _without_contrast(tokens: list[Token]) -> list[Token]:
    """ "not 8 but 9" says 9."""
    for index, token in enumerate(tokens):
        if token.text == "not" and index + 2 < len(tokens) and tokens[index + 1].kind == "value":
            after = index + 3 if tokens[index + 2].text == "," else index + 2
            if after < len(tokens) and tokens[after].text == "but":
                return _without_contrast(tokens[:index] + tokens[after + 1 :])
    return tokens


def _takes_back(clause: Sequence[Token], *, loose: bool) -> bool:
    """True for a clause in front that denies or doubts what comes: "wrong: 7", "I am not sure, 7"."""
    if any(token.kind != "word" for token in clause):
        return False
    words = [token.text for token in clause]
    if not loose or "sure" in words or "certain" in words:
        return not (DENIALS | HEDGES | SUPPOSITIONS).isdisjoint(words) or not MODIFIERS.isdisjoint(words[-2:])
    if "no" in words and ("answer" in words or "solution" in words):
        return True
    return words[-1] in DENIALS or (len(words) <= 2 and words[0] in DENIALS) or not _DOUBTS.isdisjoint(words)


def _further_values(clause: Sequence[Token]) -> list[str] | None:
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
    return _values_of(clause, loose=False)


def _values_of(clause: Sequence[Token], *, loose: bool) -> list[str] | None:
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
        elif not _trails(left, measured=value != rest[index].text, ordinal=bool(ORDINAL.fullmatch(value))):
            return None
        values.append(value)
        index = following
    return values


def _asserted(words: Sequence[Token]) -> bool:
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
