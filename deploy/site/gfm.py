"""Pages are written as a Git host reads Markdown. MkDocs reads it a little differently."""

import re
import unicodedata
from collections.abc import Callable

_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
_ITEM = re.compile(r"^( *)([-*+]|\d+[.)]) +\S")
_TABLE_RULE = re.compile(r"^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$")


def slug(text: str, separator: str = "-") -> str:
    """Anchor of a heading as Git hosts make it: lower case, punctuation gone, a hyphen for every space."""
    kept = re.sub(r"[^\w\- ]", "", unicodedata.normalize("NFC", text).strip().lower())
    return kept.replace(" ", separator)


def outside_code(markdown: str, change: Callable[[str], str]) -> str:
    """Apply ``change`` to each stretch of lines that is not inside a fence."""
    parts: list[str] = []
    for fenced, lines in _stretches(markdown.split("\n")):
        text = "\n".join(lines)
        parts.append(text if fenced else change(text))
    return "\n".join(parts)


def for_mkdocs(markdown: str) -> str:
    """The page with a blank line before each list, table and fence that follows a paragraph, and nested lists
    indented by four spaces a level."""
    lines: list[str] = []
    for fenced, stretch in _stretches(markdown.split("\n")):
        if fenced:
            if lines and lines[-1].strip() and not _FENCE.match(lines[-1]):
                lines.append("")
            lines += stretch
        else:
            _plain(stretch, lines)
    return "\n".join(lines)


def _plain(stretch: list[str], lines: list[str]) -> None:
    """Append the lines of a stretch without code, changed where the two dialects differ."""
    levels: list[int] = []
    for at, line in enumerate(stretch):
        item = _ITEM.match(line)
        if item:
            indent = len(item[1])
            while levels and indent <= levels[-1] - 1:
                levels.pop()
            if not levels or indent > levels[-1]:
                levels.append(indent)
            if len(levels) == 1 and lines and lines[-1].strip() and not _in_list(lines):
                lines.append("")
            line = " " * 4 * (len(levels) - 1) + line.lstrip()
        elif line.strip() and not line.startswith(" "):
            if levels and lines and not lines[-1].strip():
                levels = []
        elif line.strip() and levels:
            line = " " * 4 * len(levels) + line.strip()
        follows = stretch[at + 1] if at + 1 < len(stretch) else ""
        starts_table = "|" in line and "|" in follows and _TABLE_RULE.match(follows)
        if starts_table and lines and lines[-1].strip():
            lines.append("")
        lines.append(line)


def _in_list(lines: list[str]) -> bool:
    """Whether the last paragraph is an item of a list."""
    for line in reversed(lines):
        if not line.strip() or line.startswith("#"):
            return False
        if _ITEM.match(line):
            return True
    return False


def _stretches(lines: list[str]) -> list[tuple[bool, list[str]]]:
    """(inside a fence, lines), the fences' own lines inside."""
    found: list[tuple[bool, list[str]]] = []
    closing = ""
    for line in lines:
        fence = _FENCE.match(line)
        opens = not closing and fence is not None
        if not found or opens or (not closing and found[-1][0]):
            found.append((opens, []))
        found[-1][1].append(line)
        if opens:
            assert fence is not None
            closing = fence[1]
        elif closing and fence and fence[1].startswith(closing) and not line.strip().strip(closing[0]):
            closing = ""
    return found
