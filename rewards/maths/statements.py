"""EXTRACT, statements: the answer of a text that commits to none: what "the answer is ..." says, else its
last line.

Every word of the statement must be understood (:mod:`rewards.maths.prose`); what is denied, doubted or
compared is no answer.
"""

import re

from rewards.maths.characters import unmarked
from rewards.maths.lexicon import NUMBER_WORDS, PARTS, REASONS
from rewards.maths.numbers import parse_quantity
from rewards.maths.prose import understood
from rewards.maths.prose_tokens import FORMULA, content, prose_words
from rewards.maths.surroundings import DENIED_BEFORE, is_withdrawn
from rewards.maths.values import based, clock, date, division, ratio_in_words, unwrapped

LAST_WORDS = 4_000
"""Characters from the end in which an uncommitted answer is looked for."""
PHRASE_LENGTH = 100
"""Characters of a text without numbers that may be an answer as a whole."""

_PHRASE = re.compile(
    r"\b(?:answer|choice|option)[*_`]{0,3}\s{0,3}(?:is\s{0,3}:?|equals|:|=)[\s*_:]{0,8}"
    r"|^[*_]{0,2}A[*_]{0,2}:[*_]{0,2}\s{0,8}",
    re.IGNORECASE | re.MULTILINE,
)
_VALUE = re.compile(r"\d|\$|\\[()\[\]]|[√½⅓¼¾⅔π∞∅]|\\[a-z]{2,}")
"""A line that may hold a number or a formula has at least one of these."""
_SENTENCE_END = re.compile(r"(?<=[^A-Z\s.][.!?])\s+(?=[A-Z$\\(\"'<*-])")
_REASON = re.compile(rf"[,;]?\s+(?:{'|'.join(sorted(REASONS))})\b", re.IGNORECASE)
_LETTER = re.compile(
    r"(\(?[A-HJ]\)?)(?=[\s,.;:!]|\Z)(?!\s*[-+*/=^<>])|(?:yes|no|true|false)\b(?!\s+\w)", re.IGNORECASE
)
_OFFERED = re.compile(
    r"\b(?:or|and|maybe|perhaps|possibly|not|but)\b|[,;/&+]\s?\(?(?:[A-J]|yes|no|true|false)\b", re.IGNORECASE
)
_NONE = re.compile(
    r"(?:there (?:is|are|exists?) )?(?P<none>no (?:real |integer |positive |such"
    r" )?(?:solutions?|answers?|values?)|none|"
    r"infinitely many(?: solutions)?|does not exist|undefined|(?:the )?empty set)(?: exists?)?",
    re.IGNORECASE,
)
_NONE_AT_END = re.compile(rf"(?:\A|[\s,])(?:{_NONE.pattern})[.!]?\Z", re.IGNORECASE)
_DENIED_PHRASE = re.compile(
    r"\b(?:not|never|\w+n['’]t|cannot|false|doubt|maybe|perhaps|possibly|wrong|incorrect|if|unless"
    r"|whether|suppos\w+|assum\w+|imagine|pretend|let|says?|said|claims?|claimed|thinks|thought"
    r"|believes|believed|guess\w*|told|according)\b(?!\s+(?:hard|difficult|surprising|only))",
    re.IGNORECASE,
)
_TEXT = re.compile(r"\\(?:text|textbf|textit|textrm|textnormal|mathrm|mathbf|mbox|emph)\s*\{([^{}]*)\}")
_FACTORIAL = re.compile(r"\d+!")
_SPELT = re.compile(
    r"\b(?:is|are|get|gets|equals|makes|gives|have|has|need|needs)\s+(?:exactly\s+|only\s+)?"
    rf"(?P<number>(?:(?:negative|minus|a|{'|'.join(sorted(NUMBER_WORDS | set(PARTS)))})s?[\s-]*){{1,8}})"
    r"[.!]?\Z",
    re.IGNORECASE,
)
"""A last line that ends in a number in words."""
_IN_WORDS = re.compile(
    r"(?:it|this|that|(?:so |hence |thus )?the (?:\w+ ){1,4})\s?(?:is|was) (?P<word>[A-Za-z]+)\.?",
    re.IGNORECASE,
)
_PREFIX = re.compile(r"[^.!?;,\n]*\Z")
_JOINT_START = re.compile(r"\s*(?:or|alternatively|maybe|perhaps|possibly|but|however)\b", re.IGNORECASE)


