"""The answer of a text that commits to none: what "the answer is ..." names, else the last number or formula.

Numbers and formulas that "or", "and" or commas join are one list.
"""

import re
from itertools import pairwise

from rewards.answer_patterns import DELIMITER, FORMULA, NEGATION, NUMBER, PERHAPS, RAW, content, has_words
from rewards.units import is_unit

LAST_WORDS = 4_000
"""Characters from the end in which an uncommitted answer is looked for."""
PHRASE_LENGTH = 100
"""Characters of a text without numbers that may be an answer as a whole."""

_PHRASE = re.compile(r"\b(?:answer|choice|option)\s{0,3}(?:is\s{0,3}:?|:|=)[\s*]{0,8}|^A:\s{0,8}", re.IGNORECASE | re.MULTILINE)
_SUFFIX = r"(?:\s?(?:\^\{?\s?\\circ\s?\}?|°|\\(?:text|mbox|mathrm)\s?\{[^{}\n]{0,30}\}(?:\^\{?[23]\}?)?))?"
_ITEM = re.compile(rf"{FORMULA.pattern}|{RAW.pattern}|(?:{NUMBER.pattern}){_SUFFIX}", re.DOTALL)
_LIST = re.compile(
    rf"[\s$.)}}\]]{{0,4}}(?:,\s{{0,3}}(?:and|or)\b|,|\band\b|(?:\s[A-Za-z]{{1,15}}){{0,2}}\s?,?\s?\bor\b)(?:,?\s{{1,3}}{PERHAPS}\b){{0,4}}\s{{0,3}}",
    re.I,
)
_RUN = re.compile(r"[-+−*/×÷·^()=\d.,$%\s]{0,200}+")
_CALCULATION = re.compile(r"[=+*/×÷·^−-]")
_ALTERNATIVE_BEFORE = re.compile(rf"\b(?:or|maybe|perhaps|possibly)\b(?:,?\s{{1,3}}{PERHAPS}\b){{0,4}}[\s$]{{0,4}}$", re.IGNORECASE)
_ALTERNATIVE_AFTER = re.compile(r"[\s$,.;)}]{0,6}\bor\b", re.IGNORECASE)
_CHOICE = re.compile(r"\(?([A-HJ])\)?(?=[\s,.;:!*]|\Z)|(?:yes|no|true|false)\b", re.IGNORECASE)
_VERB = re.compile(r"\b(?:is|are|equals?)\b")
_UNIT = re.compile(r"\s?(?:(?:square|cubic|sq)\s)?((?!in\b)[A-Za-z]{2,15}|[$€£¥])(?![A-Za-z])")


def last_words(text: str) -> str | None:
    """The uncommitted answer of a text, or None."""
    text = _on_one_line(text[-LAST_WORDS:])
    return _from_phrase(text) if _PHRASE.search(text) else _from_last_line(text)


def names_answer(text: str) -> bool:
    """True if it says "the answer is ..." or ends in a line "A: ..."."""
    return bool(_PHRASE.search(text[-LAST_WORDS:]))


def last_formula(text: str) -> str | None:
    """The formula that "the answer is ..." names, else the last one, with those joined to it; None without one."""
    text = _on_one_line(text[-LAST_WORDS:])
    line = _after_phrase(text)
    named = _after_verb(line, list(FORMULA.finditer(line)))
    if named:
        return _as_list(line, _joined_forwards(line, named))
    formulas = list(FORMULA.finditer(text))
    return _as_list(text, _joined(text, formulas)) if formulas else None


def _on_one_line(text: str) -> str:
    """The text with each display formula on one line."""
    return FORMULA.sub(lambda match: match[0].replace("\n", " "), text)


def _after_phrase(text: str) -> str:
    """The rest of the line after the last "the answer is ..."; nothing without one."""
    *_, phrase = [None, *_PHRASE.finditer(text)]
    return text[phrase.end() :].split("\n", 1)[0].strip() if phrase else ""


def _from_phrase(text: str) -> str | None:
    """What the last "the answer is ..." names: its formulas, its numbers, or the line if it has neither."""
    line = _after_phrase(text)
    if not has_words(line) and not FORMULA.search(line):
        return line.rstrip(" .*!") or None
    choice = _CHOICE.match(line)
    if choice and not (choice[1] or "A").islower():
        return _choice(line, choice)
    items = _after_verb(line, list(_ITEM.finditer(line)))
    if not items:
        return line
    several = _joined_forwards(line, items)
    if _is_alternative(line, several):
        return None
    if len(several) == 1 and not is_formula(items[0]):
        return _number(line, items[0])
    return ", ".join(_text(item) for item in several)


