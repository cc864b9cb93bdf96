"""Docstrings and terminal markup as Markdown."""

import re
from collections.abc import Sequence

_CODE = re.compile(r"``(.+?)``|`([^`]+)`")
_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr|obj):`~?([\w.]+)`")
_SPECIAL = re.compile(r"([\\*_\[\]|#{}])")
_RICH = re.compile(r"(?<!\\)\[/?[a-z ]*\]")


def prose(text: str) -> str:
    """A docstring's text: its code spans as they are, everything else free of Markdown's own signs."""
    text = _ROLE.sub(r"``\1``", text)
    parts: list[str] = []
    at = 0
    for match in _CODE.finditer(text):
        parts += [_escaped(text[at : match.start()]), code(match[1] or match[2])]
        at = match.end()
    return "".join([*parts, _escaped(text[at:])])


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text).replace("<", "&lt;")


def code(text: str) -> str:
    """A code span; '' for no text."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}" if text else ""


def plain(text: str) -> str:
    """Text for a terminal without its markup: ``[bold]x[/]`` is x, an escaped bracket a bracket."""
    return re.sub(r"\\+\[", "[", _RICH.sub("", text))


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table; '' without rows."""
    if not rows:
        return ""
    lines = [head, tuple("---" for _ in head), *rows]
    return (
        "\n".join("| " + " | ".join(cell.replace("\n", " ") for cell in line) + " |" for line in lines) + "\n"
    )
