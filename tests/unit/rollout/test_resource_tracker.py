"""Semaphores of an actor's children are removed when its whole process group is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/shm")
ACTOR = """
import multiprocessing, os
from rollout.resource_tracker import keep_resource_tracker

group = os.getpgid(0)
keep_resource_tracker()
assert os.getpgid(0) == group, "back in the group that Ray kills"
lock = multiprocessing.get_context("spawn").Lock()
print(lock._semlock.name.strip("/"), flush=True)
input()
"""


def test_the_tracker_outlives_the_group_and_removes_what_it_left():
    # As Ray starts an actor: at the head of a group, in a session of another's. No program is on the path.
    actor = subprocess.Popen(
        [sys.executable, "-c", ACTOR],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
        env=os.environ | {"PATH": ""},
    )
    with actor:
        semaphore = Path("/dev/shm") / f"sem.{actor.stdout.readline().strip()}"
        assert semaphore.exists()
        os.killpg(actor.pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while semaphore.exists():
        assert time.monotonic() < deadline, f"{semaphore} stays"
        time.sleep(0.05)
