"""COMPARE: whether two answers say the same, by kind: text, choice, time, number with unit, list, else
algebra by math-verify.

A text is compared as what it was read as, exactly. Where it was not understood as a whole it is compared as
text alone.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from rewards.maths.algebra import same_expression
from rewards.maths.canonical import canonical, plain_text, words_alone
from rewards.maths.lists import as_tuple, assignments, expanded, is_braced, split_answers
from rewards.maths.numbers import PRECISION, Quantity, parse_decimal_comma, parse_quantity, same_quantity
from rewards.maths.prose import MAX_SENTENCE, understood
from rewards.maths.prose_tokens import prose_words
from rewards.maths.sides import (
    ABOUT,
    as_interval,
    denies,
    is_calculation,
    is_name,
    last_side,
    same_function,
    sides,
    unwrap_unit,
)
from rewards.maths.statements import names_answer, stated_in
from rewards.maths.units import conversion
from rewards.maths.values import (
    Choice,
    based,
    choice,
    clock,
    date,
    division,
    letter,
    ratio,
    ratio_in_words,
    unwrapped,
)

Terms = tuple[Fraction, ...] | None

_SEVERAL = re.compile(r"[,;]|\\pm|\\mp|\\cup|\\in(?![a-z])")
"""Marks of a reference that may be answered by more than one item."""
_HEDGED = re.compile(r"(?:or|and|but|to|maybe|perhaps|possibly)\b|\(?[A-J]\)", re.IGNORECASE)
_LETTER_BETWEEN = re.compile(r"\d\s*[A-Za-z]\s+\d|\d\s+[A-Za-z]\s*\d")
_APART = re.compile(r"\d(?:\\[,;: ]|[\s~])+\d")
_FRACTION = re.compile(r"\\(?:[dtc]?frac|binom)\s*\d\s*\d")
_WORDED = re.compile(r"\d(?:st|nd|rd|th)\b|\\(?:text|mbox|textrm|textnormal)\s*\{[^{}]*[A-Za-z]{2}")
_LETTER_AT_END = re.compile(
    r"^[-+\d\s.,{}\\a-z]*?[\d}]\s*(?:\\(?:mathrm|text|mbox)\s*\{\s*)?([A-Za-z])\s*\}?\s*$"
)
_CODE = re.compile(r"(?<![\\A-Za-z])[A-Za-z_]{3,}\(|\blambda\b|[\"']\d|[\"']\w+[\"']\s*:|==")
_TEXT_INSIDE = re.compile(
    r"[\dA-Za-z})]\s*\\(?:text|mbox|mathrm|textrm)\s*\{[^{}]*[A-Za-z]{2}[^{}]*\}(?!\s*\^)"
    r"[^\d\\]*(?:\d|\\(?!text|mathrm|mbox|[,;:! .]))"
)
"""Words between two parts of an answer: "5 but perhaps 6", "3 hours 20 minutes"."""
_NOT_EQUAL = re.compile(r"(?:[A-Za-z]\s*)?(?:\\neq?|\\not\s?=|!=)(?![a-z])\s*(?P<value>.+)", re.DOTALL)
_WITHOUT = re.compile(
    r"(?:[A-Za-z]\s*\\in\s*)?\\mathbb\s?\{?R\}?\s*(?:\\setminus|\\backslash|-)\s*\\\{(?P<value>[^{}]*)\\\}"
)
_PUNCTURED = re.compile(r"(?:[A-Za-z]\s*\\in\s*)?\(\s*-\s*\\infty.*\\cup.*\\infty\s*\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rules:
    """How close is close enough."""

    precision: int = PRECISION
    """Decimals to which numbers must agree where one is written as a decimal, absolutely and relatively."""
    relations_for_sets: bool = False
    r"""Accept ``-2 \le x \le 7`` where the reference is the set ``[-2, 7]``."""
    plain_numbers: bool = False
    """Where the reference is a plain number, the answer must be one: ``6 * 7`` is not 42."""


DEFAULT = Rules()


def same_answer(gold: str, given: str, rules: Rules = DEFAULT) -> bool:
    """True if both say the same; deterministic, and never by evaluating code.

    Where ``gold`` is one answer, all items of a list must be it: "5 or 6" is not 5, "1/2 or 0.5" is 1/2.
    Where it is a list, the order does not matter, the multiplicity does.
    """
    gold, given = canonical(gold), canonical(given)
    if plain_text(gold) == plain_text(given) != "":
        return True
    pairs = _same_assignments(gold, given, rules)
    if pairs is not None:
        return pairs
    if is_braced(given) and as_tuple(gold):  # a set is no pair
        return False
    golds, items = split_answers(gold), split_answers(given)
    if len(items) == 1 and prose_words(given) and not _is_typed(given):
        read = _read_sentence(given)
        if read is not None:
            given = canonical(read)
            items = split_answers(given)
    golds, items = _without_repeated_tuples(expanded(golds)), _without_repeated_tuples(expanded(items))
    if len(golds) == 1:
        half_lines = [as_interval(item) for item in items] if "\\infty" in gold else [None]
        if all(half_lines):
            return _same_item(golds[0], "\\cup".join(map(str, half_lines)), rules)
        if len(items) > 1 and len({plain_text(item) for item in items}) < len(items):
            return False
        if len(items) == 1 or not _SEVERAL.search(gold):
            return all(_same_item(golds[0], item, rules) for item in items) or _same_with_comma(
                gold, given, rules
            )
        return _same_by_algebra(gold, ", ".join(items), rules)
    if _same_with_comma(gold, given, rules) or _same_list(golds, items, rules):
        return True
    if is_braced(gold) and is_braced(given):
        golds, items = list(dict.fromkeys(golds)), list(dict.fromkeys(items))
        return _same_list(golds, items, rules)
    if len(items) < 2 or (len(golds) != len(items) and ";" not in gold) or _is_final(golds, items):
        return False
    return _same_by_algebra(gold, given, rules)


def _without_repeated_tuples(items: list[str]) -> list[str]:
    """A tuple is a solution: naming it twice says no more. A number is a root, with its multiplicity."""
    if len(items) < 2 or not all(as_tuple(item) for item in items):
        return items
    return list({plain_text(item): item for item in items}.values())


def _is_final(golds: list[str], items: list[str]) -> bool:
    """True if algebra must not decide on two lists: it takes lists of numbers for sets, so that nothing
    counts twice."""
    for texts in ([plain_text(item) for item in items], [plain_text(gold) for gold in golds]):
        names = {text.partition("=")[0] for text in texts if "=" in text}
        if len(set(texts)) != len(texts) and len(names) < 2:
            return True
    return all(parse_quantity(item) for item in [*golds, *items])


def _same_list(golds: list[str], items: list[str], rules: Rules) -> bool:
    """True if every answer of either list is in the other, as many of one as of the other."""
    if len(golds) != len(items):
        return False
    left = list(items)
    for gold in golds:
        found = next((item for item in left if _same_item(gold, item, rules)), None)
        if found is None:
            return False
        left.remove(found)
    return True


def _same_assignments(gold: str, given: str, rules: Rules) -> bool | None:
    """ "x = 2, y = 3" against the same in any order, or against (2, 3) or "2, 3" in that order; None if
    neither is of that form."""
    wanted, found = assignments(gold), assignments(given)
    if not wanted and not found:
        return None
    if wanted and found:
        if set(wanted) != set(found):
            return None
        return all(_same_item(value, found[name], rules) for name, value in wanted.items())
    named = wanted or found or {}
    other = given if wanted else gold
    if other.count(",") + other.count(";") + other.count("and") + other.count("\\") == 0:
        return None
    values = as_tuple(other)
    if values is None and wanted:
        items = split_answers(other)
        values = items if len(items) == len(named) and not any("=" in item for item in items) else None
    if values is None:
        return None
    if len(values) != len(named):
        return False
    names = list(named) if wanted else sorted(named)
    mine = [named[name] for name in names]
    golds, items = (mine, values) if wanted else (values, mine)
    return all(_same_item(one, other_one, rules) for one, other_one in zip(golds, items, strict=True))


def _same_with_comma(gold: str, given: str, rules: Rules) -> bool:
    """Decimal commas: "2,74" for 2.74, where one side can be nothing but such a number."""
    pairs = (
        (parse_quantity(gold), parse_decimal_comma(given)),
        (parse_decimal_comma(gold), parse_quantity(given)),
    )
    return any(a and b and a.value.denominator > 1 and same_quantity(a, b, rules.precision) for a, b in pairs)


def _is_typed(text: str) -> bool:
    """True for what is understood as a whole, and is no sentence to be read."""
    plain = unwrapped(text)
    return bool(
        parse_quantity(text)
        or clock(plain)
        or date(plain)
        or division(plain)
        or choice(plain)
        or based(text)
        or len(text) > MAX_SENTENCE
    )


def _read_sentence(text: str) -> str | None:
    """The value of a sentence in a committed place: "Seth is 16 years old", "the answer is 7"."""
    plain = unwrapped(text)
    return stated_in(plain) if names_answer(plain) else understood(text)


def _same_item(gold: str, given: str, rules: Rules) -> bool:  # one return for each kind of value
    if plain_text(gold) == plain_text(given) != "":
        return True
    if _CODE.search(given) and not _CODE.search(gold):
        return False
    for decide in (_same_choice, _same_moment, _same_worded_ratio, _same_division, _same_base):
        verdict = decide(gold, given, rules)
        if verdict is not None:
            return verdict
    # as algebra, "odd" would be the product of its letters
    if words_alone(gold) and parse_quantity(gold) is None:
        return False
    if (punctured := _same_punctured(gold, given, rules)) is not None:
        return punctured
    if denies(given) and not denies(gold):
        return False
    exact, about, rounded = last_side(ABOUT, given)
    if about and (not exact or ABOUT.search(exact)):  # of several, one would be right by luck
        return False
    if about:  # "1/3 ≈ 0.33" is 1/3; what is rounded counts only as the value of something with a name
        named = is_name(exact) and not is_calculation(exact)
        return _same_item(gold, rounded if named and is_calculation(gold) else exact, rules)
    if (values := same_function(gold, given)) is not None:
        return _same_item(*values, rules)
    if len(sides(gold)) == 1 and "," not in given and len(sides(given)) > 1:
        return _same_end(gold, sides(given), rules)
    if _TEXT_INSIDE.search(given) and not _TEXT_INSIDE.search(gold) and parse_quantity(given) is None:
        return False
    return _same_value(gold, given, rules)


def _same_value(gold: str, given: str, rules: Rules) -> bool:
    """Numbers exactly, ratios by their terms, the rest by algebra."""
    wanted, found = parse_quantity(gold), parse_quantity(given)
    if wanted and found:
        return same_quantity(wanted, found, rules.precision)
    terms, others = ratio(sides(gold)[-1]), ratio(given)
    if terms or others:
        return _same_ratio(terms, others, wanted, found) if (terms or wanted) and (others or found) else False
    if wanted and rules.plain_numbers:
        return False
    return _same_by_algebra(gold, given, rules)


def _same_ratio(terms: Terms, others: Terms, wanted: Quantity | None, found: Quantity | None) -> bool:
    """A ratio is also the fraction of its two terms."""
    left = terms or ((wanted.value, Fraction(1)) if wanted else None)
    right = others or ((found.value, Fraction(1)) if found else None)
    if wanted and not terms and wanted.value.denominator == 1:  # 42:1 is not 42
        return False
    return left is not None and left == right


def _same_by_algebra(gold: str, given: str, rules: Rules) -> bool:
    """By math-verify, without the units; never with words that it would read as products of letters."""
    if _LETTER_BETWEEN.search(given) or _LETTER_BETWEEN.search(gold):
        return False
    wanted, unit = unwrap_unit(gold)
    found, other = unwrap_unit(given)
    if unit and other and conversion(unit, other) != 1:
        return False
    if set(prose_words(found)) - set(prose_words(wanted)) or ("'" in found and "'" not in wanted):
        return False
    if _APART.search(_FRACTION.sub("", found)) and not _APART.search(_FRACTION.sub("", wanted)):
        return False
    if ("dots" in found and "dots" not in wanted) or "..." in found:
        return False
    if _WORDED.search(found) and not _WORDED.search(wanted):
        return False
    factor = _LETTER_AT_END.search(found)
    if factor and factor[1] not in wanted:  # math-verify takes "7m" for 7 metres
        return False
    return same_expression(wanted, found, rules.precision, relations_for_sets=rules.relations_for_sets)


def _same_end(gold: str, parts: list[str], rules: Rules) -> bool:
    """ "x = 5", "2 + 3 = 5" and "1/12 ft = 1 in" end in 5 and 1, but "41 = 42" is not 42, and "2x = 10" is
    not 10."""
    last = parts[-1]
    right = parse_quantity(last)
    for side in parts[:-1]:
        number = parse_quantity(side)
        if number is None:
            if not is_name(side):
                return False
        elif number.unit in ("", right.unit if right else "") and not _same_item(gold, side, rules):
            return False
    return _same_item(gold, last, rules)


def _same_choice(gold: str, given: str, rules: Rules) -> bool | None:
    """Multiple choice: "(B) 12" is B, and is 12; None if neither side is written as a choice."""
    wanted, found = choice(unwrapped(gold)), choice(unwrapped(given))
    if found is None and wanted is None:
        return None
    if found is not None and _HEDGED.match(found.rest):
        return False
    if wanted is None:
        assert found is not None
        one = letter(unwrapped(gold))
        if one:
            return one == found.letter
        return _same_item(gold, found.rest, rules) if found.rest else None
    if found is None:
        one = letter(unwrapped(given))
        if one:
            return one == wanted.letter
        return _same_item(wanted.rest, given, rules) if wanted.rest else None
    return wanted.letter == found.letter and _same_rest(wanted, found, rules)


def _same_rest(wanted: Choice, found: Choice, rules: Rules) -> bool:
    return not wanted.rest or not found.rest or _same_item(wanted.rest, found.rest, rules)


def _same_moment(gold: str, given: str, _rules: Rules) -> bool | None:
    """Times of day and dates; a time without am or pm is another than one with it."""
    wanted_day, found_day = date(unwrapped(gold)), date(unwrapped(given))
    if wanted_day or found_day:
        if not (wanted_day and found_day):
            return False
        return wanted_day[:2] == found_day[:2] and (
            wanted_day[2] == found_day[2] or None in (wanted_day[2], found_day[2])
        )
    wanted, found = clock(unwrapped(gold)), clock(unwrapped(given))
    if wanted and found:
        return wanted == found
    if (wanted and wanted.known_half) or (found and found.known_half):
        return False
    return None


def _same_division(gold: str, given: str, _rules: Rules) -> bool | None:
    wanted, found = division(unwrapped(gold)), division(unwrapped(given))
    return wanted == found if wanted or found else None


def _same_worded_ratio(gold: str, given: str, _rules: Rules) -> bool | None:
    """ "3 to 4" is a ratio where the reference is one."""
    wanted = ratio(gold)
    return wanted == ratio_in_words(unwrapped(given)) or None if wanted else None


def _same_base(gold: str, given: str, _rules: Rules) -> bool | None:
    """Numbers in other bases; a missing base is forgiven, another one is not."""
    wanted, found = based(unwrapped(gold)), based(unwrapped(given))
    if wanted and found:
        return wanted == found
    if wanted:
        return plain_text(given).upper() == wanted[0] or None
    if found:
        number = parse_quantity(gold)
        digits, base = found
        try:
            return bool(number and number.value == int(digits, base))
        except ValueError:  # a digit that the base does not have
            return False
    return None


def _same_punctured(gold: str, given: str, rules: Rules) -> bool | None:
    r"""``x \neq 2`` is ``(-\infty,2)\cup(2,\infty)``, and all reals without 2."""
    holes, others = _excluded_points(gold), _excluded_points(given)
    if holes is None and others is None:
        return None
    if holes is not None and others is not None:
        return _same_list(holes, others, rules)
    if not _PUNCTURED.fullmatch(gold if holes is None else given):
        return None
    union = _as_intervals(holes if holes is not None else others or [])
    return same_expression(*((gold, union) if holes is None else (union, given)), rules.precision)


def _excluded_points(text: str) -> list[str] | None:
    match = _WITHOUT.fullmatch(text.strip()) or _NOT_EQUAL.fullmatch(text.strip())
    return [hole.strip() for hole in split_answers(match["value"])] if match else None


def _as_intervals(holes: list[str]) -> str:
    ends = ["-\\infty", *holes, "\\infty"]
    return "\\cup".join(f"({a},{b})" for a, b in pairwise(ends))