def last_words(text: str) -> str | None:
    """The uncommitted answer of a text, or None."""
    text = _on_one_line(text[-LAST_WORDS:])
    phrases = list(_PHRASE.finditer(text))
    return _named(text, phrases[-1]) if phrases else _from_last_line(text)


def names_answer(text: str) -> bool:
    """True if it says "the answer is ..." or ends in a line "A: ..."."""
    return bool(_PHRASE.search(text[-LAST_WORDS:]))


def last_formula(text: str) -> str | None:
    """The formula that "the answer is ..." names, else the last one, with those joined to it; None without
    one."""
    text = _on_one_line(text[-LAST_WORDS:])
    phrases = list(_PHRASE.finditer(text))
    line = _SENTENCE_END.split(_line_at(text, phrases[-1].end())[0], maxsplit=1)[0] if phrases else ""
    if FORMULA.search(line):
        return understood(line, loose=True) or _formulas(line)
    formulas = list(FORMULA.finditer(text))
    if not formulas:
        return None
    start = text.rfind("\n", 0, formulas[-1].start()) + 1
    return _formulas(text[start : formulas[-1].end()])


def _formulas(line: str) -> str | None:
    found = understood(unmarked(line), last=True, loose=True)
    if found is not None:
        return found
    last = list(FORMULA.finditer(line))[-1]
    return None if DENIED_BEFORE.search(line[: last.start()]) else content(last)


def stated(sentence: str) -> str | None:
    """The answer that the rest of "the answer is ..." names; None if it is not understood."""
    sentence = _unpunctuated(sentence)
    formula = FORMULA.fullmatch(sentence)
    if formula:
        return content(formula)
    sentence = _TEXT.sub(r"\1", sentence) if _TEXT.fullmatch(sentence) else sentence
    if not sentence or _is_typed(sentence):
        return sentence or None
    letter = _LETTER.match(sentence)
    if letter and not (letter[1] or "A").islower():
        return _letter(sentence, letter)
    reason = _REASON.search(sentence)
    if not _VALUE.search(sentence[: reason.start()] if reason else sentence):
        return (sentence[: reason.start()] if reason else sentence).rstrip(" ,;.") or None
    if not prose_words(sentence) and not FORMULA.search(sentence):
        return sentence
    return understood(sentence)


def stated_in(text: str) -> str | None:
    """Return what a text in a committed place says by "the answer is ..."."""
    *_, phrase = _PHRASE.finditer(text)
    return _named(text, phrase)


def _named(text: str, phrase: re.Match[str]) -> str | None:
    """Return what the last "the answer is ..." names."""
    prefix = _PREFIX.search(text[max(0, phrase.start() - 200) : phrase.start()])
    if prefix and _DENIED_PHRASE.search(prefix[0]):
        return None
    line, after = _line_at(text, phrase.end())
    first, *more = _SENTENCE_END.split(line, maxsplit=1)
    if any(_JOINT_START.match(rest) for rest in more) or is_withdrawn(
        " " + line[len(first) :] + "\n" + after, 0
    ):
        return None
    if ("is" not in phrase[0].lower()) and _FACTORIAL.fullmatch(first):
        return first
    return stated(first)


def _line_at(text: str, start: int) -> tuple[str, str]:
    """(the line from there, or the next one that is not empty, without marks; the text behind it)."""
    rest = text[start:]
    lead = len(rest) - len(rest.lstrip(" \t\n*_:"))
    line, _, after = rest[lead:].partition("\n")
    return unmarked(line).strip(" *_"), after[:400]


