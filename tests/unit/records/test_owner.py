"""A process is told from a stranger with its number, and no clock that is set makes it one."""

import os
import subprocess
import sys

import psutil
import pytest

from rl.records.owner import BOOT, Owner, birth

linux = pytest.mark.skipif(not BOOT.is_file(), reason="the clock moves psutil's create_time on Linux")


@pytest.fixture
def set_clock(monkeypatch):
    """Moves the wall clock as processes see their own start: psutil adds the boot's time to it."""

    def move(seconds):
        before = psutil._pslinux.boot_time()
        monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: before + seconds)

    return move


@linux
@pytest.mark.parametrize("seconds", [-3600.0, 1.0, 86400.0])
def test_a_clock_that_is_set_kills_nobody(set_clock, seconds):
    me = Owner.read(Owner.me().as_json())
    set_clock(seconds)
    assert psutil.Process().create_time() != me.created, "the clock was moved"
    assert me.alive


def test_another_birth_is_a_stranger():
    me = Owner.me()
    assert Owner(me.pid, me.created, me.host, "another moment").alive is False


def test_an_older_claim_is_told_by_its_time():
    me = Owner.me()
    assert Owner(me.pid, me.created, me.host).alive
    assert Owner(me.pid, me.created - 100, me.host).alive is False


def test_a_process_that_is_gone_or_waits_to_be_reaped_was_never_born():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert birth(process.pid) not in (None, birth(os.getpid()))
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert birth(process.pid) is None, "a zombie"
    process.communicate()
    assert birth(process.pid) is None
