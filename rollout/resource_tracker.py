"""Python's resource tracker, out of the reach of whoever kills this process."""

import os
import subprocess
import sys
from multiprocessing import resource_tracker


def keep_resource_tracker() -> None:
    """Start this process's resource tracker in a process group of its own, if it can be.

    vLLM's processes have semaphores and shared memory with names, which outlive them. The tracker removes
    those when the last of them has ended, however it ended. But Ray kills an actor's whole process group with
    it, and a tracker of that group would die first. (``RAY_ENV`` lets it live when the actor ends otherwise.)
    The leader of a session cannot leave its group; its tracker stays in it.
    """
    before = os.getpgid(0)
    if os.getsid(0) == os.getpid():
        return
    # A group begins with a leader and lasts as long as any member. The leader waits for the end of its input;
    # this Python is the one program that is there whatever PATH says.
    wait = [sys.executable, "-I", "-S", "-c", "import sys; sys.stdin.read()"]
    leader = subprocess.Popen(wait, stdin=subprocess.PIPE, process_group=0)
    try:
        os.setpgid(0, leader.pid)
        try:
            resource_tracker.ensure_running()
        finally:
            os.setpgid(0, before)
    finally:
        leader.communicate()
