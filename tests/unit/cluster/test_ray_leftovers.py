"""What a Ray that has ended leaves running is known by its output, whatever its title, parent and state."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from rl.cluster.ray_runtime import _end_users

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


def test_a_stopped_process_that_writes_into_the_directory_is_ended_and_no_other(tmp_path):
    ours, other = tmp_path / "t2rl-ray-a", tmp_path / "t2rl-ray-ab"
    running = []
    try:
        for folder in (ours, other):
            folder.mkdir()
            with (folder / "worker-1.out").open("wb") as out:
                running.append(subprocess.Popen(SLEEP, stdout=out, start_new_session=True))
        left, stranger = running
        os.kill(left.pid, signal.SIGSTOP)
        _end_users(ours)
        assert not psutil.pid_exists(left.pid)
        assert stranger.poll() is None
    finally:
        for process in running:
            process.kill()
            process.wait()
