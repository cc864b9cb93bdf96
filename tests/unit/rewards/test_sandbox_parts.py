"""The parts of the sandbox that need no bubblewrap: its command line, control groups' names, files, process
trees."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rewards.sandbox import Limits, Step, cgroups, open_sandbox, tree, view
from rewards.sandbox.base import Stop
from rewards.sandbox.bubblewrap import INIT, INIT_SCRIPT, arguments
from rewards.sandbox.files import checked_name, copied_size, copy_tree, read_named, write_files
from rewards.sandbox.unsafe import UnsafeSubprocess
from rewards.sandbox.watch import Pipes, Watch


def command(**fields: object) -> list[str]:
    step = Step(argv=("prog", "--flag"), **fields)  # by name
    return arguments(
        "/usr/bin/bwrap",
        step,
        scratch=Path("/s"),
        read_only={Path("/opt/julia"): Path("/s/ro0")},
        search_path="/opt/julia/bin:/usr/bin",
        descriptors={"seccomp": 9},
    )


def after(items: list[str], *start: str) -> str:
    """The item that follows ``start``."""
    n = len(start)
    return next(items[i + n] for i in range(len(items)) if tuple(items[i : i + n]) == start)


def test_every_namespace_and_nothing_inherited() -> None:
    found = command()
    assert {
        "--unshare-all",
        "--unshare-user",
        "--disable-userns",
        "--die-with-parent",
        "--new-session",
        "--clearenv",
    } <= set(found)
    assert after(found, "--ro-bind", "/s/ro0") == "/opt/julia"
    assert after(found, "--seccomp") == "9"
    assert [found[i + 2] for i, item in enumerate(found) if item == "--bind"] == ["/box", "/tmp", "/dev/shm"]


def test_the_program_and_its_limits_come_last() -> None:
    found = command(limits=Limits(processes=10, cpu_s=1.5, disk_mib=2))
    inner = found[found.index("--") + 1 :]
    assert inner[:4] == [INIT, "-c", INIT_SCRIPT, "init"]
    assert inner[4:] == [
        "prlimit",
        "--nproc=14",
        "--nofile=256",
        f"--fsize={3 << 20}",
        "--cpu=3",
        "--core=0",
        "--",
        "prog",
        "--flag",
    ]


def test_a_steps_environment_wins() -> None:
    found = command(env={"HOME": "/box", "NEW": "--bind"})
    assert [after(found, "--setenv", name) for name in ("HOME", "NEW", "PATH")] == [
        "/box",
        "--bind",
        "/opt/julia/bin:/usr/bin",
    ]


def test_own_groups_of_both_versions() -> None:
    text = "9:name=systemd:/\n4:memory:/a/b\n1:cpu,cpuacct:/c\n0::/user.slice/x"
    assert cgroups._own_groups(text) == {
        "name=systemd": "/",
        "memory": "/a/b",
        "cpu": "/c",
        "cpuacct": "/c",
        "": "/user.slice/x",
    }


def test_mounts_of_both_versions() -> None:
    text = (
        "proc /proc proc rw 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n"
        "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
    )
    assert cgroups._mounts(text) == {
        "memory": Path("/sys/fs/cgroup/memory"),
        "": Path("/sys/fs/cgroup/unified"),
    }


def test_a_version_2_group(tmp_path: Path) -> None:
    """On a plain directory: which file gets which number."""
    groups = cgroups.Groups(2, {"memory": tmp_path, "pids": tmp_path})
    group = groups.open("s1", Limits(memory_mib=100, disk_mib=28, processes=10))
    place = tmp_path / "s1"
    assert (place / "memory.max").read_text() == str((100 + 28 + cgroups.SLACK_MIB) << 20)
    assert (place / "pids.max").read_text() == "15"
    (place / "memory.events").write_text("low 0\noom 1\noom_kill 0\noom_group_kill 0\n")
    assert not group.out_of_memory()
    (place / "memory.events").write_text("low 0\noom 1\noom_kill 2\noom_group_kill 0\n")
    assert group.out_of_memory()
    (place / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 1\n")
    assert group.cpu_s() == 1.5


@pytest.mark.parametrize("name", ["a", "a/b", ".hidden", "a..b", "./a"])
def test_good_names(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "/a", "a/../b", "a\0"])
def test_bad_names(name: str) -> None:
    with pytest.raises(ValueError, match="relative"):
        checked_name(name)


def test_files_are_written_copied_and_read_through_no_link(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    write_files(source, {"d/e/f": b"1", "run": b"2"}, os.getuid())
    (source / "link").symlink_to(secret)
    (source / "up").symlink_to(tmp_path)
    copy_tree(source, target, os.getuid())
    assert (target / "d/e/f").read_bytes() == b"1" and os.access(target / "run", os.X_OK)
    assert (target / "link").is_symlink() and (target / "up").is_symlink()
    names = ("d/e/f", "run", "link", "up/secret", "d", "absent", "run/x")
    assert read_named(target, names) == {"d/e/f": b"1", "run": b"2"}
    assert copied_size(target) == 2 + len(str(secret)) + len(str(tmp_path))
    os.mkfifo(target / "pipe")
    assert copied_size(target) is None
    assert read_named(target, ("pipe",)) == {}


def test_a_copy_fills_holes_and_parts_links(tmp_path: Path) -> None:
    with (tmp_path / "holes").open("wb") as file:
        file.truncate(10**9)
    os.link(tmp_path / "holes", tmp_path / "again")
    assert copied_size(tmp_path) == 2 * 10**9


def test_usage_of_a_tree() -> None:
    code = "import os, time\nx = bytearray(b'x') * (20 << 20)\nos.fork()\ntime.sleep(30)"
    with subprocess.Popen(
        [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"]
    ) as root:
        deadline = time.monotonic() + 20
        while tree.measure(root.pid)[0].processes < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        usage, pids = tree.measure(root.pid)
        assert usage.processes == 2 and len(pids) == 3
        assert usage.resident_mib > 40 > tree.proportional_mib(pids) > 20
        for pid in sorted(pids):
            os.kill(pid, 9)


def test_usage_of_a_tree_that_is_gone() -> None:
    with subprocess.Popen(["true"]) as done:
        pass
    assert tree.measure(done.pid)[0] == tree.Usage(0, 0.0, 0.0)


def test_toolchains_never_show_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, opt = tmp_path / "home", tmp_path / "opt" / "julia-1"
    for place in (home / "bin", opt / "bin"):
        place.mkdir(parents=True)
    for path in (home / "bin" / "lua", opt / "bin" / "julia"):
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{home}/bin:{opt}/bin:/usr/bin:/bin")
    assert view.toolchains() == [opt]
    assert view.search_path([opt]) == f"{opt}/bin:{view.SYSTEM_PATH}"


@pytest.mark.parametrize("spec", ["docker", {"kind": "docker"}, {"kind": "unsafe_subprocess", "cores": 3}])
def test_open_sandbox_names_what_is_wrong(spec: object) -> None:
    with pytest.raises(ValueError, match="sandbox"):
        open_sandbox(spec)  # on purpose


def test_unsafe_warns(caplog: pytest.LogCaptureFixture) -> None:
    assert isinstance(open_sandbox("unsafe_subprocess"), UnsafeSubprocess)
    assert "its files and its network" in caplog.text


def test_a_look_at_the_limits_does_not_forget_that_a_pipe_was_over_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    idle = tree.Usage(cpu_s=0.0, resident_mib=1.0, processes=1)
    monkeypatch.setattr(tree, "measure", lambda init: (idle, []))
    reading, writing = os.pipe()
    pipes = Pipes(stdin=-1, stdout=reading, stderr=-1, status=-1, release=-1)
    process: Any = None
    watch = Watch(process, pipes, Limits(output_kib=1), b"", None, lambda: False, lambda: False)
    watch._texts = {reading: bytearray()}
    os.write(writing, b"x" * 1025)
    watch._read(reading)
    watch._check(0.0)
    assert watch._stop is Stop.OUTPUT
    for fd in (reading, writing):
        os.close(fd)
