"""The trace opens in Perfetto at every moment: it is a JSON array after each flush."""

import json
import os
import signal
import subprocess
import sys

import pytest

from rl.records.trace import FLUSH_EVENTS, TraceWriter


def spans(path) -> list[dict]:
    return [e for e in json.loads(path.read_text()) if e["ph"] == "X"]


def tracks(path) -> dict[int, str]:
    return {e["tid"]: e["args"]["name"] for e in json.loads(path.read_text()) if e["name"] == "thread_name"}


def test_a_span_says_when_how_long_and_why(tmp_path) -> None:
    path = tmp_path / "trace.json"
    trace = TraceWriter(path)
    trace.complete("learner", "train 3", 10.0, 12.5, step=3)
    trace.counter("staleness", 2, time_s=11.0)
    trace.instant("learner", "restart", reason="killed")
    trace.close()
    trace.close()
    (span,) = spans(path)
    assert (span["name"], span["ts"], span["dur"], span["args"]) == ("train 3", 10.0e6, 2.5e6, {"step": 3})
    assert tracks(path)[span["tid"]] == "learner"
    (counter,) = (e for e in json.loads(path.read_text()) if e["ph"] == "C")
    assert (counter["name"], counter["args"], counter["ts"]) == ("staleness", {"value": 2}, 11.0e6)


def test_overlapping_spans_get_lanes_of_their_own(tmp_path) -> None:
    path = tmp_path / "trace.json"
    trace = TraceWriter(path)
    for name, start, end in (("a", 0, 4), ("b", 1, 2), ("c", 2, 3), ("d", 4, 5)):
        trace.complete("groups", name, start, end)
    trace.close()
    names = tracks(path)
    assert {s["name"]: names[s["tid"]] for s in spans(path)} == {
        "a": "groups",
        "b": "groups #2",
        "c": "groups #2",
        "d": "groups",
    }


def test_a_span_is_written_when_its_block_raises_and_spans_nest(tmp_path) -> None:
    path = tmp_path / "trace.json"
    trace = TraceWriter(path)
    with pytest.raises(RuntimeError), trace.span("loop", "outer"), trace.span("loop", "inner"):
        raise RuntimeError
    trace.close()
    inner, outer = spans(path)
    assert (inner["name"], outer["name"]) == ("inner", "outer") and inner["tid"] == outer["tid"]
    assert outer["ts"] <= inner["ts"] and inner["ts"] + inner["dur"] <= outer["ts"] + outer["dur"] + 1


def test_every_flush_leaves_a_complete_file_and_a_resume_appends(tmp_path) -> None:
    path = tmp_path / "trace.json"
    for attempt in range(3):
        trace = TraceWriter(path)
        for i in range(3):
            trace.complete("learner", f"{attempt}.{i}", i, i + 1)
            trace.flush()
            json.loads(path.read_text())
        trace.close()
    assert [s["name"] for s in spans(path)] == [f"{a}.{i}" for a in range(3) for i in range(3)]


def test_a_killed_writer_leaves_a_file_that_opens(tmp_path) -> None:
    path = tmp_path / "trace.json"
    code = (
        "import sys, itertools, pathlib\n"
        "from rl.records.trace import TraceWriter\n"
        "trace = TraceWriter(pathlib.Path(sys.argv[1]))\n"
        "for i in itertools.count():\n"
        "    trace.complete('loop', 'x' * 500, i, i + 1)\n"
        "    if i == 300: print('ready', flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    process.stdout.close()
    assert len(spans(path)) > 301 - FLUSH_EVENTS


def test_a_foreign_file_is_replaced(tmp_path) -> None:
    path = tmp_path / "trace.json"
    path.write_text("not a trace")
    TraceWriter(path).close()
    assert json.loads(path.read_text())[0]["name"] == "process_name"
