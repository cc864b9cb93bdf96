"""The ``t2rl`` commands that pages and help texts print, as argument lists."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "deploy").glob("**/*.md"),
        *ROOT.glob("examples/**/*.md"),
    ]
)
HELP = sorted((ROOT / "rl" / "cli").glob("*.py"))
COMMAND = re.compile(r"^(?:[A-Z_]+=\S+ )*(?:\S*bin/)?t2rl (.+)$")

SYNOPSIS = re.compile(r"\[--|\[overrides\]")
"""A line that shows what may be given, not a command."""
SHELL = {">", ">>", "<", "|", "&", "&&", ";"}


def commands_of(file: Path) -> Iterator[list[str]]:
    """Arguments of every command in the file's code blocks (a page), or in its epilogs (a module of the
    CLI)."""
    text = file.read_text(encoding="utf-8")
    lines = _of_page(text) if file.suffix == ".md" else re.findall(r"\[bold\](t2rl .+?)\[/\]", text)
    for line in lines:
        match = COMMAND.match(line.replace("\\\\[", "[").replace("\\[", "[").strip())
        if match and not SYNOPSIS.search(match[1]):
            words = shlex.split(match[1], comments=True)
            end = next((i for i, word in enumerate(words) if word in SHELL), len(words))
            if end > 1 or file.suffix == ".md":
                yield [word for word in words[:end] if word != "..."]


def _of_page(text: str) -> Iterator[str]:
    """Lines of fenced and indented code, continued lines joined."""
    fenced = False
    for line in text.replace("\\\n", " ").splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line