def _choice(line: str, choice: re.Match[str]) -> str | None:
    """A choice letter, with what one in brackets stands for ("(B) 12"), or yes or no; None if an "or" follows."""
    if _ALTERNATIVE_AFTER.match(line, choice.end()):
        return None
    return line.rstrip(" .*") if choice[0].startswith("(") else choice[0]


def _joined_forwards(line: str, items: list[re.Match[str]]) -> list[re.Match[str]]:
    """The first item and those behind it that commas, "and" or "or" join to it."""
    several = [items[0]]
    for item in items[1:]:
        if not _LIST.fullmatch(line[several[-1].end() : item.start()]):
            break
        several.append(item)
    return several


def _after_verb(line: str, items: list[re.Match[str]]) -> list[re.Match[str]]:
    """The items that are not denied, from the verb on where words come first: "the sum of $a$ and 2 is 5" says 5."""
    items = [item for item in items if not _denied(line, item)] or items
    verb = _VERB.search(line)
    if not items or not verb or not has_words(line[: items[0].start()]):
        return items
    return [item for item in items if item.start() >= verb.end()] or items


def _from_last_line(text: str) -> str | None:
    """The last line with a number or formula: whole if it is nothing else, else its last one. One line of words counts too."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) == 1 and len(lines[0]) <= PHRASE_LENGTH and not DELIMITER.search(lines[0]):
        return lines[0]
    for index in range(len(lines) - 1, -1, -1):
        line = lines[index]
        if not DELIMITER.search(line):
            continue
        if _is_bare(line):
            return _column(lines[: index + 1])
        if has_words(line) or FORMULA.search(line):
            return _last_item(line)
        return line if re.search(r"\w", line) else None
    return None


def _column(lines: list[str]) -> str:
    """The answers that stand each on its own line at the end, without words or "=": several are a list."""
    answers: list[str] = []
    for line in reversed(lines):
        if not _is_bare(line):
            break
        formula = FORMULA.fullmatch(line)
        answers.append(content(formula) if formula else line.rstrip(".,;"))
    return ", ".join(dict.fromkeys(reversed(answers)))


def _is_bare(line: str) -> bool:
    """True if a line is a number or an expression with nothing around it."""
    if "=" in line or not re.search(r"\d", line):
        return False
    return bool(_ITEM.fullmatch(line)) or not (has_words(line) or FORMULA.search(line))


def _last_item(line: str) -> str | None:
    """The last number or formula of a line with those joined to it; None if it is denied, or an alternative to words."""
    items = list(_ITEM.finditer(line))
    if not items:
        return None
    several = _joined(line, items)
    if _denied(line, several[0]) or _is_alternative(line, several):  # "it is certainly not 42"
        return None
    if len(several) == 1 and not is_formula(several[0]):
        return _number(line, several[0], backwards=True)
    return _as_list(line, several)


def _joined(line: str, items: list[re.Match[str]]) -> list[re.Match[str]]:
    """The last item and those before it that commas, "and" or "or" join to it, in order."""
    several = [items[-1]]
    for item in reversed(items[:-1]):
        if not _LIST.fullmatch(line[item.end() : several[-1].start()]):
            break
        several.append(item)
    return several[::-1]


def _as_list(line: str, items: list[re.Match[str]]) -> str:
    if len(items) > 1 and all(b.start() - a.end() == 1 for a, b in pairwise(items)):
        return line[items[0].start() : items[-1].end()]  # "2,74": one text, which may be a decimal comma
    return ", ".join(dict.fromkeys(_text(item) for item in items))


def _number(line: str, item: re.Match[str], *, backwards: bool = False) -> str:
    """A number with the unit behind it; forwards also the calculation that it begins ("12 + 30 = 42")."""
    if not backwards:
        run = _RUN.match(line, item.start())
        if run and _CALCULATION.search(run[0], item.end() - item.start()) and "=" in run[0]:
            return run[0].strip(" .,*=")
    unit = _UNIT.match(line, item.end())
    return line[item.start() : unit.end()] if unit and is_unit(unit[1]) else item[0]


def _is_alternative(line: str, items: list[re.Match[str]]) -> bool:
    """True if "or" joins the items to words: "5 or something else" commits to nothing."""
    before = line[max(0, items[0].start() - 40) : items[0].start()]
    return bool(_ALTERNATIVE_BEFORE.search(before) or _ALTERNATIVE_AFTER.match(line, items[-1].end()))


def _denied(line: str, item: re.Match[str]) -> bool:
    return bool(NEGATION.search(line[max(0, item.start() - 40) : item.start()]))


def is_formula(item: re.Match[str]) -> bool:
    """True if an item is a formula between delimiters, not a number."""
    return any(group is not None for group in item.groups())


def _text(item: re.Match[str]) -> str:
    return content(item) if is_formula(item) else item[0].strip()
