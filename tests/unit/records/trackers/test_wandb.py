"""wandb for real, offline: no account; its files in the run directory, read back record by record."""

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from wandb.proto.wandb_internal_pb2 import Record

from rl.records.trackers.base import TrackedRun
from rl.records.trackers.threads import Trackers
from rl.records.trackers.wandb import WandbRun

BLOCK, FILE_HEADER, HEADER = 32768, 7, 7
LAST_PARTS = (1, 4)
SETTINGS = {
    "project": "mine",
    "entity": "us",
    "group": "g",
    "tags": ["a", "b"],
    "notes": "a longer text",
}


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_ENTITY", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def written(path: Path) -> list[Any]:
    """All records of a finished run; wandb's service writes the last ones a moment after ``finish``."""
    deadline = time.monotonic() + 60
    while True:
        found = list(records(path))
        if any(one.WhichOneof("record_type") == "exit" for one in found):
            return found
        assert time.monotonic() < deadline, "the end of the run never reached the file"
        time.sleep(0.02)


def records(path: Path) -> Iterator[Any]:
    """LevelDB's log format behind a header: in blocks, parts of (checksum, length, kind, bytes)."""
    data, place, whole = path.read_bytes(), FILE_HEADER, b""
    while place + HEADER <= len(data):
        if BLOCK - place % BLOCK < HEADER:
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + HEADER])
        if place + HEADER + length > len(data):
            return  # still being written
        whole += data[place + HEADER : place + HEADER + length]
        place += HEADER + length
        if kind in LAST_PARTS:
            record = Record()
            record.ParseFromString(whole)
            yield record
            whole = b""


def history(path: Path) -> list[dict[str, Any]]:
    return [
        {(one.key or "/".join(one.nested_key)): json.loads(one.value_json) for one in record.history.item}
        for record in written(path)
        if record.WhichOneof("record_type") == "history"
    ]


def test_a_resume_is_the_same_run_and_goes_on_counting(tmp_path: Path) -> None:
    run = TrackedRun(directory=tmp_path, name="demo", config={"lr": 0.125}, settings=SETTINGS)
    first = WandbRun(run)
    for step in (0, 1, 2):
        if step == 1:
            first.samples(step, [{"prompt": "1+1=", "reward": 0.5}])
        first.log(step, {"reward/mean": step / 2})
    first.finish()
    first.finish()
    while list((tmp_path / "wandb").glob(f"*{time.strftime('%H%M%S')}*")):
        time.sleep(0.05)  # directories are named by the second, and attempts do not follow so fast
    again = WandbRun(
        TrackedRun(
            directory=tmp_path, name="demo", config={"lr": 0.125}, settings=SETTINGS, attempt=2, rows_before=3
        )
    )
    again.log(1, {"reward/mean": 0.75})
    again.finish()
    known = json.loads((tmp_path / "trackers.json").read_text())["wandb"]
    files = sorted((tmp_path / "wandb").glob("offline-run-*/run-*.wandb"))
    assert {file.name for file in files} == {f"run-{known}.wandb"}
    old, new = files
    started = next(one.run for one in written(old) if one.WhichOneof("record_type") == "run")
    assert (started.run_id, started.project, started.entity, started.run_group) == (known, "mine", "us", "g")
    assert (started.display_name, list(started.tags), started.notes) == ("demo", ["a", "b"], "a longer text")
    rows = history(old)
    assert [(row["step"], row["reward/mean"], row["_step"]) for row in rows[:3]] == [
        (0, 0.0, 0),
        (1, 0.5, 1),
        (2, 1.0, 2),
    ]
    assert [(row["step"], row["samples/_type"]) for row in rows if "samples/_type" in row] == [
        (1, "table-file")
    ]
    (table,) = (tmp_path / "wandb").glob("offline-run-*/files/media/table/samples_*.table.json")
    assert json.loads(table.read_text()) == {"columns": ["prompt", "reward"], "data": [["1+1=", 0.5]]}
    assert [(row["step"], row["reward/mean"], row["_step"]) for row in history(new)][-1] == (1, 0.75, 3)


def test_a_wandb_that_cannot_start_is_a_warning(tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.setenv("WANDB_MODE", "nonsense")
    trackers = Trackers({"wandb": (WandbRun, TrackedRun(directory=tmp_path, name="demo", config={}))})
    trackers.log(0, {"a": 1})
    trackers.finish()
    assert [one.levelname for one in caplog.records if "tracker wandb could not start" in one.getMessage()]
