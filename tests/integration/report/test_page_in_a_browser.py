"""The report in headless Chromium: nothing fails, nothing is loaded, and a reader can find and compare
samples, with keys alone, on a phone, and in the dark."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from rl.report.command import report_cli
from tests.unit.report.made_runs import made_rollouts, made_run, rollout_row, write_rollouts

EVIL = "</script><img src=x onerror=alert(1)> `${alert(2)}` evilword"
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1400, "height": 1000}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of two runs that kept their rollouts with tokens; one rollout tries to break the page."""
    folder = tmp_path_factory.mktemp("runs")
    run, other = made_run(folder / "mine"), made_run(folder / "other", lr=1e-3, seed=1)
    made_rollouts(run, tokens=True)
    row = rollout_row(40, 0, 0, np.random.default_rng(0), tokens=True)
    row |= {"completion": EVIL, "prompt": EVIL, "reason": EVIL, "group_id": 77, "prompt_id": EVIL}
    write_rollouts(run / "rollouts/step-00000040.attempt-001.parquet", [row], tokens=True)
    (run / "base").mkdir()
    Tokenizer(WordLevel({f"t{n}": n for n in range(26)}, unk_token="t0")).save(
        str(run / "base/tokenizer.json")
    )
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
        self.page.wait_for_selector(".sample-head")


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


def reset(page: Page) -> None:
    page.get_by_role("button", name="Clear filters").click()
    expect(page.locator("#sample-page")).to_contain_text("page 1 of")


def heads(page: Page) -> list[str]:
    """The facts of the samples on this page of the list, when filters had the time to settle."""
    page.wait_for_timeout(300)
    return page.locator(".sample-head .facts").all_inner_texts()


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


def test_filters_and_search_narrow_the_list(desk: Opened) -> None:
    page = desk.page
    reset(page)
    page.locator("[name=correct]").select_option("right")
    assert all(head.startswith("✓ right") for head in heads(page))
    page.get_by_label("lowest step").fill("10")
    page.get_by_label("highest step").fill("11")
    page.locator("[name=source]").select_option("training")
    assert {head.split("\n")[1] for head in heads(page)} == {"step 10", "step 11"}
    assert page.locator("#sample-count").inner_text().startswith("16 of ")
    page.get_by_label("Search in prompts").fill("nowhere to be found")
    assert heads(page) == []
    assert page.locator("#sample-count").inner_text() == "No sample passes these filters."
    reset(page)
    page.get_by_label("Search in prompts").fill("ANSWER 26")
    assert len(heads(page)) > 0
    assert set(page.locator(".sample-head mark").all_inner_texts()) == {"answer", "26"}
    reset(page)


def test_order_and_pages(desk: Opened) -> None:
    page = desk.page
    reset(page)
    page.locator("[name=sort]").select_option("-length")
    assert all("24 tokens" in head for head in heads(page))
    page.locator("[name=sort]").select_option("-step")
    first = heads(page)
    page.get_by_role("button", name="Next").click()
    assert page.locator("#sample-page").inner_text().startswith("page 2 of ")
    assert heads(page) != first
    page.get_by_role("button", name="Previous").click()
    assert heads(page) == first
    reset(page)


def test_a_sample_is_compared_and_coloured(desk: Opened) -> None:
    page = desk.page
    reset(page)
    page.locator("[name=source]").select_option("training")
    heads(page)
    page.locator(".sample-head").first.click()
    assert page.locator(".sample-head").first.get_attribute("aria-expanded") == "true"
    shown = page.get_by_label("Show the completion as")
    completion = page.locator(".sample-body pre").nth(1)
    plain = completion.inner_text()
    assert "answer" in plain and "Add up" in page.locator(".sample-body pre").first.inner_text()
    shown.select_option(label="Colour by advantage")
    assert completion.locator("span").count() == 24
    assert completion.locator("span").first.get_attribute("title") == "-0.5"
    shown.select_option(label="Colour by engine-learner gap")
    assert completion.locator("span").first.get_attribute("title") == "0.25"
    later = [text for text in shown.locator("option").all_inner_texts() if "step 10," in text]
    shown.select_option(label=later[0])
    assert completion.locator("ins").count() > 0 and completion.locator("del").count() > 0
    kept = completion.evaluate(
        "e => [...e.childNodes].filter(n => n.nodeName !== 'INS').map(n => n.textContent).join('')"
    )
    assert kept == plain, "without the additions it is the earlier text"
    shown.select_option(label="Plain text")
    assert completion.inner_text() == plain
    page.locator(".sample-head").first.click()
    assert page.locator(".sample-body").count() == 0


def test_what_a_model_writes_is_shown_as_text(desk: Opened) -> None:
    page = desk.page
    reset(page)
    page.get_by_label("Search in prompts").fill("evilword")
    assert len(heads(page)) == 1
    page.locator(".sample-head").first.click()
    assert page.locator(".sample-body pre").nth(1).inner_text() == EVIL
    assert page.locator("img").count() == 0
    assert desk.trouble == []
    reset(page)


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
    page.locator(".sample-head").first.click()
    assert overflow(page) <= 0
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    assert page.locator(".sample-body").first.evaluate("e => e.scrollWidth <= e.clientWidth")
    assert opened.trouble == []
    opened.context.close()


def test_keys_alone_reach_the_filters_and_open_a_sample(browser: Browser, file: Path) -> None:
    opened = Opened(browser, file, viewport=DESK)
    page = opened.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reached: list[str] = []
    for _ in range(400):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.name || document.activeElement.className"))
        if reached[-1] == "sample-head":
            break
    wanted = [
        "text",
        "source",
        "category",
        "correct",
        "reason",
        "decision",
        "step-low",
        "sort",
        "sample-head",
    ]
    assert [name for name in reached if name in wanted] == wanted
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", "focus is seen"
    page.keyboard.press("Enter")
    assert page.locator(".sample-body").count() == 1
    opened.context.close()


def test_links_of_the_contents_lead_to_headings(desk: Opened) -> None:
    page = desk.page
    page.get_by_role("navigation", name="Contents").get_by_role("link", name="System", exact=True).click()
    expect(page.get_by_role("heading", name="System", exact=False).first).to_be_in_viewport()
    assert page.url.endswith("#system")
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map(h => Number(h.tagName[1]))")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
