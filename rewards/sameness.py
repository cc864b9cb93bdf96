"""Whether two answers say the same: as text, as choice letter, as number with unit, as list, else by math-verify."""

import re
from dataclasses import dataclass

from rewards.algebra import same_expression
from rewards.answer_lists import split_answers
from rewards.answer_patterns import COMPARISON, NEGATION, NUMBER, WORD
from rewards.quantities import NUMBER_WORDS, PRECISION, Quantity, parse_decimal_comma, parse_quantity, same_quantity

_DELIMITERS = re.compile(r"\\left(?![a-z])|\\right(?![a-z])|\\displaystyle|\\[()\[\]](?!\d)|(?<!\\)\$|\*\*(?=[^*]*$)|^\*\*")
_SPACES = re.compile(r"\\[,;:! ]|[\s~]")
_WRAPPER = re.compile(r"\\(?:text|textbf|textit|textrm|textnormal|mathrm|mathbf|mbox|emph)\s*\{([^{}]*)\}")
_EQUALS = re.compile(r"(?<![<>!:\\])=")
_ABOUT = re.compile(r"\\approx|≈")
_CHOICE = re.compile(
    r"\(?([A-J])(?:\)[.:]?|[.:])(?:\s+(?P<rest>\S.*))?|(?:option|choice)\s+\(?([A-J])\)?", re.IGNORECASE | re.DOTALL
)
_BASE = re.compile(r"(?P<digits>[0-9A-F]{1,40})_\{?(?:\\text\{)?(?P<base>[a-z]{3,7}|\d{1,2})\}{0,2}", re.IGNORECASE)
_HEDGED = re.compile(r"(?:or|and|but|to|maybe|perhaps|possibly)\b|\(?[A-J]\)", re.IGNORECASE)
_DENIED = re.compile(
    r"\\n(?:eq?|eg|ot)(?![a-z])|≠|!=|\b(?:not|never|unless|versus|maybe|perhaps|possibly)\b|\\text\s*\{\s*(?:to|but|between)\b",
    re.IGNORECASE,
)
"""What an answer cannot have when the reference has it not."""
_TEXT_INSIDE = re.compile(
    r"[\dA-Za-z})]\s*\\(?:text|mbox|mathrm|textrm)\s*\{[^{}]*[A-Za-z]{2}[^{}]*\}(?!\s*\^)"
    r"[^\d\\]*(?:\d|\\(?!text|mathrm|mbox|[,;:! .]))"
)
"""Words between two parts of an answer: "5 but perhaps 6", "3 hours 20 minutes"."""
_SEVERAL = re.compile(r"[,;]|\\pm|±|\\mp|\\cup|\\in(?![a-z])")
"""What a reference has that may be answered by more than one item."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How close is close enough."""

    precision: int = PRECISION
    """Decimals to which numbers that are not both integers must agree, absolutely and relatively."""
    relations_for_sets: bool = False
    r"""Accept ``-2 \le x \le 7`` where the reference is the set ``[-2, 7]``."""
    plain_numbers: bool = False
    """Where the reference is a plain number, the answer must be one: ``6 * 7`` is not 42."""


DEFAULT = Rules()


def same_answer(gold: str, given: str, rules: Rules = DEFAULT) -> bool:
    """True if both say the same; deterministic, and never by evaluating code.

    Where ``gold`` is one answer, all items of a list must be it: "5 or 6" is not 5, "1/2 or 0.5" is 1/2. Where it is a list, the
    order does not matter.
    """
    if _plain(gold) == _plain(given) != "":
        return True
    golds, items = split_answers(_undelimited(gold)), split_answers(_undelimited(given))
    if len(golds) == 1:
        if len(items) == 1 or not _SEVERAL.search(gold):
            return all(_same_item(gold, item, rules) for item in items) or _same_with_comma(gold, given, rules)
        return same_expression(gold, ", ".join(items), rules.precision, relations_for_sets=rules.relations_for_sets)
    if _same_with_comma(gold, given, rules) or _same_list(golds, items, rules):
        return True
    return len(items) > 1 and same_expression(gold, given, rules.precision, relations_for_sets=rules.relations_for_sets)


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


def _same_with_comma(gold: str, given: str, rules: Rules) -> bool:
    """Decimal commas: "2,74" for 2.74, where one side can be nothing but such a number."""
    pairs = ((parse_quantity(_bare(gold)), parse_decimal_comma(given)), (parse_decimal_comma(gold), parse_quantity(_bare(given))))
    return any(a and b and a.value.denominator > 1 and same_quantity(a, b, rules.precision) for a, b in pairs)


