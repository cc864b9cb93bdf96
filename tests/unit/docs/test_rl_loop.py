"""The loop that newcomers read stays on one screen, and the files it points at exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
LOOP = ROOT / "examples" / "rl_loop.py"


def test_it_fits_on_one_screen() -> None:
    assert len(LOOP.read_text().splitlines()) <= 200


def test_its_comments_name_files_that_exist() -> None:
    comments = "".join(re.findall(r"#.*", LOOP.read_text()))
    named = re.findall(r"\b(?:rl|rewards|curricula)/[\w/]*(?:\.py)?", comments)
    assert len(named) >= 7
    assert [path for path in named if not (ROOT / path).exists()] == []
