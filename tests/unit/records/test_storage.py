"""Disks that are full or forbidden: said by name, records of before kept whole."""

import asyncio
import errno
import json
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer

from rl.cli.exits import exit_codes
from rl.records.jsonl import JsonlWriter, read_jsonl
from rl.records.rundir import RunDir
from rl.records.storage import StorageError, StorageErrors, require_writable, storage_reason, write_whole
from rl.records.trace import TraceWriter
from rl.run.saver import Saver
from rl.run.state import RunState

LIMIT = 4096


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may grow beyond ``LIMIT`` bytes: the kernel writes a part, then refuses, as on a disk that
    fills up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_directory_that_cannot_be_made_is_named_with_its_field(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        ValueError, match=rf"run\.dir: cannot write to {tmp_path}/file/runs \(Not a directory\).*run\.dir=DIR"
    ):
        require_writable(tmp_path / "file" / "runs", field="run.dir")
    require_writable(tmp_path / "new" / "runs", field="run.dir")
    assert list((tmp_path / "new" / "runs").iterdir()) == []


def test_a_disk_without_room_is_found_before_anything_starts(tmp_path: Path, small_files: None) -> None:
    with pytest.raises(
        ValueError, match=r"File too large\); free some space there, or choose another disk with run\.dir=DIR"
    ):
        require_writable(tmp_path, field="run.dir")


def full(name: str | None = None) -> OSError:
    return OSError(errno.ENOSPC, "No space left on device", name)


class Remote(Exception):
    """As Ray's: what it came from is in ``cause``."""

    def __init__(self, cause: Exception) -> None:
        super().__init__("remote")
        self.cause = cause


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (full("/d/x"), "No space left on device (/d/x)"),
        (ExceptionGroup("loops", [ValueError("x"), Remote(full())]), "No space left on device"),
        (RuntimeError("Error while serializing: I/O error: File too large (os error 27)"), "File too large"),
        (OSError(errno.EROFS, "", "/elsewhere"), "Read-only file system (/elsewhere)"),
        (PermissionError(errno.EACCES, "", "/run/metrics.jsonl"), "Permission denied (/run/metrics.jsonl)"),
        (PermissionError(errno.EACCES, "", "/models/config.json"), None),
        (RuntimeError("CUDA out of memory"), None),
    ],
)
def test_a_failure_to_write_is_told_from_other_failures(error: Exception, reason: str | None) -> None:
    assert storage_reason(error, Path("/run")) == reason
    expected = type(error) if reason is None else StorageError
    with pytest.raises(expected), StorageErrors(Path("/run")):
        raise error


def test_the_command_ends_with_one_and_a_message_that_says_where_and_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    advice = "resume=auto goes on from step 40"
    with (
        pytest.raises(typer.Exit) as caught,
        exit_codes(),
        StorageErrors(Path("/runs/a"), advice=lambda: advice),
    ):
        raise full("/runs/a/metrics.jsonl")
    said = capsys.readouterr().err
    assert caught.value.exit_code == 1
    assert (
        said
        == "error: cannot write to /runs/a: No space left on device (/runs/a/metrics.jsonl). resume=auto goes"
        " on from step 40\n"
    )


def test_rows_that_found_room_stay_readable_and_a_torn_one_goes_at_the_next_start(
    tmp_path: Path, small_files: None
) -> None:
    rows = JsonlWriter(tmp_path / "rows.jsonl", attempt=1, fsync_every=0)
    with pytest.raises(OSError, match="File too large"):
        for number in range(1000):
            rows.write({"step": number, "text": "x" * 100})
    assert [row["step"] for row in read_jsonl(rows.path)[1:]] == list(range(number))
    assert rows.path.stat().st_size == LIMIT, "a part of the last row is there"
    rows.close()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.getrlimit(resource.RLIMIT_FSIZE)[1],) * 2)
    JsonlWriter(rows.path, attempt=2, restored_step=number).close()
    assert read_jsonl(rows.path)[-1] == {"attempt": 2, "restored_step": number}


def test_a_trace_stays_a_whole_array(tmp_path: Path, small_files: None) -> None:
    trace = TraceWriter(tmp_path / "trace.json")
    with pytest.raises(OSError, match="File too large"):
        for number in range(1000):
            trace.instant("track", f"event {number}")
    events = json.loads((tmp_path / "trace.json").read_text())
    assert events and all(event["ph"] in "Mi" for event in events)


class BrokenStore:
    def begin(self, step: int) -> Path:
        return Path("/nowhere")

    def commit(self, step: int, state: RunState) -> None:
        raise full("state.json")


class Learner:
    async def save(self, directory: str, *, background: bool) -> None: ...

    async def wait_saved(self) -> None: ...


class Stateful:
    def state_dict(self) -> dict[str, int]:
        return {}

    def snapshot(self) -> Callable[[], dict[str, int]]:
        return self.state_dict


def test_a_checkpoint_that_cannot_be_written_ends_the_run_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        trace = TraceWriter(tmp_path / "trace.json")
        parts = {
            "store": BrokenStore(),
            "buffer": Stateful(),
            "curriculum": Stateful(),
            "statistics": Stateful(),
        }
        saver = Saver(**parts, every=1, timeout_s=5, trace=trace)
        watch = asyncio.create_task(saver.watch())
        await saver.save(RunState(version=4), Learner())
        with pytest.raises(OSError, match="No space left"):
            await asyncio.wait_for(watch, 5)

    asyncio.run(scenario())


def test_the_name_of_the_directory_is_known_before_it_is_made(tmp_path: Path) -> None:
    assert RunDir.free(tmp_path, "a") == tmp_path / "a" and not (tmp_path / "a").exists()
    (tmp_path / "a").mkdir()
    (tmp_path / "a-2").symlink_to(tmp_path / "nowhere")
    assert RunDir.free(tmp_path, "a") == tmp_path / "a-3" == RunDir.create(tmp_path, "a").path


def test_a_run_that_was_named_with_a_number_is_not_a_later_one_of_another_name(tmp_path: Path) -> None:
    for folder, name in (("a[1]", "a[1]"), ("a", "other"), ("a-2", "a"), ("a-3", "a-3")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "config.yaml").write_text(f"run:\n  name: '{name}'\n")
    latest = {name: RunDir.latest(tmp_path, name) for name in ("a", "a-3", "a[1]", "b")}
    assert {name: run and run.path.name for name, run in latest.items()} == {
        "a": "a-2",
        "a-3": "a-3",
        "a[1]": "a[1]",
        "b": None,
    }
    assert RunDir.latest(tmp_path / "absent", "a") is None
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["config.yaml"], "looking changes nothing"


def test_a_file_that_cannot_be_finished_leaves_the_one_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.jsonl"
    write_whole(path, b"first")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"second")
    assert path.read_bytes() == b"first"


def test_a_whole_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen = tmp_path / "rows.jsonl", []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: seen.append((os.fstat(descriptor).st_size, path.exists()))
    )
    write_whole(path, b"first")
    assert seen == [(5, False)] and path.read_bytes() == b"first"
