"""Links that leave docs/: each file or folder of the repository that a page links to becomes a page.

The links stay as they are in the source, so that they work on a Git host too.
"""

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from deploy.site.gfm import outside_code

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FILES = "files"
"""The site's folder for pages that show files of the repository."""
MOST_LINES = 600
"""A longer file is shown up to here, and says so."""
LANGUAGES = {
    ".py": "python",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".toml": "toml",
    ".json": "json",
    ".jsonl": "json",
    ".sh": "sh",
}
SKIP = {"__pycache__"}

_INLINE = re.compile(r"(!?\[(?:[^\[\]]|\[[^\]]*\])*\]\()([^)\s]+)((?:\s+\"[^\"]*\")?\))")
_CODE = re.compile(r"(`+).+?\1", re.S)
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|#|/")


class BrokenLink(ValueError):
    """A link to a file that is not there."""


def rewrite(markdown: str, change: Callable[[str], str]) -> str:
    """Put every relative link of a page through ``change``; code is left alone."""

    def one(match: re.Match[str]) -> str:
        inside = _ELSEWHERE.match(match[2])
        return match[0] if inside else f"{match[1]}{change(match[2])}{match[3]}"

    def plain(text: str) -> str:
        kept: list[str] = []

        def put_aside(match: re.Match[str]) -> str:
            kept.append(match[0])
            return f"\0{len(kept) - 1}\0"

        changed = _INLINE.sub(one, _CODE.sub(put_aside, text))
        return re.sub(r"\0(\d+)\0", lambda match: kept[int(match[1])], changed)

    return outside_code(markdown, plain)


def target_of(link: str, origin: str) -> tuple[str, str]:
    """(path in the repository, anchor with its #) of a link in the file ``origin``.

    Raises:
        BrokenLink: There is no such file or folder.
    """
    path, hash_, anchor = link.partition("#")
    target = posixpath.normpath(posixpath.join(posixpath.dirname(origin), path))
    if target.startswith("..") or not (ROOT / target).exists():
        raise BrokenLink(f"{origin}: links to {link}, and there is no {target}")
    return target, hash_ + anchor


def page_of(target: str) -> str:
    """The site's source page, relative to docs/, for a path in the repository."""
    if target == "README.md":
        return "README.md"
    inside = target.startswith("docs/") or target == "docs"
    place = (posixpath.relpath(target, "docs") if inside else f"{FILES}/{target}").removesuffix("/.")
    if (ROOT / target).is_dir():
        readme = (ROOT / target / "README.md").is_file()
        return posixpath.normpath(f"{place}/{'README' if readme else 'index'}.md")
    return place if inside or target.endswith(".md") else f"{place}.md"


def origin_of(page: str) -> str | None:
    """The path in the repository of a page that is Markdown there; None for pages made by us."""
    path = page.removeprefix(f"{FILES}/") if page.startswith(f"{FILES}/") else f"docs/{page}"
    return path if path.endswith(".md") and (ROOT / path).is_file() else None


def for_site(markdown: str, page: str) -> str:
    """The page with its links to files turned into links to the site's pages.

    Raises:
        BrokenLink: A link leads nowhere.
    """
    origin = origin_of(page)
    if origin is None:
        return markdown

    def change(link: str) -> str:
        target, anchor = target_of(link, origin)
        return posixpath.relpath(page_of(target), posixpath.dirname(page) or ".") + anchor

    return rewrite(_with_titles(markdown, origin), change)


def _with_titles(markdown: str, origin: str) -> str:
    """The page with the title of a page where a link shows the name of its file."""

    def title(match: re.Match[str]) -> str:
        file = ROOT / target_of(match[1], origin)[0]
        return f"[{title_of(file.read_text(encoding='utf-8'))}]({match[1]})"

    return re.sub(r"\[([\w./-]+\.md)\]\(\1\)", title, markdown)


def linked_files(pages: list[str], also: Iterable[str] = ()) -> dict[str, str]:
    """{page: its Markdown} for ``also``, and for all that lies outside docs/ and is linked from the pages or
    from a page made here.

    Raises:
        BrokenLink: A link leads nowhere.
    """
    made: dict[str, str] = {}
    waiting = list(pages)
    targets = list(also)
    while targets or waiting:
        targets += _targets(waiting.pop()) if waiting else ()
        while targets:
            target = targets.pop()
            page = page_of(target)
            if page in made or (DOCS / page).is_file():
                continue
            made[page] = _shown(target, page)
            if origin_of(page):
                waiting.append(page)
    return made


def _targets(page: str) -> Iterator[str]:
    """Paths in the repository that a page links to and that are no pages or pictures of docs/ themselves."""
    origin = origin_of(page)
    if origin is None:
        return
    found: list[str] = []

    def note(link: str) -> str:
        found.append(target_of(link, origin)[0])
        return link

    rewrite((ROOT / origin).read_text(encoding="utf-8"), note)
    yield from (target for target in found if not (target.startswith("docs/") and (ROOT / target).is_file()))


def _shown(target: str, page: str) -> str:
    """A page that shows a file or lists a folder."""
    path = ROOT / (
        f"{target}/README.md" if page.endswith("/README.md") and (ROOT / target).is_dir() else target
    )
    if path.is_dir():
        return _listed(target, page)
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    lines = text.splitlines()
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall(r"`{3,}", text))])
    more = f"\nThe first {MOST_LINES} of {len(lines)} lines.\n" if len(lines) > MOST_LINES else ""
    body = "\n".join(lines[:MOST_LINES])
    return f"# `{target}`\n{more}\n{fence}{LANGUAGES.get(path.suffix, 'text')}\n{body}\n{fence}\n"


def _listed(target: str, page: str) -> str:
    """A folder: its pages as links with their titles if it is one of docs/, else the names of its files."""
    if target.startswith("docs/"):
        pages = sorted((ROOT / target).glob("*.md"))
        lines = [f"- [{title_of(path.read_text(encoding='utf-8'))}]({path.name})" for path in pages]
        return f"# {Path(target).name.capitalize()}\n\n" + "\n".join(lines) + "\n"
    names = sorted(path.name for path in (ROOT / target).iterdir() if path.name not in SKIP)
    return f"# `{target}/`\n\n" + "\n".join(f"- `{name}`" for name in names) + "\n"


def title_of(markdown: str) -> str:
    """The page's first heading, without its marks.

    Raises:
        BrokenLink: It has none.
    """
    heading = re.search(r"^# (.+)$", markdown, re.M)
    if heading is None:
        raise BrokenLink(f"a page without a heading: {markdown[:60]!r}")
    return heading[1].replace("`", "")
