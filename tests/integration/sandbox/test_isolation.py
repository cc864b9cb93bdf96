"""What a program sees and reaches of the host: nothing that matters."""

import ast
import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from rewards.sandbox import Job, Limits, Step, Stop
from rewards.sandbox.local import LocalSandbox


def test_user_and_privileges(python):
    code = (
        "import os; print(os.getuid(), os.getgid(), os.getgroups()); print(open('/proc/self/status').read())"
    )
    text = python(code).stdout.decode()
    assert text.startswith("1000 1000 []")
    assert "CapEff:\t0000000000000000" in text and "CapBnd:\t0000000000000000" in text
    assert "NoNewPrivs:\t1" in text and "Seccomp:\t2" in text


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give sandboxes a uid of their own")
def test_uid_outside_is_unprivileged(sandbox):
    found: list[int] = []
    job = Job(files={}, steps=[Step(argv=("sleep", "77.125"), limits=Limits(wall_s=2))])
    caller = threading.Thread(target=lambda: sandbox.run(job))
    caller.start()
    while caller.is_alive() and not found:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "cmdline").read_bytes() == b"sleep\x0077.125\x00":
                    found.append(process.stat().st_uid)
            except OSError:
                continue
    caller.join()
    assert found and all(64_000 <= uid < 65_000 for uid in found)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/shadow",
        "/etc/ssh",
        "/etc/machine-id",
        "/home",
        "/var",
        "/run",
        "/sys",
        "/mnt",
        "/boot",
        "/root/.ssh",
        "/root/.bashrc",
    ],
)
def test_host_paths_are_absent(python, path):
    assert python(f"import os; print(os.path.lexists({path!r}))").stdout == b"False\n"


def test_this_repository_is_absent(python):
    here = str(Path(__file__).resolve())
    assert python(f"import os; print(os.path.exists({here!r}))").stdout == b"False\n"


def test_a_directory_that_is_shown_is_read_only(sandbox, tmp_path):
    shown = tmp_path / "tool" / "bin"
    shown.mkdir(parents=True)
    (shown / "hello").write_text("#!/bin/sh\necho hello; echo x > $0; echo x > ${0%/*}/new\n")
    (shown / "hello").chmod(0o755)
    (tmp_path / "beside").write_text("beside")
    job = Job(files={}, steps=[Step(argv=("sh", "-c", f"hello; cat {tmp_path}/beside"))])
    with LocalSandbox(read_only=[shown.parent]) as own:
        [outcome] = own.run(job)
    assert outcome.stdout == b"hello\n" and outcome.stderr.count(b"Read-only file system") == 2
    assert [path.name for path in shown.iterdir()] == ["hello"]
    with pytest.raises(ValueError, match="no directory"):
        LocalSandbox(read_only=[tmp_path / "absent"])


def test_accounts_are_not_the_hosts(python):
    assert python("print(open('/etc/passwd').read())").stdout.decode().split() == [
        "root:x:0:0::/:/usr/sbin/nologin",
        "sandbox:x:1000:1000::/tmp:/bin/sh",
    ]


@pytest.mark.parametrize(
    "path", ["/x", "/usr/x", "/etc/x", "/dev/x", "/proc/sys/kernel/hostname", "/proc/1/oom_score_adj/x"]
)
def test_root_is_read_only(python, path):
    outcome = python(f"open({path!r}, 'w').write('x')")
    assert outcome.exit_code == 1 and outcome.stderr.rstrip().splitlines()[-1].split(b":")[0] in (
        b"OSError",
        b"PermissionError",
        b"NotADirectoryError",
    )


def test_environment_is_not_inherited(sandbox, python, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "abc")
    text = python("import os; print(dict(os.environ))", env={"GIVEN": "1"}).stdout
    assert b"SECRET_TOKEN" not in text and b"'GIVEN': '1'" in text


def test_no_descriptor_is_inherited(python):
    held = os.open("/etc/shadow" if os.getuid() == 0 else "/etc/passwd", os.O_RDONLY)
    os.set_inheritable(held, True)
    try:
        code = "import os; print([fd for fd in range(3, 256) if os.path.exists(f'/proc/self/fd/{fd}')])"
        assert python(code).stdout == b"[]\n"
    finally:
        os.close(held)


def test_init_is_inside_the_filter_too(python):
    """Else a program could write code into it, and act from there."""
    assert b"Seccomp:\t2" in python("print(open('/proc/1/status').read())").stdout


@pytest.mark.skipif(
    os.getuid() != 0, reason="as another user the kernel takes the sandbox for the owner of its init's binary"
)
@pytest.mark.parametrize("name", ["mem", "environ", "maps", "fd/0"])
def test_init_is_out_of_reach(python, name):
    outcome = python(f"open('/proc/1/{name}', 'rb').read(1)")
    assert outcome.exit_code == 1 and b"PermissionError" in outcome.stderr


