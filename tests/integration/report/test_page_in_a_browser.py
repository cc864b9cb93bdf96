"""The report in headless Chromium: nothing fails, nothing is loaded, and a reader can find and compare
samples, with keys alone, on a phone, and in the dark."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from rl.report.command import report_cli
from tests.unit.report.made_runs import made_run

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1400, "height": 1000}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of two runs."""
    folder = tmp_path_factory.mktemp("runs")
    run, other = made_run(folder / "mine"), made_run(folder / "other", lr=1e-3, seed=1)
    report_cli([run], to=None, baseline=other, samples=2000, as_json=True)
    return run / "report.html"


class Opened:
    """A page with everything that it complained about or asked a network for."""

    def __init__(self, browser: Browser, file: Path, **options: object) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.trouble: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.trouble.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.trouble.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: self.trouble.append(f"dialog: {dialog.message}"))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())
        self.page.wait_for_selector(".main-svg")


@pytest.fixture(scope="module")
def desk(browser: Browser, file: Path) -> Iterator[Opened]:
    opened = Opened(browser, file, viewport=DESK)
    yield opened
    opened.context.close()


def scroll_through(page: Page) -> None:
    """As a reader does, until every figure is drawn."""
    for place in page.locator("[data-figure]").all():
        place.scroll_into_view_if_needed()
        place.locator(".main-svg").first.wait_for()


def overflow(page: Page) -> int:
    """Pixels by which the page is wider than the screen."""
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")


def test_every_figure_is_drawn_without_an_error_or_a_request(desk: Opened, file: Path) -> None:
    scroll_through(desk.page)
    assert desk.page.locator("[data-figure]").count() > 25
    assert desk.trouble == []
    assert desk.requests == [file.as_uri()], "the page itself, and nothing else"


def test_a_name_below_a_figure_hides_its_line(desk: Opened) -> None:
    page = desk.page
    figure = page.locator("#length")
    figure.scroll_into_view_if_needed()
    name = figure.get_by_role("button", name="mine", exact=True)
    lines = figure.locator(".scatterlayer .trace")
    before = lines.count()
    name.press("Enter")
    expect(lines).to_have_count(before // 2)
    assert name.get_attribute("aria-pressed") == "false"
    name.press("Enter")
    expect(lines).to_have_count(before)


def test_the_theme_changes_page_and_figures(desk: Opened) -> None:
    page = desk.page
    page.evaluate("scrollTo(0, 0)")
    figure = page.locator("#reward .plot")
    figure.scroll_into_view_if_needed()
    figure.locator(".main-svg").first.wait_for()

    def text_colour() -> str:
        page.wait_for_timeout(300)
        return figure.locator(".xtick text").first.evaluate("e => getComputedStyle(e).fill")

    button = page.get_by_role("button", name="Theme")
    light = text_colour()
    while button.inner_text() != "Theme: dark":
        button.click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert text_colour() != light
    button.click()
    assert button.inner_text() == "Theme: auto" and text_colour() == light


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_without_scrolling_sideways(browser: Browser, file: Path, scheme: str) -> None:
    opened = Opened(browser, file, viewport=PHONE, color_scheme=scheme, has_touch=True, is_mobile=True)
    page = opened.page
    scroll_through(page)
    page.get_by_role("link", name="Contents", exact=True).click()
    expect(page.get_by_role("link", name="Overview", exact=True)).to_be_in_viewport()
    assert overflow(page) <= 0
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    assert opened.trouble == []
    opened.context.close()


def test_links_of_the_contents_lead_to_headings(desk: Opened) -> None:
    page = desk.page
    page.get_by_role("navigation", name="Contents").get_by_role("link", name="System", exact=True).click()
    expect(page.get_by_role("heading", name="System", exact=False).first).to_be_in_viewport()
    assert page.url.endswith("#system")
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map(h => Number(h.tagName[1]))")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
