"""The paper index: what it names exists, and it has every preset that cites a paper."""

import re
from pathlib import Path

from rewards import REWARDS
from rl.objective.shaping import SHAPINGS

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
ROWS = [line.split(" | ") for line in PAGE.splitlines() if line.startswith("| ") and "arxiv.org" in line]


def presets(group: str) -> set[str]:
    """Names of the files in configs/GROUP."""
    return {file.stem for file in (ROOT / "configs" / group).glob("*.yaml")}


def test_presets_of_the_page_are_there() -> None:
    for group in ("algorithm", "curriculum"):
        named = set(re.findall(rf"`{group}=(\w+)`", PAGE))
        assert len(named) > 15
        assert named - presets(group) == set()


def test_every_algorithm_is_on_the_page() -> None:
    assert presets("algorithm") - set(re.findall(r"`algorithm=(\w+)`", PAGE)) == set()


def test_curricula_that_cite_a_paper_are_on_the_page() -> None:
    cited = {
        name
        for name in presets("curriculum")
        if re.search(r"\b\d{4}\.\d{5}\b", (ROOT / "configs" / "curriculum" / f"{name}.yaml").read_text())
    }
    assert len(cited) > 10
    assert cited - set(re.findall(r"`curriculum=(\w+)`", PAGE)) == set()


def test_parts_rewards_and_shapings_of_the_page_are_there() -> None:
    parts = [row[2].strip("`") for row in ROWS]
    assert len(parts) > 40
    assert [part for part in parts if not (ROOT / part).is_file()] == []
    rewards = {name for row in ROWS if "reward" in row[1] for name in re.findall(r"`(\w+)`", row[1])}
    assert rewards - set(REWARDS) == set()
    assert set(re.findall(r"shaping `(\w+)`", PAGE)) - set(SHAPINGS) == set()


def test_links_have_the_number_that_they_show() -> None:
    assert all(shown == linked for shown, linked in re.findall(r"\[([\d.]+)\]\(\S+/abs/([\d.]+)\)", PAGE))
