"""Tiers by folder, and one place for what every test needs."""

import os
from pathlib import Path

import pytest

# Before anything imports torch: tiny models gain nothing from threads, and on a busy machine waiting for them
# costs tenfold.
os.environ.setdefault("OMP_NUM_THREADS", "1")

TIERS = ("unit", "integration", "e2e", "gpu")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test's tier is the folder it lies in."""
    root = Path(__file__).parent
    for item in items:
        tier = item.path.relative_to(root).parts[0]
        if tier in TIERS:
            item.add_marker(getattr(pytest.mark, tier))
