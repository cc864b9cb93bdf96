"""Runs never share weight buffers, and what killed processes left is removed by whoever comes next."""

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

from rollout.weight_directory import PREFIX, WeightDirectory, run_directory


def _hold_until_killed(path: Path, held: Any) -> None:
    directory = WeightDirectory(path)
    (path / "weights-0").write_bytes(b"x")
    held.set()
    signal.pause()
    directory.leave()


def test_directories_are_unique_and_only_those_that_nobody_holds_are_removed(tmp_path: Path) -> None:
    stranger = tmp_path / "something-else"
    stranger.mkdir()
    first, second = WeightDirectory.fresh(tmp_path), WeightDirectory.fresh(tmp_path)
    assert first.path != second.path and first.path.is_dir() and second.path.is_dir()
    assert str(os.getpid()) in first.path.name
    first.leave()
    assert not first.path.exists() and second.path.is_dir() and stranger.is_dir()


def test_who_leaves_last_removes_it(tmp_path: Path) -> None:
    owner = WeightDirectory.fresh(tmp_path)
    user = WeightDirectory(owner.path)
    owner.leave()
    owner.leave()
    assert owner.path.is_dir()
    user.leave()
    assert not owner.path.exists()


def test_the_run_of_a_file_is_found_at_any_depth(tmp_path: Path) -> None:
    run = tmp_path / f"{PREFIX}1-run"
    assert run_directory(run / "weights-0") == run_directory(run / "life-1" / "weights-0") == run
    assert run_directory(tmp_path / "w" / "weights-0") == tmp_path / "w"


def test_the_end_of_a_run_removes_it_whoever_holds_it(tmp_path: Path) -> None:
    owner = WeightDirectory.fresh(tmp_path)
    user = WeightDirectory(owner.path)
    owner.remove()
    assert not owner.path.exists()
    user.leave()


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    path, held = tmp_path / f"{PREFIX}1-other", spawn.Event()
    process = spawn.Process(target=_hold_until_killed, args=(path, held))
    process.start()
    assert held.wait(60)
    WeightDirectory.fresh(tmp_path)
    assert (path / "weights-0").is_file(), "it is held"
    process.kill()
    process.join()
    WeightDirectory.fresh(tmp_path)
    assert not path.exists()


def test_one_that_was_left_before_it_was_held_is_removed_and_stays_private_if_it_was_just_being_made(
    tmp_path: Path,
) -> None:
    left = tmp_path / f"{PREFIX}1-left"
    left.mkdir()
    made = WeightDirectory.fresh(tmp_path)  # its own is empty as well when it looks around
    assert not left.exists()
    assert made.path.is_dir() and made.path.stat().st_mode & 0o777 == 0o700
