"""The finished site, checked as a browser without a network sees it. Run by every build; also
``python -m deploy.site.check site``."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_FETCHED = {
    ("img", "src"),
    ("script", "src"),
    ("link", "href"),
    ("iframe", "src"),
    ("source", "src"),
    ("object", "data"),
}
_NOT_FETCHED = {"canonical", "next", "prev", "edit"}
"""Kinds of ``<link>`` that no browser loads."""
_TOP = {"", "top", "__top"}


@dataclass
class _Seen(HTMLParser):
    """Everything that one page defines and asks for."""

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note ids, links and what is loaded."""
        given = dict(attrs)
        self.ids |= {value for name in ("id", "name") if (value := given.get(name))}
        for name, value in given.items():
            if (tag, name) in _FETCHED and value is not None and given.get("rel") not in _NOT_FETCHED:
                self.fetched.append(value)
            elif tag == "a" and name == "href" and value is not None:
                self.links.append(value)


def faults(site: Path) -> list[str]:
    """Say what is wrong with the built site, a sentence each; nothing if it is whole."""
    pages = {page: _read(page) for page in sorted(site.rglob("*.html"))}
    return list(dict.fromkeys(fault for page in pages for fault in _of_page(site, page, pages)))


def _read(page: Path) -> _Seen:
    seen = _Seen()
    seen.feed(page.read_text(encoding="utf-8"))
    return seen


def _of_page(site: Path, page: Path, pages: dict[Path, _Seen]) -> Iterator[str]:
    name = page.relative_to(site).as_posix()
    for url in pages[page].fetched:
        if urlsplit(url).scheme not in ("", "data") or url.startswith("//"):
            yield f"{name}: asks another host for {url}"
    for url in (*pages[page].links, *pages[page].fetched):
        parts = urlsplit(url)
        if parts.scheme or url.startswith("//") or page.name == "404.html":
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        if target.is_dir():
            target /= "index.html"
        if not target.is_file():
            yield f"{name}: {url} leads to no file"
        elif (
            parts.fragment not in _TOP
            and target in pages
            and unquote(parts.fragment) not in pages[target].ids
        ):
            yield f"{name}: {url} leads to no anchor"


def main() -> None:
    """Print the faults of a built site; exit code 1 if there are any."""
    found = faults(Path(sys.argv[1]).resolve())
    print("\n".join(found) or "no faults")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
