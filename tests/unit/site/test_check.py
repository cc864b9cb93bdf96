"""The check of a built site finds what a reader would stumble over."""

from pathlib import Path

import pytest

from deploy.site.check import faults
from deploy.site.nav import navigation, with_references
from deploy.site.repository import DOCS, BrokenLink


def test_a_whole_site_has_no_faults(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "index.html").write_text(
        '<a href="b/#x">b</a><a href="https://x.org">x</a><img src="a.png"><p id="y">'
    )
    (tmp_path / "b" / "index.html").write_text(
        '<h1 id="x"></h1><a href="../index.html#y">up</a><a href="#x">here</a>'
    )
    assert faults(tmp_path) == []


@pytest.mark.parametrize(
    ("html", "fault"),
    [
        ('<a href="gone.html">', "gone.html leads to no file"),
        ('<a href="#gone">', "#gone leads to no anchor"),
        ('<img src="gone.png">', "gone.png leads to no file"),
        ('<script src="https://cdn.org/x.js"></script>', "asks another host for https://cdn.org/x.js"),
        ('<link rel="stylesheet" href="//fonts.org/x.css">', "asks another host for //fonts.org/x.css"),
    ],
)
def test_a_fault_is_found(tmp_path: Path, html: str, fault: str) -> None:
    (tmp_path / "index.html").write_text(html)
    assert faults(tmp_path) == [f"index.html: {fault}"]


def test_the_navigation_is_the_index(tmp_path: Path) -> None:
    nav = navigation(DOCS, [{"Presets": "reference/presets.md"}])
    sections = {title: pages for entry in nav for title, pages in entry.items()}
    assert sections["Home"] == "README.md" and sections["Reference"][0] == {"Presets": "reference/presets.md"}
    methods = next(entry["Methods"] for pages in sections.values() for entry in pages if "Methods" in entry)
    assert methods[0] == "methods/README.md" and {"Parts and the stack": "methods/stack.md"} in methods
    (tmp_path / "README.md").write_text("**One**\n- [a.md](a.md): a.\n- [Named](a.md): b.\n")
    (tmp_path / "a.md").write_text("# A `title`: and more\n")
    assert navigation(tmp_path, [])[1] == {"One": [{"A title": "a.md"}, {"Named": "a.md"}]}
    (tmp_path / "a.md").write_text("none")
    with pytest.raises(BrokenLink, match="without a heading"):
        navigation(tmp_path, [])


def test_the_first_page_lists_the_references() -> None:
    home = "**Reference**\n\nIn words.\n\n- [m](m.md): m.\n\n**Inside**\n\ntext\n- [n](n.md): n.\n"
    shown = with_references(home, [("Presets", "p.md", "all.")])
    assert shown == home.replace("\nIn words.\n\n", "- [Presets](p.md): all.\n")
    assert "reference/config" not in (DOCS / "README.md").read_text(), (
        "the source links to no page of the site"
    )
