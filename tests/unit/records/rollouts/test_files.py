"""Which files belong to the newest weights, and that a resume leaves the others nowhere."""

import json

from rl.records.rollouts.files import (
    RolloutFile,
    file_name,
    live_files,
    remove_superseded,
    rollout_files,
)
from rl.records.storage import write_whole


def make(folder, *names, kind="step"):
    folder.mkdir(parents=True, exist_ok=True)
    for number, attempt in names:
        write_whole(folder / file_name(kind, number, attempt), memoryview(b"rows"))


def numbers(files: list[RolloutFile]) -> list[tuple[int, int]]:
    return [(file.number, file.attempt) for file in files]


def test_an_attempt_supersedes_the_steps_from_the_one_it_restored(tmp_path):
    make(tmp_path, (0, 1), (1, 1), (2, 1), (3, 1), (2, 2), (3, 2))
    assert numbers(live_files(rollout_files(tmp_path), {1: 0, 2: 2})) == [(0, 1), (1, 1), (2, 2), (3, 2)]
    # before the new attempt got as far as the old one, nothing stands for what it has not trained again
    assert numbers(live_files(rollout_files(tmp_path), {1: 0, 2: 2, 3: 1})) == [(0, 1)]


def test_an_evaluation_of_the_restored_version_stays_and_one_done_again_replaces_it(tmp_path):
    make(tmp_path, (0, 1), (2, 1), (4, 1), kind="version")
    assert numbers(live_files(rollout_files(tmp_path), {1: 0, 2: 2})) == [(0, 1), (2, 1)]
    make(tmp_path, (2, 2), kind="version")
    assert numbers(live_files(rollout_files(tmp_path), {1: 0, 2: 2})) == [(0, 1), (2, 2)]


def test_a_resume_removes_what_is_superseded_whenever_it_was_killed(tmp_path):
    folder, attempts = tmp_path / "rollouts", tmp_path / "attempts.jsonl"
    make(folder, (0, 1), (1, 1), (2, 1))
    (folder / ".step-00000003.attempt-001.parquet.tmp").write_bytes(b"half")
    starts = [{"attempt": 1, "restored_step": 0}, {"attempt": 2, "restored_step": 1}]
    attempts.write_text("".join(json.dumps(row) + "\n" for row in starts))
    # a first try that was killed after one of two files
    (folder / file_name("step", 1, 1)).unlink()
    assert remove_superseded(folder, attempts) == 1
    assert [path.name for path in folder.iterdir()] == [file_name("step", 0, 1)]
    assert remove_superseded(folder, attempts) == 0


def test_other_files_in_the_folder_are_left_alone(tmp_path):
    make(tmp_path, (0, 1))
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "attempts.jsonl").write_text('{"attempt": 2, "restored_step": 0}\n')
    assert remove_superseded(tmp_path, tmp_path / "attempts.jsonl") == 1
    assert (tmp_path / "notes.txt").exists()
