"""What a Ray that has ended leaves running is known by what it writes to, whatever its title, parent and
state."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from rl.cluster.ray_runtime import _end_users

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def running():
    """Processes that the test starts, ended after it."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def test_a_stopped_process_that_writes_into_the_directory_is_ended_and_no_other(tmp_path, running):
    ours, other = tmp_path / "t2rl-ray-a", tmp_path / "t2rl-ray-ab"
    for folder in (ours, other):
        folder.mkdir()
        with (folder / "worker-1.out").open("wb") as out:
            running.append(subprocess.Popen(SLEEP, stdout=out, start_new_session=True))
    left, stranger = running
    os.kill(left.pid, signal.SIGSTOP)
    _end_users(ours)
    assert not psutil.pid_exists(left.pid)
    assert stranger.poll() is None


def test_an_agent_is_known_by_a_log_and_a_reader_of_it_is_a_stranger(tmp_path, running):
    log = tmp_path / "t2rl-ray-a" / "agent.out"
    log.parent.mkdir()
    log.touch()
    with log.open("ab") as written, log.open("rb") as read:
        for file in (written, read):
            running.append(subprocess.Popen(SLEEP, pass_fds=[file.fileno()], start_new_session=True))
    agent, reader = running
    _end_users(log.parent)
    assert not psutil.pid_exists(agent.pid)
    assert reader.poll() is None


def test_a_resource_tracker_is_left_to_remove_what_others_left(tmp_path):
    folder = tmp_path / "t2rl-ray-a"
    folder.mkdir()
    ours, theirs = os.pipe()
    command = [sys.executable, "-c", f"from multiprocessing.resource_tracker import main;main({ours})"]
    with (folder / "worker-1.err").open("wb") as err:
        tracker = subprocess.Popen(command, stderr=err, pass_fds=[ours])
    os.close(ours)
    try:
        _end_users(folder)
        assert tracker.poll() is None
    finally:
        os.close(theirs)
        assert tracker.wait(10) == 0
