"""Rows survive kills and resumes."""

import math
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rl.records.jsonl import JsonlWriter, read_jsonl
from rl.records.metrics import MetricsWriter, read_metrics


def test_rows_carry_their_attempt_and_plain_numbers(tmp_path) -> None:
    path = tmp_path / "rows.jsonl"
    writer = JsonlWriter(path, attempt=1)
    writer.write(
        {"a": np.float32(0.5), "b": np.arange(2), "c": math.nan, "d": -math.inf, "e": (1, "x"), "f": tmp_path}
    )
    writer.close()
    writer.close()
    assert read_jsonl(path) == [
        {"attempt": 1, "restored_step": 0},
        {"attempt": 1, "a": 0.5, "b": [0, 1], "c": None, "d": None, "e": [1, "x"], "f": str(tmp_path)},
    ]
    with pytest.raises(ValueError, match="closed"):
        writer.write({})


def test_rows_of_one_call_are_one_write_and_are_flushed_when_enough(tmp_path, monkeypatch) -> None:
    calls: list[str] = []

    def counted(name: str) -> Callable[..., Any]:
        known = getattr(os, name)

        def call(*args: Any) -> Any:
            calls.append(name)
            return known(*args)

        return call

    for name in ("write", "fsync"):
        monkeypatch.setattr(os, name, counted(name))
    writer = JsonlWriter(tmp_path / "rows.jsonl", attempt=1, fsync_every=4)
    for count in (2, 0, 3, 2):  # with the attempt's own row: 3, 3, 6 and 8
        writer.write(*({"i": i} for i in range(count)))
    assert calls == ["write", "write", "write", "fsync", "write", "fsync"]
    assert [r.get("i") for r in read_jsonl(tmp_path / "rows.jsonl")] == [None, 0, 1, 0, 1, 2, 0, 1]
    writer.close()


def test_a_torn_tail_is_ignored_and_then_cut_off(tmp_path) -> None:
    path = tmp_path / "rows.jsonl"
    JsonlWriter(path, attempt=1).close()
    with path.open("a") as file:
        file.write('{"attempt":1,"step":0}\n{"attempt":1,"st')
    assert [r.get("step") for r in read_jsonl(path)] == [None, 0]
    JsonlWriter(path, attempt=2, restored_step=1).close()
    assert [r["attempt"] for r in read_jsonl(path)] == [1, 1, 2]


def test_a_broken_row_in_the_middle_names_its_line(tmp_path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a":1}\nnonsense\n{"a":2}\n')
    with pytest.raises(ValueError, match=r"rows.jsonl:2"):
        read_jsonl(path)


def test_a_later_attempt_supersedes_rows_from_its_restored_step_on(tmp_path) -> None:
    path = tmp_path / "metrics.jsonl"
    for attempt, restored, steps in ((1, 0, range(0, 5)), (2, 3, range(3, 6)), (3, 4, range(4, 5))):
        writer = MetricsWriter(path, attempt=attempt, restored_step=restored)
        for step in steps:
            writer.write(step, {"reward/mean": attempt / 10})
        writer.close()
    assert [(r["step"], r["attempt"]) for r in read_metrics(path)] == [(0, 1), (1, 1), (2, 1), (3, 2), (4, 3)]


def test_a_killed_writer_leaves_whole_rows(tmp_path) -> None:
    path = tmp_path / "rows.jsonl"
    code = (
        "import sys, itertools, pathlib\n"
        "from rl.records.jsonl import JsonlWriter\n"
        "writer = JsonlWriter(pathlib.Path(sys.argv[1]), attempt=1, fsync_every=0)\n"
        "for i in itertools.count():\n"
        "    writer.write({'i': i, 'text': 'x' * 2000})\n"
        "    if i == 50: print('ready', flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    process.stdout.close()
    numbers = [r["i"] for r in read_jsonl(path)[1:]]
    assert len(numbers) > 50 and numbers == list(range(len(numbers)))


def test_lines_end_at_line_feeds_alone(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('\ufeff{"a": "x\u2028\u0085y"}\n\n{"a": 2}\n{"torn', encoding="utf-8")
    assert read_jsonl(path) == [{"a": "x\u2028\u0085y"}, {"a": 2}]