def _is_typed(text: str) -> bool:
    """True for what is an answer as a whole: a number with its unit, a time, a date, a division."""
    return bool(
        parse_quantity(text)
        or clock(text)
        or date(text)
        or division(text)
        or based(unwrapped(text))
        or _NONE.fullmatch(text)
        or ratio_in_words(unwrapped(text))
    )


def _letter(sentence: str, letter: re.Match[str]) -> str | None:
    """A choice letter, with what one in brackets stands for ("(B) 12"), or yes or no; the whole if another
    one is offered."""
    rest = sentence[letter.end() :]
    reason = _REASON.search(rest)
    rest = rest[: reason.start()] if reason else rest
    if _OFFERED.search(rest):
        return sentence
    if letter[0].startswith("("):
        return (letter[0] + rest).rstrip(" .*")
    plain = rest.lstrip(" )")
    return letter[0] if not plain or plain[0] in ",.;:!" else sentence


def _unpunctuated(text: str) -> str:
    text = text.strip().rstrip(" *")
    if text.endswith("!") and not text.endswith("!!"):  # a cry; a factorial has a full stop behind it
        text = text[:-1]
    while text.endswith((".", " ", "\\")) and not text.endswith(("...", "\\$", ".m.", ".M.")):
        text = text[:-1]
    return text


def _on_one_line(text: str) -> str:
    """The text with each display formula on one line."""
    return FORMULA.sub(lambda match: match[0].replace("\n", " "), text)


def _from_last_line(text: str) -> str | None:
    """The last line with a number or formula: whole if it is nothing else, else its last one. One line of
    words counts too."""
    lines = [unmarked(line).strip().strip("#").strip(" *_") for line in text.splitlines() if line.strip()]
    spelt = _SPELT.search(lines[-1]) if lines and not _VALUE.search(lines[-1]) else None
    if spelt and parse_quantity(spelt["number"]):
        return spelt["number"]
    if len(lines) == 1 and len(lines[0]) <= PHRASE_LENGTH and not _VALUE.search(lines[0]):
        none, named = _NONE_AT_END.search(lines[0]), _IN_WORDS.fullmatch(lines[0])
        return none["none"] if none else named["word"] if named else lines[0]
    for index in range(len(lines) - 1, -1, -1):
        line = lines[index]
        none = _NONE_AT_END.search(line) if index == len(lines) - 1 else None
        if none:
            return none["none"]
        if not _VALUE.search(line):
            continue
        if is_withdrawn("\n".join(["", *lines[index + 1 :]]), 0):
            return None
        if _is_bare(line) or parse_quantity(line):
            return _column(lines[: index + 1])
        return _last_sentence(line) if re.search(r"\w", line) else None
    return None


def _last_sentence(line: str) -> str | None:
    """The answer of the last sentence with a value in it."""
    sentences = _SENTENCE_END.split(line)
    index = next((index for index in range(len(sentences) - 1, -1, -1) if _VALUE.search(sentences[index])), 0)
    if is_withdrawn(" " + " ".join(sentences[index + 1 :]), 0) or is_withdrawn(
        sentences[index], len(sentences[index]) // 2
    ):
        return None
    sentence = _unpunctuated(sentences[index])
    if _is_typed(sentence) or not (prose_words(sentence) or FORMULA.search(sentence)):
        return sentence
    return understood(sentences[index], last=True, loose=True)


def _column(lines: list[str]) -> str:
    """The answers that stand each on its own line at the end, without words or "=": several are a list."""
    answers: list[str] = []
    for line in reversed(lines):
        if not (_is_bare(line) or parse_quantity(line)):
            break
        formula = FORMULA.fullmatch(line)
        answers.append(content(formula) if formula else line.rstrip(".,;"))
    return answers[0] if len(set(answers)) == 1 else ", ".join(reversed(answers))


def _is_bare(line: str) -> bool:
    """True if a line is a number or an expression with nothing around it."""
    if "=" in line or not re.search(r"\d", line):
        return False
    formula = FORMULA.fullmatch(line.rstrip(".,;"))
    return bool(formula) or not (prose_words(line) or FORMULA.search(line))
