"""A manifest finds what happened to the files that it describes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rl.records.manifest import MANIFEST, damage, write_manifest


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    (tmp_path / "learner").mkdir()
    (tmp_path / "state.json").write_text("{}")
    (tmp_path / "learner" / "shard.pt").write_bytes(bytes(range(256)) * 100)
    write_manifest(tmp_path)
    return tmp_path


def _flip(path: Path) -> None:
    content = bytearray((path / "learner/shard.pt").read_bytes())
    content[1234] ^= 1
    (path / "learner/shard.pt").write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (_flip, "learner/shard.pt has other bytes"),
        (lambda path: (path / "state.json").unlink(), "state.json is missing"),
        (lambda path: (path / "learner/shard.pt").write_bytes(b"1234"), "shard.pt has 4 bytes of 25600"),
        (lambda path: (path / MANIFEST).write_text('{"files": {"sta'), "manifest.json cannot be read"),
        (lambda path: (path / MANIFEST).write_text("[]"), "manifest.json cannot be read"),
    ],
)
def test_damage_is_named(whole: Path, harm: Callable[[Path], None], says: str) -> None:
    assert damage(whole) is None
    harm(whole)
    assert says in (damage(whole) or "")


def test_a_manifest_that_is_damaged_itself_is_no_crash(whole: Path) -> None:
    """Whichever bit of it: the answer may be that nothing is wrong (with the number of its version, say), but
    it is an answer."""
    written = (whole / MANIFEST).read_bytes()
    answers = []
    for bit in range(0, 8 * len(written), 7):
        content = bytearray(written)
        content[bit // 8] ^= 1 << bit % 8
        (whole / MANIFEST).write_bytes(content)
        answers.append(damage(whole))
    assert answers.count(None) < 0.1 * len(answers)


def test_files_that_came_later_do_not_count_and_an_old_directory_passes(whole: Path) -> None:
    (whole / "note.txt").write_text("mine")
    assert damage(whole) is None
    assert set(json.loads((whole / MANIFEST).read_text())["files"]) == {"state.json", "learner/shard.pt"}
    (whole / MANIFEST).unlink()
    assert damage(whole) is None, "written before there were manifests"
