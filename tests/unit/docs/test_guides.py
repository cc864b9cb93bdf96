"""Links of all pages lead somewhere, pictures are what their script draws, and the examples' configs load."""

import contextlib
import importlib.util
import io
import re
from pathlib import Path
from types import ModuleType

import pytest

from rl.config.load import load_config
from tests.unit.docs.test_methods import anchors

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
LINK = re.compile(r"\]\((?P<target>[^)\s#]*)(?:#(?P<anchor>[\w-]+))?\)")
CONFIGS = sorted((ROOT / "examples").glob("*.yaml"))


def broken(page: Path, text: str) -> list[str]:
    """Links of a page to files or headings that are not there; addresses of the web are left alone."""
    lost = []
    for match in LINK.finditer(re.sub(r"```.+?```|`[^`\n]*`", "", text, flags=re.S)):
        if "://" in match[0] or match["target"].startswith("mailto:"):
            continue
        target = (page.parent / match["target"]).resolve() if match["target"] else page
        headings = (
            anchors(target) if match["anchor"] and target.suffix == ".md" and target.is_file() else None
        )
        if not target.exists() or (headings is not None and match["anchor"] not in headings):
            lost.append(f"{page.relative_to(ROOT)}: {match[0]}")
    return lost


def test_every_link_leads_to_a_file_and_its_heading() -> None:
    assert [lost for page in PAGES for lost in broken(page, page.read_text(encoding="utf-8"))] == []


def test_a_link_that_leads_nowhere_is_noticed() -> None:
    page = DOCS / "runs.md"
    assert broken(page, "[a](nowhere.md) [b](runs.md#no-such-heading) [c](runs.md#resuming)") == [
        "docs/runs.md: ](nowhere.md)",
        "docs/runs.md: ](runs.md#no-such-heading)",
    ]


def pictures() -> ModuleType:
    """docs/img/concepts.py, which is in no package."""
    spec = importlib.util.spec_from_file_location("concepts", DOCS / "img" / "concepts.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pictures_are_what_their_script_draws_and_pages_say_what_they_show() -> None:
    module = pictures()
    shown = "".join(page.read_text(encoding="utf-8") for page in (DOCS / "concepts").glob("*.md"))
    assert set(module.PICTURES) == set(module.ALT)
    for name, draw in module.PICTURES.items():
        assert draw() == (DOCS / "img" / f"concept_{name}.svg").read_text(encoding="utf-8"), (
            f"docs/img/concept_{name}.svg is old: python docs/img/concepts.py"
        )
        assert f"![{module.ALT[name]}](../img/concept_{name}.svg)" in shown


def test_pictures_of_pages_have_a_text_for_who_does_not_see_them() -> None:
    silent = [page.name for page in PAGES if re.search(r"!\[\s*\]\(", page.read_text(encoding="utf-8"))]
    assert silent == []


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.name)
def test_a_config_of_the_examples_loads_and_its_rows_are_there(file: Path) -> None:
    config = load_config(str(file), [])
    assert config.task.kind == "file" and config.model.kind == "recipe"
    assert config.task.path is not None and (ROOT / config.task.path).is_file()
    (guide,) = re.findall(r"\((docs/howto/\w+\.md)\)", file.read_text())
    assert f"examples/{file.name}" in (ROOT / guide).read_text(), "the guide that it names uses it"


def test_the_sum_of_the_page_on_cost_prints_what_the_page_says() -> None:
    text = (DOCS / "what_one_step_costs.md").read_text(encoding="utf-8")
    ((code, output),) = re.findall(r"```python\n(.+?)```\n```text\n(.*?)```", text, re.S)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(code, "what_one_step_costs.md", "exec"), {})
    assert said.getvalue() == output