def _same_item(gold: str, given: str, rules: Rules) -> bool:
    if _plain(gold) == _plain(given) != "":
        return True
    choice = _same_choice(gold, given, rules)
    if choice is not None:
        return choice
    based, other = _BASE.fullmatch(_bare(gold)), _BASE.fullmatch(_bare(given))
    if based and other:  # math-verify drops the bases; a missing one is forgiven, another is not
        return based.groups() == other.groups()
    if _plain(gold).isalpha() and len(_plain(gold)) > 1:  # a word; as algebra, "odd" would be the product of its letters
        return False
    if _DENIED.search(given) and not _DENIED.search(gold):
        return False
    exact, about, rounded = _split_last(_ABOUT, given)
    if about:  # "1/3 ≈ 0.33" is 1/3; what is rounded counts only beside something that is no number by itself
        return _same_item(gold, exact, rules) or (parse_quantity(_bare(exact)) is None and _same_item(gold, rounded, rules))
    if not _EQUALS.search(gold) and "," not in given:
        left, equals, right = _split_last(_EQUALS, given)
        if equals:  # "x = 5", "2 + 3 = 5" and "1/12 ft = 1 in" end in 5 and 1, but "41 = 42" is not 42
            return all(_same_item(gold, side, rules) for side in [*_same_unit(_EQUALS.split(left), right), right])
    if _TEXT_INSIDE.search(given) and not _TEXT_INSIDE.search(gold):
        return False
    wanted, found = parse_quantity(_bare(gold)), parse_quantity(_bare(given)) or _number_in_words(given)
    if wanted and found:
        return same_quantity(wanted, found, rules.precision)
    if wanted and rules.plain_numbers:
        return False
    return same_expression(gold, given, rules.precision, relations_for_sets=rules.relations_for_sets)


def _same_unit(sides: list[str], right: str) -> list[str]:
    """The sides that are plain numbers, bare or in the unit of the last one."""
    last = parse_quantity(_bare(right))
    unit = last.unit if last else ""
    quantities = [(side, parse_quantity(_bare(side))) for side in sides]
    return [side for side, quantity in quantities if quantity and quantity.unit in ("", unit)]


def _same_choice(gold: str, given: str, rules: Rules) -> bool | None:
    """Multiple choice: "(B) 12" is B, and is 12; None if neither side is written as a choice."""
    wanted, found = _bare(_WRAPPER.sub(r"\1 ", _bare(gold))), _bare(_WRAPPER.sub(r"\1 ", _bare(given)))
    match = _CHOICE.fullmatch(_SPACES.sub(" ", found).strip())
    if not match:
        return None
    if _HEDGED.match(match["rest"] or ""):
        return False
    letter = (match[1] or match[3]).upper()
    if re.fullmatch(r"\(?[A-Ja-j]\)?[.:]?", wanted):
        return wanted.strip("().:").upper() == letter
    return _same_item(gold, match["rest"], rules) if match["rest"] else None


def _split_last(separator: re.Pattern[str], text: str) -> tuple[str, str, str]:
    """Like ``str.rpartition``, but what is before comes first when there is no separator."""
    matches = list(separator.finditer(text))
    if not matches:
        return text, "", ""
    return text[: matches[-1].start()], matches[-1][0], text[matches[-1].end() :]


def _number_in_words(text: str) -> Quantity | None:
    """The one number of a sentence such as "Seth is 16 years old"; None if there are several, or none, or it is denied."""
    words, numbers = WORD.findall(text), list(NUMBER.finditer(text))
    if len(numbers) != 1 or not words or not NUMBER_WORDS.isdisjoint(word.lower() for word in words):
        return None
    before = text[: numbers[0].start()]
    return None if "\\" in text or NEGATION.search(before) or COMPARISON.search(before) else parse_quantity(numbers[0][0])


def _undelimited(text: str) -> str:
    return _DELIMITERS.sub("", text).strip()


def _bare(text: str) -> str:
    """Without maths delimiters, text wrappers, outer brackets, the full stop and a backslash at the end."""
    text = _undelimited(text).rstrip("\\ ") if not text.rstrip().endswith("\\$") else _undelimited(text)
    whole = _WRAPPER.fullmatch(text)
    text = (whole[1] if whole else text).strip().removesuffix(".").strip()
    return text[1:-1].strip() if re.fullmatch(r"\([^(),]*\)|\{[^{},]*\}|\[[^\[\],]*\]", text) else text


def _plain(text: str) -> str:
    """For comparing as strings: bare, without spaces; words and single choice letters lose their case."""
    text = _SPACES.sub("", _WRAPPER.sub(r"\1", _bare(text))).replace("dfrac", "frac").replace("tfrac", "frac").replace("−", "-")
    return text.casefold() if re.fullmatch(r"[A-E]|[a-e]|[A-Za-z]{2,}", text) else text