def test_orphans_are_reaped(python):
    """Zombies would fill the process limit."""
    code = """
import os, time
for _ in range(60):
    if os.fork() == 0:
        if os.fork() == 0:
            os._exit(0)
        os._exit(0)
    os.wait()
    time.sleep(0.005)
time.sleep(0.1)
print(sum(name.isdigit() for name in os.listdir("/proc")))
"""
    outcome = python(code, processes=20)
    assert outcome.stdout == b"2\n", outcome


def test_no_network(python):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        port = server.getsockname()[1]
        code = f"""
import socket
for address in (("127.0.0.1", {port}), ("192.0.2.1", 80)):
    try: socket.create_connection(address, 1); print("CONNECTED")
    except OSError as error: print("refused")
"""
        assert python(code).stdout == b"refused\nrefused\n"
        with pytest.raises(TimeoutError):
            server.accept()


def test_no_abstract_unix_socket_of_the_host(python):
    name = "\0t2rl-sandbox-test"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        code = f"""
import socket
try:
    socket.socket(socket.AF_UNIX).connect({name!r})
    print("CONNECTED")
except OSError:
    print("refused")
"""
        assert python(code).stdout == b"refused\n"


@pytest.mark.parametrize("family", ["AF_VSOCK", "AF_ALG", "AF_PACKET"])
def test_sockets_round_the_network_namespace(python, family):
    code = f"""
import socket
try:
    socket.socket(socket.{family}, socket.SOCK_STREAM)
    print("open")
except PermissionError:
    print("refused")
"""
    assert python(code).stdout == b"refused\n"


def test_proc_shows_only_the_sandbox(python):
    pids = ast.literal_eval(
        python("import os; print([p for p in os.listdir('/proc') if p.isdigit()])").stdout.decode()
    )
    assert len(pids) == 2


def test_no_signal_reaches_the_host(python):
    with subprocess.Popen(["sleep", "60"]) as bystander:
        code = f"""
import os
for pid in [{bystander.pid}, {os.getpid()}, *range(2, 40000)]:
    if pid != os.getpid():
        try: os.kill(pid, 9); print("killed", pid)
        except ProcessLookupError: pass
try: os.kill(-1, 15)
except ProcessLookupError: pass
"""
        outcome = python(code)
        assert outcome.stdout == b""
        assert bystander.poll() is None
        bystander.kill()


@pytest.mark.parametrize(
    "call",
    [
        "ptrace(16, 1, 0, 0)",
        "unshare(0x10000000)",
        "mount(b'none', b'/tmp', b'tmpfs', 0, 0)",
        "syscall(321, 0, 0, 0)",  # bpf
        "syscall(298, 0, 0, 0, 0, 0)",  # perf_event_open
        "syscall(425, 8, 0)",  # io_uring_setup
        "syscall(250, 0, 0, 0, 0, 0)",  # keyctl
        "syscall(323, 0)",  # userfaultfd
        "syscall(56, 0x10000011, 0, 0, 0, 0)",  # clone with a new user namespace
    ],
)
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="system call numbers of x86-64")
def test_system_calls_refused(python, call):
    code = f"import ctypes; libc = ctypes.CDLL(None, use_errno=True); print(libc.{call}, ctypes.get_errno())"
    assert python(code).stdout == b"-1 1\n"


def test_threads_and_processes_still_work(python):
    code = (
        "import multiprocessing as m\nif __name__ == '__main__':\n    with m.Pool(2) as p: print(p.map(abs,"
        " [-1, -2]))"
    )
    assert python(code).stdout == b"[1, 2]\n"


def test_two_at_once_see_nothing_of_each_other(sandbox):
    code = b"""
import os, sys, time
open("/tmp/mark" + sys.argv[1], "w")
time.sleep(0.5)
print(sorted(os.listdir("/tmp")), sum(name.isdigit() for name in os.listdir("/proc")))
"""
    texts: dict[str, bytes] = {}

    def run(name: str) -> None:
        job = Job(files={"a.py": code}, steps=[Step(argv=("python3", "a.py", name))])
        texts[name] = sandbox.run(job)[0].stdout

    callers = [threading.Thread(target=run, args=(name,)) for name in "ab"]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert texts == {"a": b"['marka'] 2\n", "b": b"['markb'] 2\n"}


def test_wall_limit_is_the_supervisors(python):
    assert (
        python("import time\ntime.time = time.monotonic = lambda: 0\nwhile True: pass", wall_s=0.5).stop
        is Stop.WALL
    )
