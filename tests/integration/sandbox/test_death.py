"""Whoever is killed, and however, nothing stays: no process, no file, no mount, no control group."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pytest

from rewards.sandbox import Job, Limits, SandboxError, Step, Stop
from rewards.sandbox.local import LocalSandbox

PROGRAM = b"""
import os, time
for _ in range(3):
    os.fork()
if os.getpid() != 2:
    os.setsid()
open("/tmp/big", "wb").write(bytes(40 << 20))
time.sleep(300)
"""
CONTROLLER = f"""
import sys
from rewards.sandbox import Job, Limits, Step
from rewards.sandbox.local import LocalSandbox
sandbox = LocalSandbox()
print(sandbox.supervisor_pid, flush=True)
step = Step(argv=("python3", "a.py", sys.argv[1]), limits=Limits(wall_s=300, memory_mib=2048))
sandbox.run(Job(files={{"a.py": {PROGRAM!r}}}, steps=[step]))
"""

WRAPPER = """#!/usr/bin/python3 -I
import os, sys
if sys.argv[1].startswith("--unshare") and os.fork() == 0:
    os.setsid()
    os.closerange(0, 64)
    os.execv("/bin/sleep", ["{mark}", "300"])
os.execv("{bwrap}", sys.argv)
"""


def marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if mark in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def wait_until(condition, timeout_s: float = 20.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def dead(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def control_groups(supervisor: int) -> list[Path]:
    own = Path("/proc/self/cgroup").read_text().splitlines()
    paths = [line.split(":", 2)[2].lstrip("/") for line in own]
    roots = [root / path for root in Path("/sys/fs/cgroup").iterdir() for path in paths]
    return [group for root in roots for group in root.glob(f"t2rl-sandbox-{supervisor}/")]


def swept(supervisor: int) -> bool:
    """Starting a sandbox removes the groups of the dead."""
    with LocalSandbox():
        return control_groups(supervisor) == []


@pytest.mark.parametrize(
    "victim",
    [
        "controller",
        "supervisor",
        "guard",
        "controller of a stopped supervisor",
        "controller of a stopped guard",
    ],
)
def test_kill_9(sandbox, victim):
    mark = f"mark-{os.getpid()}-{victim.replace(' ', '-')}"
    mounts = Path("/proc/self/mounts").read_text()
    controller = subprocess.Popen(
        [sys.executable, "-c", CONTROLLER, mark], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert controller.stdout is not None
    supervisor = int(controller.stdout.readline())
    try:
        # The controller and bubblewrap (outer, init) carry the mark in their arguments too.
        assert wait_until(lambda: len(marked(mark)) >= 9), marked(mark)
        guard = psutil.Process(supervisor).ppid()
        pids = {"controller": controller.pid, "supervisor": supervisor, "guard": guard}
        if "stopped" in victim:
            os.kill(pids[victim.split()[-1]], signal.SIGSTOP)
        os.kill(pids[victim.split()[0]], signal.SIGKILL)
        assert wait_until(lambda: not [p for p in marked(mark) if p.pid != controller.pid]), marked(mark)
        assert wait_until(lambda: dead(supervisor) and dead(guard))
        assert Path("/proc/self/mounts").read_text() == mounts
        assert wait_until(lambda: swept(supervisor))
    finally:
        controller.kill()
        controller.wait()
        controller.stdout.close()


@pytest.fixture
def open_folder():
    """Open to the uids of sandboxes, as pytest's own folders are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_half_started_bubblewrap_dies_with_the_supervisor(open_folder, monkeypatch):
    """Killed between the two halves of its start, bubblewrap leaves a process that waits for ever. A wrapper
    that leaves one each time stands for it."""
    mark = f"mark-{os.getpid()}-half-started"
    bwrap = open_folder / "bwrap"
    bwrap.write_text(WRAPPER.format(mark=mark, bwrap=shutil.which("bwrap")))
    bwrap.chmod(0o755)
    monkeypatch.setenv("PATH", f"{open_folder}{os.pathsep}{os.environ['PATH']}")

    with LocalSandbox() as sandbox:
        assert wait_until(lambda: marked(mark) != [])
        os.kill(sandbox.supervisor_pid, signal.SIGKILL)
        assert wait_until(lambda: marked(mark) == [])


