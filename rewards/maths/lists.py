r"""Answers that are several: ``5, 6``, ``x = 5 \text{ or } x = 6``, ``\{5, 6\}``.

What stands in brackets stays whole: tuples, intervals, matrices.
"""

import re

from rewards.maths.numbers import parse_quantity
from rewards.maths.values import date, division

_JOINT = (
    r"\\(?:text|mbox|mathrm|textrm)\s{0,3}\{[\s,]{0,3}"
    r"(?:(?:and|or)(?:\s{1,3}(?:maybe|perhaps|possibly|also|even|else|rather|maybe even))?"
    r"|[^{}]{0,20}\b(?:and|or))[\s,]{0,3}\}"
    r"|\b(?:and|or)\b|(?<=\d)or(?=[A-Z(\\-])|\\lor\b|\\vee\b|∨|\\q?quad(?![a-zA-Z])|;|\\\\(?![a-zA-Z])|\n"
)
_TOKEN = re.compile(
    rf"(?P<joint>{_JOINT})|(?P<bar>\\mid(?![a-z])|(?<!\\)\|)|(?P<comma>,(?!\\!))|(?P<open>\\begin\b"
    rf"|\\left(?![a-zA-Z])|\\[{{\[(]|[({{\[])"
    r"|(?P<close>\\end\b|\\right(?![a-zA-Z])|\\[}\])]|[)}\]])|\\[A-Za-z]+|\\.|.",
    re.DOTALL,
)
_BAR = re.compile(r"\\mid(?![a-z])|(?<!\\)\|")
_GROUP = re.compile(r",\d{3}(?!\d)")
_SET = re.compile(r"\s*(?:\\left\s*)?(?:\\\{|\{)(.*?)(?:\\right\s*)?(?:\\\}|\})\s*", re.DOTALL)
_MEMBER = re.compile(r"\A\s*[a-z]\s*\\in\s*(?=\\\{[^{}]*\\\}\s*\Z)")
_SIZES = re.compile(r"\\(?:left|right|big|Big|bigg|Bigg)(?![a-zA-Z])[lr]?")


def split_answers(text: str) -> list[str]:
    """The answers in a text, one if it is not a list; the braces of a set are taken off. Linear."""
    if parse_quantity(text) is not None or date(text) is not None or division(text) is not None:
        return [text]
    text = _MEMBER.sub("", _SIZES.sub("", text))
    braced = _SET.fullmatch(text)
    if braced and is_list(braced[1]) and _closes_at_end(text):
        text = braced[1]
    return [item.strip() for item in _split(text) if item.strip(" .$\\\n")] or [text]


def is_list(text: str) -> bool:
    """True if there is more than one answer at the top level."""
    return len([item for item in _split(text) if item.strip()]) > 1


def _split(text: str) -> list[str]:
    items, start, depth = [], 0, 0
    one_bar = len(_BAR.findall(text)) == 1  # two are an absolute value
    for token in _TOKEN.finditer(text):
        if token["open"]:
            depth += 1
        elif token["close"]:
            depth = max(0, depth - 1)
        elif depth == 0 and (
            token["joint"]
            or (token["bar"] and one_bar)
            or (token["comma"] and not _GROUP.match(text, token.start()))
        ):
            items.append(text[start : token.start()])
            start = token.end()
    return [*items, text[start:]]


def _closes_at_end(text: str) -> bool:
    """True if the first bracket closes with the last character: ``{1} and {2}`` is no set."""
    depth, tokens = 0, list(_TOKEN.finditer(text.strip()))
    for index, token in enumerate(tokens):
        depth += bool(token["open"]) - bool(token["close"])
        if depth == 0:
            return index == len(tokens) - 1
    return False


_SIGNS = re.compile(r"\\(pm|mp)(?![a-z])")
_ASSIGNED = re.compile(
    r"\s*(?P<name>[A-Za-z](?:_\s?\{?\w{1,5}\}?)?|[A-Z]{2,3}|\\[a-z]{2,7})\s*=(?P<value>[^=]+)", re.DOTALL
)
_TUPLE = re.compile(r"\s*\((?P<items>.*)\)\s*", re.DOTALL)
_NAMED_TUPLE = re.compile(
    r"\s*\((?P<names>[A-Za-z](?:\s*,\s*[A-Za-z]){1,5})\)\s*=\s*\((?P<items>[^()=]*)\)\s*"
)


def expanded(items: list[str]) -> list[str]:
    r"""With two answers for each ``\pm``: ``1 \pm \sqrt{2}`` is ``1 + \sqrt{2}`` and ``1 - \sqrt{2}``."""
    found: list[str] = []
    for item in items:
        signs = set(_SIGNS.findall(item))
        if not signs or len(_SIGNS.findall(item)) > 2 or item.lstrip().startswith("("):
            found.append(item)
            continue
        for pm, mp in (("+", "-"), ("-", "+")):
            one = re.sub(r"\\pm(?![a-z])", pm, item)
            one = re.sub(r"\\mp(?![a-z])", mp, one).strip()
            found.append(re.sub(r"(^|[=(])\s*\+\s*", r"\1", one))
    return found


def is_braced(text: str) -> bool:
    """True for a set in braces."""
    return bool(_SET.fullmatch(text)) and _closes_at_end(text)


def as_tuple(text: str) -> list[str] | None:
    """The entries of ``(2, 3)``; None for anything else."""
    match = _TUPLE.fullmatch(text)
    if match is None or not _closes_at_end(text):
        return None
    items = [item.strip() for item in _split(match["items"])]
    return items if len(items) > 1 and all(items) else None


def assignments(text: str) -> dict[str, str]:
    """Name -> value of ``x = 2, y = 3`` and ``(x, y) = (2, 3)``; empty if it is not that, or a name comes
    twice."""
    if "=" not in text:
        return {}
    whole = _NAMED_TUPLE.fullmatch(text)
    if whole:
        names, values = (
            [name.strip() for name in whole["names"].split(",")],
            [value.strip() for value in _split(whole["items"])],
        )
        return dict(zip(names, values, strict=True)) if len(names) == len(values) == len(set(names)) else {}
    found: dict[str, str] = {}
    for item in split_answers(text):
        match = _ASSIGNED.fullmatch(item)
        if match is None or match["name"] in found:
            return {}
        found[match["name"]] = match["value"].strip()
    return found if len(found) > 1 else {}
