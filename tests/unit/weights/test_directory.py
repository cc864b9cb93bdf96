"""Runs never share weight buffers, and what a killed run left is removed."""

import os

from rl.weights.directory import PREFIX, fresh_weight_directory


def test_directories_are_unique_and_only_those_of_the_dead_are_removed(tmp_path):
    dead = tmp_path / f"{PREFIX}{2**22 + 1}-abc"  # above the largest pid that Linux gives out
    dead.mkdir()
    (dead / "weights-0").write_bytes(b"x")
    recycled = tmp_path / f"{PREFIX}{os.getpid()}-1-abc"  # our number, but a process of another moment
    recycled.mkdir()
    older = tmp_path / f"{PREFIX}{os.getpid()}-abc"  # as T2RL 0.3 named them: it may be ours
    older.mkdir()
    stranger = tmp_path / "something-else"
    stranger.mkdir()
    first, second = fresh_weight_directory(tmp_path), fresh_weight_directory(tmp_path)
    assert first != second and first.is_dir() and second.is_dir()
    assert str(os.getpid()) in first.name
    assert not dead.exists() and not recycled.exists() and stranger.exists() and older.exists()
