"""Every row of the hostile answers, run as a program: whatever it does, the host does not notice.

Whether an answer is right is the code reward's business (tests/integration/code); here it is what must hold
outside.
"""

import json
import socket
from pathlib import Path

import psutil
import pytest

from rewards.sandbox import Job, Limits, Step, Stop

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "sandbox_cases.jsonl").read_text().splitlines()
]
RUN = {
    "python": ("main.py", "python3"),
    "javascript": ("main.js", "node"),
    "perl": ("main.pl", "perl"),
    "tcl": ("main.tcl", "tclsh"),
}
MARKER = "rlvr_escape_marker"
LIMITS = Limits(wall_s=2, cpu_s=2, memory_mib=256, processes=32, output_kib=256, disk_mib=32)
ENDS = {
    "res.loop": Stop.WALL,
    "res.import_loop": Stop.WALL,
    "mp.time_freeze": Stop.WALL,
    "res.sleep": Stop.WALL,
    "res.ignore_sigterm": Stop.WALL,
    "res.mem_list": Stop.MEMORY,
    "res.stdout_flood": Stop.OUTPUT,
    "res.file_fill": Stop.DISK,
}
"""Ends that are certain; a busy loop may reach its CPU limit first."""


def job(row: dict) -> Job:
    name, interpreter = RUN[row["language"]]
    task = row["task_def"]
    call = f"\n{task['entry_point']}(1, 2)\n" if task["kind"] == "function" else ""
    stdin = task["tests"][0]["stdin"].encode() if task["kind"] == "stdin" else b""
    step = Step(argv=(interpreter, name), stdin=stdin, limits=LIMITS)
    return Job(files={name: (row["code"] + call).encode()}, steps=[step])


def markers() -> list[str]:
    """Files that the cases try to write."""
    places = [Path.home(), Path.cwd(), Path("/tmp"), Path("/dev/shm"), Path("/")]
    return [
        str(place / name) for place in places for name in (MARKER, "." + MARKER) if (place / name).exists()
    ]


def survivors(supervisor: int) -> list[int]:
    """Descendants of the supervisor; orphans become its children, so none gets away."""
    return [process.pid for process in psutil.Process(supervisor).children(recursive=True)]


@pytest.fixture(scope="module")
def listener():
    """Nobody in a sandbox may reach it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.01)
        yield server


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_the_host_does_not_notice(sandbox, row, listener):
    available = psutil.virtual_memory().available
    [outcome] = sandbox.run(job(row))
    if row["id"] in ENDS:
        assert outcome.stop in (ENDS[row["id"]], *((Stop.CPU,) if ENDS[row["id"]] is Stop.WALL else ()))
    assert outcome.wall_s < LIMITS.wall_s + 2
    assert len(outcome.stdout) <= LIMITS.output_kib * 1024
    assert outcome.peak_mib < LIMITS.memory_mib + LIMITS.disk_mib + 64
    assert b"CONNECTED" not in outcome.stdout
    assert markers() == [] and survivors(sandbox.supervisor_pid) == []
    assert psutil.virtual_memory().available > available - (1 << 30)
    with pytest.raises(TimeoutError):
        listener.accept()


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row["id"].startswith("ok.")], ids=lambda row: row["id"]
)
def test_honest_answers_run(sandbox, row):
    """The positive control: nothing of this gets in an honest program's way."""
    [outcome] = sandbox.run(job(row))
    assert outcome.ok, outcome
    if row["task_def"]["kind"] == "stdin":
        assert outcome.stdout.strip() == row["task_def"]["tests"][0]["stdout"].strip().encode()
