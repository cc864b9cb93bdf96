r"""Answers that are several: ``5, 6``, ``x = 5 \text{ or } x = 6``, ``\{5, 6\}``.

What stands in brackets stays whole: tuples, intervals, matrices.
"""

import re

from rewards.quantities import parse_quantity

_JOINT = (
    r"\\(?:text|mbox|mathrm|textrm)\s{0,3}\{[\s,]{0,3}(?:(?:and|or)\b[^{}]{0,20}|[^{}]{0,20}\b(?:and|or))[\s,]{0,3}\}"
    r"|\b(?:and|or)\b|\\lor\b|\\vee\b|∨|\\q?quad(?![a-zA-Z])|;|\\\\(?![a-zA-Z])|\n"
)
_TOKEN = re.compile(
    rf"(?P<joint>{_JOINT})|(?P<bar>\\mid(?![a-z])|(?<!\\)\|)|(?P<comma>,(?!\\!))|(?P<open>\\begin\b|\\left(?![a-zA-Z])|\\[{{\[(]|[({{\[])"
    r"|(?P<close>\\end\b|\\right(?![a-zA-Z])|\\[}\])]|[)}\]])|\\[A-Za-z]+|\\.|.",
    re.DOTALL,
)
_BAR = re.compile(r"\\mid(?![a-z])|(?<!\\)\|")
_GROUP = re.compile(r",\d{3}(?!\d)")
_SET = re.compile(r"\s*(?:\\left\s*)?(?:\\\{|\{)(.*?)(?:\\right\s*)?(?:\\\}|\})\s*", re.DOTALL)
_SIZES = re.compile(r"\\(?:left|right|big|Big|bigg|Bigg)(?![a-zA-Z])[lr]?")


def split_answers(text: str) -> list[str]:
    """The answers in a text, one if it is not a list; the braces of a set are taken off. Linear."""
    if parse_quantity(text) is not None:
        return [text]
    text = _SIZES.sub("", text)
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
            token["joint"] or (token["bar"] and one_bar) or (token["comma"] and not _GROUP.match(text, token.start()))
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
