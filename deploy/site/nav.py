"""The site's navigation: docs/README.md lists every page by section, the references are added to it."""

import re
from pathlib import Path
from typing import Any

from deploy.site.repository import page_of, title_of

_SECTION = re.compile(r"^(?:\*\*(.+)\*\*|## (.+))$")
_ENTRY = re.compile(r"^- \[([^]]+)\]\(([^)]+)\)")
REFERENCE = "Reference"
"""The section of docs/README.md that the generated pages join."""
PROJECT = {"Changes": "CHANGELOG.md", "Contributing": "CONTRIBUTING.md", "Security": "SECURITY.md"}
"""Files of the repository that are in the navigation without a page's link."""


def with_references(home: str, references: list[tuple[str, str, str]]) -> str:
    """The site's first page: (title, page, about) of each reference as a list, where the index on a Git host
    says in words what the site adds."""
    lines = "".join(f"- [{title}]({page}): {about}\n" for title, page, about in references)
    section = re.compile(rf"(^\*\*{REFERENCE}\*\*\n).*?(?=^- )", re.M | re.S)
    return section.sub(lambda match: match[1] + lines, home)


def navigation(docs: Path, reference: list[Any]) -> list[Any]:
    """MkDocs' ``nav``: home, each section of the index, the generated references, the project's own files.

    Raises:
        BrokenLink: The index lists a page that has no heading.
    """
    sections: dict[str, list[Any]] = {}
    entries: list[Any] = []
    for line in (docs / "README.md").read_text(encoding="utf-8").splitlines():
        if section := _SECTION.match(line):
            entries = sections.setdefault(section[1] or section[2], [])
        elif entry := _ENTRY.match(line):
            entries.append(_entry(docs, *entry.groups()))
    sections[REFERENCE] = [*reference, *sections.get(REFERENCE, [])]
    project = [{title: page_of(file)} for title, file in PROJECT.items()]
    return [{"Home": "README.md"}, *({name: pages} for name, pages in sections.items()), {"Project": project}]


def _entry(docs: Path, label: str, target: str) -> dict[str, Any]:
    """One page under its label, or a folder with all its pages."""
    path = docs / target
    if not path.is_dir():
        # Headings say more after a colon than a navigation has room for.
        title = label if label != target else title_of(path.read_text(encoding="utf-8")).partition(":")[0]
        return {title: target}
    name = path.name
    pages = sorted(page for page in path.glob("*.md") if page.name != "README.md")
    index = f"{name}/README.md" if (path / "README.md").is_file() else f"{name}/index.md"
    shown = name.capitalize() if label.strip("/") == name else label
    return {
        shown: [
            index,
            *({title_of(page.read_text(encoding="utf-8")): f"{name}/{page.name}"} for page in pages),
        ]
    }
