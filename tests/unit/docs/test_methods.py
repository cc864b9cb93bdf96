"""docs/methods: its examples hold, its modules exist and cite it, and every citation leads to a heading."""

import doctest
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from curricula.traits import Trait

ROOT = Path(__file__).parents[3]
METHODS = ROOT / "docs" / "methods"
PAGES = sorted(METHODS.glob("*.md"))
OF_THE_SITE = ROOT / "tests" / "unit" / "site"
"""Its tests name pages as the site does, within docs/."""
WITHOUT_EXAMPLES = {"README", "conflicts"}
HOUSES = (
    "benchmarks",
    "configs",
    "curricula",
    "deploy",
    "docs",
    "examples",
    "planner",
    "rewards",
    "rl",
    "rollout",
    "tests",
)
TEXT = {".py", ".md", ".yaml", ".toml"}

CITATION = re.compile(r"docs/methods/(?P<page>\w+)\.md#(?P<anchor>[\w-]+)")
MENTION = re.compile(r"(?<![\w/])(?:docs/)?methods/\w+\.(?:md|py)")
LINK = re.compile(r"\]\((?P<target>[^)\s]*?)(?:#(?P<anchor>[\w-]+))?\)")
LISTED = re.compile(r"Modules?: (.+?)\.\s", re.S)
"""The sentence that names the modules of a heading."""
MODULE = re.compile(r"`((?:benchmarks|curricula|planner|rewards|rl|rollout|tests)/[\w/]+\.py)`")


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"```.+?```", "", page.read_text(encoding="utf-8"), flags=re.S), re.M
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def texts() -> Iterator[tuple[Path, str]]:
    """Every text file of the repository that may cite a page, but for the pages themselves."""
    files = [
        *ROOT.glob("*.md"),
        *ROOT.glob("*.toml"),
        *(f for house in HOUSES for f in (ROOT / house).rglob("*")),
    ]
    for file in files:
        if file.suffix in TEXT and not {METHODS, OF_THE_SITE} & {*file.parents} and file != Path(__file__):
            yield file, file.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_hold(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    # The closing fence would count as expected output.
    blocks = "\n".join(re.findall(r"^```python\n(.+?)^```$", text, re.M | re.S))
    test = doctest.DocTestParser().get_doctest(blocks, {"np": np}, page.stem, str(page), 0)
    report: list[str] = []
    result = doctest.DocTestRunner().run(test, out=report.append)
    assert result.failed == 0, "".join(report)
    assert result.attempted == text.count("\n>>> "), "an example stands outside of a python block"
    assert (result.attempted > 2) != (page.stem in WITHOUT_EXAMPLES)


def test_every_citation_leads_to_a_heading() -> None:
    known = {page.stem: anchors(page) for page in PAGES}
    cited = [(file, match) for file, text in texts() for match in CITATION.finditer(text)]
    lost = [
        f"{file.relative_to(ROOT)}: {m[0]}"
        for file, m in cited
        if m["anchor"] not in known.get(m["page"], set())
    ]
    assert lost == []
    assert len({file for file, _ in cited}) >= 25, "the code cites its methods"


def test_citations_have_one_form() -> None:
    """``docs/methods/PAGE.md#heading``; a link of a page in docs/ has its own check below."""
    other = []
    for file, text in texts():
        rest = CITATION.sub("", text) if file.suffix != ".md" else CITATION.sub("", LINK.sub("", text))
        other += [f"{file.relative_to(ROOT)}: {mention}" for mention in MENTION.findall(rest)]
    assert other == []


def test_links_of_the_pages_and_to_them_lead_somewhere() -> None:
    lost = []
    for page in (ROOT / "docs").rglob("*.md"):
        for match in LINK.finditer(page.read_text(encoding="utf-8")):
            target = (page.parent / match["target"]).resolve() if match["target"] else page
            if "://" in match[0] or (METHODS not in target.parents and METHODS not in page.parents):
                continue
            if not target.exists() or (match["anchor"] and match["anchor"] not in anchors(target)):
                lost.append(f"{page.relative_to(ROOT)}: {match[0]}")
    assert lost == []


def test_modules_that_the_pages_name_exist() -> None:
    named = {
        (page.name, module) for page in PAGES for module in MODULE.findall(page.read_text(encoding="utf-8"))
    }
    assert sorted((page, module) for page, module in named if not (ROOT / module).is_file()) == []
    assert len(named) > 60


def test_modules_that_follow_a_heading_cite_its_page() -> None:
    followed = {
        (page.name, module)
        for page in PAGES
        for sentence in LISTED.findall(page.read_text(encoding="utf-8"))
        for module in MODULE.findall(sentence)
    }
    assert len(followed) > 60
    silent = [
        (page, module)
        for page, module in sorted(followed)
        if f"docs/methods/{page}#" not in (ROOT / module).read_text(encoding="utf-8")
    ]
    assert silent == []


def test_the_index_lists_every_page() -> None:
    listed = re.findall(
        r"^- \[(\w+\.md)\]\(\1\): \S", (METHODS / "README.md").read_text(encoding="utf-8"), re.M
    )
    assert sorted(listed) == sorted(page.name for page in PAGES if page.name != "README.md")


def test_the_conflict_rules_name_traits_that_parts_have() -> None:
    named = set(
        re.findall(
            r"`([a-z_]+)`", " ".join(re.findall(r"Traits:([^.]+)\.", (METHODS / "conflicts.md").read_text()))
        )
    )
    assert len(named) > 8
    assert sorted(named - set(Trait)) == []
