"""One headless Chromium for every test that opens a page."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium or Google's. Without one the test is skipped, but fails where CI runs: `make test`
    installs it there."""
    names = ("chromium", "google-chrome", "chromium-browser")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        missing = "Chromium is missing: apt-get install chromium"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()
