"""Fenced blocks of a Markdown text, also inside lists and quotations (CommonMark 0.31, section 4.5)."""

import re
from dataclasses import dataclass

_FENCE = re.compile(
    r"^(?P<lead>[ \t]*+(?:>[ \t]?)*+[ \t]*+(?:(?:[-*+]|\d{1,3}[.)])[ \t]+)?)"
    r"(?:(?P<ticks>`{3,})(?P<told>[^`\n]*)|(?P<tildes>~{3,})(?P<info>[^\n]*))$",
    re.MULTILINE,
)
_QUOTED = re.compile(r"[ \t]*>[ \t]?")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    tag: str
    """First word behind the fence, in lower case: a language, or nothing."""
    code: str
    closed: bool
    """False if the text, or the next block, ended it."""


def blocks_of(text: str) -> list[Block]:
    """Every fenced block, in order; a fence ends at the first line with no tag and at least its length of its
    kind.

    Indentation of the fence and marks of a quotation are taken off the block's lines.
    """
    blocks: list[Block] = []
    opened: re.Match[str] | None = None
    for match in _FENCE.finditer(text):
        if opened is None:
            opened = match
        elif match["lead"].count(">") != opened["lead"].count(">"):
            continue
        elif not _info(match) and _fence(match).startswith(_fence(opened)):
            blocks.append(_block(opened, text[opened.end() + 1 : match.start()], closed=True))
            opened = None
        elif _info(match) and _fence(match) == _fence(opened):  # never closed: the next block begins
            blocks.append(_block(opened, text[opened.end() + 1 : match.start()], closed=False))
            opened = match
    if opened is not None:
        blocks.append(_block(opened, text[opened.end() + 1 :], closed=False))
    return blocks


def _fence(match: re.Match[str]) -> str:
    return match["ticks"] or match["tildes"]


def _info(match: re.Match[str]) -> str:
    return str(match["told"] if match["ticks"] else match["info"]).strip()


def _block(opened: re.Match[str], inside: str, *, closed: bool) -> Block:
    tag = re.match(r"[^\s{]*", _info(opened))
    depth, lead = opened["lead"].count(">"), opened["lead"]
    end = "\n" if inside.endswith("\n") else ""
    lines = inside.removesuffix("\n").split("\n")
    if depth:
        quoted = [_unquoted(line, depth) for line in lines]
        # the quotation ends, and its block with it
        ends = next((i for i, line in enumerate(quoted) if line is None), len(lines))
        lines, closed = [line for line in quoted[:ends] if line is not None], closed and ends == len(lines)
        lead = lead.rpartition(">")[2].removeprefix(" ")
    return Block(
        tag[0].strip("{}.").lower() if tag else "", "\n".join(_moved_left(lines, len(lead))) + end, closed
    )


def _unquoted(line: str, depth: int) -> str | None:
    """The line without its marks of quotation; None if it has fewer."""
    for _ in range(depth):
        mark = _QUOTED.match(line)
        if mark is None:
            return None
        line = line[mark.end() :]
    return line


def _moved_left(lines: list[str], width: int) -> list[str]:
    """Without the fence's indentation, if all lines have it: some texts indent the fence alone."""
    full = [line for line in lines if line.strip()]
    if not width or not all(line[:width].isspace() and len(line) > width for line in full):
        return lines
    return [line[width:] for line in lines]
