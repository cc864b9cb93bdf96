"""t2rl stop: signals reach the owner alone, and the wait ends with it."""

import json
import subprocess
import sys
import time

import pytest

from rl.commands.runs.stop import stop_run
from rl.records.owner import Owner
from tests.unit.commands.runs.made import make_run, status

OBEDIENT = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("ready", flush=True)
time.sleep(60)
"""
STUBBORN = """
import signal, sys, time
seen = []
def heard(*_):
    seen.append(1)
    if len(seen) == 2:
        sys.exit(0)
signal.signal(signal.SIGTERM, heard)
print("ready", flush=True)
while True:
    time.sleep(60)
"""


@pytest.fixture
def owned(tmp_path):
    """(run, process that owns it)"""
    processes = []

    def make(code):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout.readline() == b"ready\n"
        run = make_run(tmp_path, "mine")
        owner = Owner.of(process.pid)
        (run / ".owner").write_text(json.dumps(owner.as_json()))
        status(run, "running", owner=owner)
        return run, process, owner

    yield make
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def test_the_owner_gets_one_signal_and_is_waited_for(owned):
    run, process, _ = owned(OBEDIENT)
    said: list[str] = []
    assert stop_run(run, now=False, timeout_s=20, say=said.append)
    assert process.wait(5) == 0
    assert said[0] == f"asked process {process.pid} to stop: it finishes its step and writes a checkpoint"
    assert said[-1].startswith("mine has left. It died at step 4. It has no checkpoint yet")


def test_one_that_does_not_leave_in_time_is_said(owned):
    run, process, _ = owned(STUBBORN)
    said: list[str] = []
    assert not stop_run(run, now=False, timeout_s=0.5, say=said.append)
    assert process.poll() is None
    assert "mine is still there" in said[-1] and "t2rl stop --now" in said[-1]


def test_now_signals_twice(owned):
    run, process, _ = owned(STUBBORN)
    assert stop_run(run, now=True, timeout_s=20, say=lambda _: None)
    assert process.wait(5) == 0


def test_now_signals_once_where_it_is_stopping_already(owned):
    run, process, owner = owned(OBEDIENT)
    status(run, "stopping", owner=owner)
    began = time.monotonic()
    assert stop_run(run, now=True, timeout_s=20, say=lambda _: None)
    assert process.wait(5) == 0 and time.monotonic() - began < 10


def test_one_that_is_stopping_is_not_asked_again(owned):
    run, process, owner = owned(OBEDIENT)
    status(run, "stopping", owner=owner)
    said: list[str] = []
    assert not stop_run(run, now=False, timeout_s=0.5, say=said.append)
    assert process.poll() is None
    assert "is stopping already" in said[0]


def test_a_stranger_with_the_owners_number_is_left_alone(owned):
    run, process, owner = owned(OBEDIENT)
    (run / ".owner").write_text(json.dumps(owner.as_json() | {"born": "another moment"}))
    said: list[str] = []
    assert stop_run(run, now=True, timeout_s=5, say=said.append)
    assert process.poll() is None
    assert said[0].startswith("mine is not running.")


def test_a_run_that_nobody_holds_is_not_running(tmp_path):
    run = make_run(tmp_path, "mine")
    status(run, "finished")
    said: list[str] = []
    assert stop_run(run, now=False, timeout_s=5, say=said.append)
    assert said == ["mine is not running. It finished at step 4."]


def test_a_run_on_another_host_says_so(tmp_path):
    run = make_run(tmp_path, "mine")
    (run / ".owner").write_text(json.dumps({"pid": 1, "created": 0.0, "host": "elsewhere"}))
    with pytest.raises(ValueError, match="by process 1 on host elsewhere: run t2rl stop"):
        stop_run(run, now=False, timeout_s=5, say=print)
