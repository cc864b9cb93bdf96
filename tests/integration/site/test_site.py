"""The site is built strictly from a checkout, and a browser without a network finds its way in it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.site.check import faults

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site's folder; the build ends with 0, and without a warning."""
    folder = tmp_path_factory.mktemp("site")
    start = time.perf_counter()
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    print(f"built in {time.perf_counter() - start:.0f} s")
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    return folder


def test_it_is_whole(site: Path) -> None:
    assert faults(site) == []
    pages = {page.relative_to(site).as_posix() for page in site.rglob("*.html")}
    assert {
        "index.html",
        "decisions/index.html",
        "methods/stack.html",
        "reference/config/stream.html",
        "reference/cli/train.html",
        "reference/api/types.html",
        "files/examples/rl_loop.py.html",
        "files/CONTRIBUTING.html",
    } <= pages
    assert "Why a completion ended" in (site / "reference/api/types.html").read_text(), (
        "filled by mkdocstrings"
    )


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A phone's page in dark mode that notes what it should not do: ``page.wrong``."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    page = context.new_page()
    page.wrong = []
    page.on("request", lambda request: request.url.startswith("file:") or page.wrong.append(request.url))
    page.on("console", lambda message: page.wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    yield page
    context.close()


def test_pages_are_read_from_disk_on_a_phone_in_the_dark(site: Path, page: Any) -> None:
    for name in (
        "index",
        "objectives",
        "metrics",
        "reference/config/algorithm",
        "reference/cli/train",
        "reference/presets",
    ):
        page.goto((site / f"{name}.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, f"{name} is wider than the phone"
        assert page.evaluate("document.body.dataset.mdColorScheme") == "slate"
    assert page.wrong == []


def test_the_search_finds_a_field_without_a_server(site: Path, page: Any) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto((site / "index.html").as_uri())
    page.click("input.md-search__input")
    page.keyboard.type("max_staleness")
    field = page.locator(
        ".md-search-result__link[href*='reference/config/stream.html'][href$='#stream-max_staleness']"
    )
    field.wait_for(state="attached", timeout=20_000)
    assert page.wrong == []


def test_code_in_a_page_leads_to_its_reference(site: Path, page: Any) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto((site / "curricula.html").as_uri())
    page.locator("a:has(> code:text-is('stream.prompts_per_step'))").first.click()
    assert page.url.endswith("reference/config/stream.html#stream-prompts_per_step")
    assert page.locator(":target").inner_text().startswith("stream.prompts_per_step")
    assert page.wrong == []
