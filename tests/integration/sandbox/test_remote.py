"""The HTTP service: same outcomes as the local backend, and what it refuses."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from rewards.sandbox import Job, Limits, SandboxError, Step, Stop, open_sandbox
from rewards.sandbox.remote import RemoteSandbox

TOKEN = "correct-horse"


@pytest.fixture(scope="module")
def service(sandbox, tmp_path_factory) -> Iterator[str]:
    token_file = tmp_path_factory.mktemp("token") / "token"
    token_file.write_text(TOKEN + "\n")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "rl.cli",
        "sandbox",
        "serve",
        "--port",
        str(port),
        "--workers",
        "1",
        "--token-file",
        str(token_file),
    ]
    process = subprocess.Popen([*command, "--max-body-mib", "2"])
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while True:
        try:
            httpx.get(f"{address}/health")
            break
        except httpx.TransportError:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
    yield address
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0


@pytest.fixture
def remote(service) -> Iterator[RemoteSandbox]:
    client = RemoteSandbox(service, token=TOKEN)
    yield client
    client.close()


def stripped(outcome) -> tuple:
    return outcome.stop, outcome.exit_code, outcome.stdout, outcome.stderr, outcome.files


JOBS = {
    "steps": Job(
        files={
            "a.py": b"import sys; print(sys.stdin.read()); open('b', 'wb').write(b'\\xff')",
            "d/e": b"\x00\xff",
        },
        steps=[
            Step(argv=("python3", "a.py"), stdin=b"x", keeps_changes=True, collect=("b", "d/e")),
            Step(argv=("sh", "-c", "ls; exit 3"), env={"A": "1"}),
            Step(argv=("true",)),
        ],
    ),
    "limit": Job(files={}, steps=[Step(argv=("yes",), limits=Limits(output_kib=5))]),
    "signal": Job(files={}, steps=[Step(argv=("sh", "-c", "kill -11 $$"))]),
    "no utf-8": Job(files={}, steps=[Step(argv=("printf", "\\377"))]),
}


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_remote_equals_local(sandbox, remote, job):
    assert [stripped(outcome) for outcome in remote.run(job)] == [
        stripped(outcome) for outcome in sandbox.run(job)
    ]


def test_linked(remote):
    talk = b"import socket; s = socket.socket(fileno=3); s.sendall(b'hi'); print(s.recv(2))"
    job = Job(files={"a.py": talk}, steps=[Step(argv=("python3", "a.py"))])
    _, of_tester = remote.run_linked(job, job)
    assert of_tester[0].stdout == b"b'hi'\n"


def test_open_sandbox_takes_an_address(service):
    opened = open_sandbox({"kind": service, "token": TOKEN})
    assert isinstance(opened, RemoteSandbox)
    with closing(opened):
        assert opened.run(Job(files={}, steps=[Step(argv=("true",))]))[0].ok


@pytest.mark.parametrize("token", [None, "wrong"])
def test_token(service, token):
    with closing(RemoteSandbox(service, token=token)) as sandbox, pytest.raises(SandboxError, match=r"401"):
        sandbox.run(Job(files={}, steps=[Step(argv=("true",))]))


def test_too_large(remote):
    with pytest.raises(SandboxError, match=r"413.*2 MiB"):
        remote.run(Job(files={"x": bytes(3 << 20)}, steps=[Step(argv=("true",))]))


def test_names_and_limits_are_checked_there_too(service, remote):
    wire = {"files": {"../x": ""}, "steps": [{"argv": ["true"]}]}
    answer = httpx.post(f"{service}/run", json={"jobs": [wire]}, headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 400 and "relative" in answer.json()["error"]
    with pytest.raises(SandboxError, match=r"400.*wall_s"):
        remote.run(Job(files={}, steps=[Step(argv=("true",), limits=Limits(wall_s=1e6))]))


def test_a_full_queue_pushes_back_and_loses_nothing(service, remote):
    """One worker, four may wait: of ten calls at once some see 503, and by trying again all are served."""
    job = Job(files={}, steps=[Step(argv=("sleep", "0.3"))])
    outcomes, codes = [], []

    def call() -> None:
        outcomes.append(remote.run(job)[0].stop)

    callers = [threading.Thread(target=call) for _ in range(10)]
    for caller in callers:
        caller.start()
    while any(caller.is_alive() for caller in callers):
        health = httpx.get(f"{service}/health").json()
        codes.append((health["running"], health["waiting"]))
        time.sleep(0.05)
    assert outcomes == [Stop.EXIT] * 10
    assert max(running for running, _ in codes) == 1 and max(waiting for _, waiting in codes) == 4


def test_a_service_that_is_away(remote):
    nobody = RemoteSandbox("http://127.0.0.1:9", patience_s=0.5)
    with closing(nobody), pytest.raises(SandboxError, match="away"):
        nobody.run(Job(files={}, steps=[Step(argv=("true",))]))


def test_open_to_others_needs_a_token():
    command = [sys.executable, "-m", "rl.cli", "sandbox", "serve", "--host", "0.0.0.0"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "COLUMNS": "200"}
    )
    assert done.returncode == 2 and "--token-file" in done.stderr
