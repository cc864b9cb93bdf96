"""Two sandboxes joined by a socket: the tested program, and the one that tests it."""

import time

import pytest

from rewards.sandbox import Job, Limits, Sandbox, Step, Stop
from rewards.sandbox.unsafe import UnsafeSubprocess

OPEN = "import socket, sys, time\nlink = socket.socket(fileno=3)\n"


def program(code: str, **limits: float) -> Job:
    step = Step(argv=("python3", "main.py"), limits=Limits(**limits))  # by name
    return Job(files={"main.py": (OPEN + code).encode()}, steps=[step])


@pytest.fixture(params=["local", "unsafe"])
def backend(request, sandbox) -> Sandbox:
    return sandbox if request.param == "local" else UnsafeSubprocess()


def test_they_talk(backend):
    tested = program("link.sendall(link.recv(10).upper())\nlink.recv(1)")
    tester = program("link.sendall(b'hello')\nprint(link.recv(10).decode())")
    of_tested, of_tester = backend.run_linked(tested, tester)
    assert of_tester[-1].ok and of_tester[-1].stdout == b"HELLO\n"
    assert len(of_tested) == 1


def test_the_tested_is_killed_when_the_tester_ends(backend):
    began = time.monotonic()
    of_tested, of_tester = backend.run_linked(
        program("time.sleep(60)", wall_s=60), program("print('verdict')")
    )
    assert of_tester[-1].stdout == b"verdict\n" and time.monotonic() - began < 15
    assert of_tested[-1].exit_code == -9


def test_the_tester_sees_the_end_of_the_tested(backend):
    _, of_tester = backend.run_linked(program("sys.exit(3)"), program("print(link.recv(10))"))
    assert of_tester[-1].stdout == b"b''\n"


def test_the_tester_sees_the_tested_reach_its_limit(backend):
    of_tested, of_tester = backend.run_linked(
        program("while True: pass", wall_s=1), program("print(link.recv(10))", wall_s=30)
    )
    assert of_tested[-1].stop is Stop.WALL
    assert of_tester[-1].stdout == b"b''\n"


def test_a_failed_compiler_ends_it(backend):
    tested = Job(
        files={"main.py": b"1"},
        steps=[Step(argv=("python3", "-c", "raise SystemExit(1)"), keeps_changes=True), Step(argv=("true",))],
    )
    of_tested, of_tester = backend.run_linked(tested, program("print('ran')"))
    assert [outcome.exit_code for outcome in of_tested] == [1] and of_tester == []


def test_they_share_nothing_but_the_socket(sandbox):
    probe = """
import os
open("/tmp/mark", "w")
time.sleep(0.5)
descriptors = [fd for fd in range(3, 99) if os.path.exists(f"/proc/self/fd/{fd}")]
print(sorted(os.listdir("/tmp")), sum(name.isdigit() for name in os.listdir("/proc")), descriptors)
"""
    of_tested, of_tester = sandbox.run_linked(program(probe), program(probe + "\nlink.recv(1)"))
    assert of_tested[-1].stdout == of_tester[-1].stdout == b"['mark'] 2 [3]\n"


def test_only_linked_programs_have_descriptor_3(python):
    assert python("import os; print(os.path.exists('/proc/self/fd/3'))").stdout == b"False\n"