def test_memory_comes_back(sandbox):
    """40 MiB in the tmpfs of each run, for many runs, would show."""
    before = psutil.virtual_memory().shared  # where a tmpfs counts, and other programs' memory does not
    step = Step(argv=("python3", "-c", "open('/tmp/x', 'wb').write(bytes(40 << 20))"))
    for _ in range(20):
        assert sandbox.run(Job(files={}, steps=[step]))[0].ok
    assert psutil.virtual_memory().shared < before + (400 << 20)


def test_a_caller_that_gives_up_takes_its_sandbox_along():
    mark = f"mark-{os.getpid()}-close"
    with LocalSandbox() as sandbox:
        job = Job(
            files={},
            steps=[
                Step(argv=("python3", "-c", "import time; time.sleep(300)", mark), limits=Limits(wall_s=300))
            ],
        )
        errors: list[Exception] = []

        def call() -> None:
            try:
                sandbox.run(job)
            except SandboxError as error:
                errors.append(error)

        caller = threading.Thread(target=call)
        caller.start()
        assert wait_until(lambda: marked(mark) != [])
    caller.join(20)
    assert len(errors) == 1 and wait_until(lambda: marked(mark) == [])


def test_a_killed_supervisor_is_replaced():
    job = Job(files={}, steps=[Step(argv=("true",))])
    with LocalSandbox() as sandbox:
        first = sandbox.supervisor_pid
        os.kill(first, signal.SIGKILL)
        assert wait_until(lambda: dead(first))
        assert sandbox.run(job)[0].ok
        assert sandbox.supervisor_pid != first


def test_closed_is_closed():
    sandbox = LocalSandbox()
    sandbox.close()
    sandbox.close()
    with pytest.raises(SandboxError, match="closed"):
        sandbox.run(Job(files={}, steps=[Step(argv=("true",))]))


def test_without_bubblewrap_it_refuses(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SandboxError, match="apt-get install bubblewrap"):
        LocalSandbox()


def test_many_at_once_each_get_their_own():
    """More callers than places; short and linked runs, and ends by limit, mixed."""
    failures: list[object] = []

    def call(sandbox: LocalSandbox, number: int) -> None:
        for turn in range(6):
            text = f"{number}-{turn}".encode()
            plain = Job(files={"a": text}, steps=[Step(argv=("cat", "a")), Step(argv=("cat",), stdin=text)])
            if [outcome.stdout for outcome in sandbox.run(plain)] != [text, text]:
                failures.append((number, turn))
            flood = Job(files={}, steps=[Step(argv=("yes",), limits=Limits(output_kib=4))])
            if sandbox.run(flood)[0].stop is not Stop.OUTPUT:
                failures.append((number, turn, "flood"))
            ends = sandbox.run_linked(
                Job(files={}, steps=[Step(argv=("sh", "-c", f"echo {number} >&3"))]),
                Job(files={}, steps=[Step(argv=("sh", "-c", "cat <&3"))]),
            )
            if ends[1][0].stdout != b"%d\n" % number:
                failures.append((number, turn, ends))

    with LocalSandbox(parallel=6) as sandbox:
        callers = [threading.Thread(target=call, args=(sandbox, number)) for number in range(8)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    assert failures == []


def test_descriptors_do_not_pile_up(sandbox):
    def count() -> int:
        return len(list(Path(f"/proc/{sandbox.supervisor_pid}/fd").iterdir()))

    job = Job(files={}, steps=[Step(argv=("true",)), Step(argv=("no-such-command",))])
    sandbox.run(job)
    before = count()
    for _ in range(10):
        sandbox.run(job)
        sandbox.run_linked(job, job)
    assert wait_until(lambda: count() <= before, 5), (before, count())
