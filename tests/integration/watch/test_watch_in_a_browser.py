"""``t2rl watch`` in headless Chromium, while another process writes a run's files step by step."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.unit.watch.made import add_step, watched_run, write_status

PHONE = {"width": 390, "height": 844}
EVIL = "<img src=x onerror=alert(1)>"
SOON_MS = 15_000


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return watched_run(tmp_path / "mine", state="running", steps=40, last_error=None)


@pytest.fixture
def address(run: Path) -> Iterator[str]:
    """The real command, as a user starts it, on a free port."""
    words = [sys.executable, "-m", "t2rl", "watch", str(run), "--port", "0"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert found, line + process.stderr.read()
        yield found[0]
        process.terminate()
        process.wait(20)


class Opened:
    """A page, with everything that it complained about."""

    def __init__(self, browser: Browser, address: str, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page: Page = self.context.new_page()
        self.trouble: list[str] = []
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("request", lambda request: self._asked(request.url, address))
        self.page.goto(address)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.trouble.append(message.text)

    def _asked(self, url: str, address: str) -> None:
        if not url.startswith((address, "data:")):
            self.trouble.append(url)

    def close(self) -> None:
        assert self.trouble == []
        self.context.close()


def test_the_page_follows_the_run_to_its_end(browser: Browser, address: str, run: Path) -> None:
    opened = Opened(browser, address)
    page = opened.page
    expect(page.locator("#facts")).to_contain_text("step 40 of 40", timeout=SOON_MS)
    expect(page.locator("#loops")).to_contain_text("a free place in the buffer")
    waited = page.locator("#loops td.number").first
    before = waited.inner_text()
    expect(waited).not_to_have_text(before, timeout=SOON_MS)
    expect(page.locator("#actors")).to_contain_text("12 requests")
    page.locator("#figures").scroll_into_view_if_needed()
    expect(page.locator("#figures .main-svg").first).to_be_visible(timeout=SOON_MS)
    add_step(run, 40)
    write_status(run, step=41, steps=60, last_error=EVIL)
    expect(page.locator("#facts")).to_contain_text("step 41 of 60", timeout=SOON_MS)
    expect(page.locator("#problem")).to_have_text(EVIL)
    row = {"attempt": 1, "step": 40, "time": time.time(), "name": "gap_rising", "text": EVIL, "fix": "look"}
    with (run / "advisories.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
    expect(page.locator("#advisories")).to_contain_text("gap_rising", timeout=SOON_MS)
    write_status(run, state="finished", step=41, steps=41)
    expect(page.locator("#state")).to_have_text("finished", timeout=SOON_MS)
    expect(page).to_have_title(re.compile("finished"))
    opened.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_without_scrolling_sideways(browser: Browser, address: str, scheme: str) -> None:
    opened = Opened(browser, address, viewport=PHONE, color_scheme=scheme, has_touch=True, is_mobile=True)
    page = opened.page
    expect(page.locator("#facts")).to_contain_text("step", timeout=SOON_MS)
    page.locator("#figures").scroll_into_view_if_needed()
    expect(page.locator("#figures .main-svg").first).to_be_visible(timeout=SOON_MS)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    opened.close()


def test_keys_reach_the_theme_and_the_samples(browser: Browser, address: str) -> None:
    opened = Opened(browser, address)
    page = opened.page
    expect(page.locator("#facts")).to_contain_text("step", timeout=SOON_MS)
    reached = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert "theme" in {name.lower() for name in reached}, reached
    opened.close()
