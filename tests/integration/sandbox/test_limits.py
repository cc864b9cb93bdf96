"""Bounds hold for whole process trees, and say which one was reached."""

import subprocess
import time

import psutil
import pytest

from rewards.sandbox import Job, Limits, Step, Stop
from rewards.sandbox.local import LocalSandbox

SLACK_S = 2.0
"""A busy machine's share of a wall time."""


def test_within_all_limits(python):
    # long enough for its memory to be seen
    outcome = python("import time; print(input()); time.sleep(0.1)", stdin=b"hello")
    assert (outcome.stop, outcome.exit_code, outcome.stdout, outcome.stderr) == (
        Stop.EXIT,
        0,
        b"hello\n",
        b"",
    )
    assert 0 < outcome.cpu_s < 5
    assert 0 < outcome.peak_mib < 100


def test_wall_not_only_cpu(python):
    began = time.monotonic()
    outcome = python("import time; time.sleep(60)", wall_s=0.5)
    assert outcome.stop is Stop.WALL
    assert 0.5 <= outcome.wall_s < 0.5 + SLACK_S
    assert time.monotonic() - began < 1 + SLACK_S


def test_signals_do_not_postpone_the_end(python):
    code = (
        "import signal, time\nfor s in set(signal.Signals) - {9, 19}: signal.signal(s,"
        " signal.SIG_IGN)\ntime.sleep(60)"
    )
    assert python(code, wall_s=0.5).stop is Stop.WALL


def test_cpu_of_all_processes_together(python):
    outcome = python("import os\nfor _ in range(2): os.fork()\nwhile True: pass", cpu_s=1, wall_s=60)
    assert outcome.stop is Stop.CPU
    assert 1 <= outcome.cpu_s < 3


def test_cpu_of_many_short_processes(python):
    code = "import subprocess\nwhile True: subprocess.run(['python3', '-c', 'sum(range(10**6))'])"
    assert python(code, cpu_s=1, wall_s=60).stop is Stop.CPU


@pytest.mark.parametrize(
    "forker",
    ["os.fork()", "import threading; threading.Thread(target=__import__('time').sleep, args=(60,)).start()"],
)
def test_fork_bomb(python, forker):
    code = f"import os\nwhile True:\n    try: {forker}\n    except (OSError, RuntimeError): pass"
    outcome = python(code, processes=20, wall_s=20)
    assert outcome.stop is Stop.PROCESSES


def test_processes_are_bounded_between_two_looks(python):
    """A bomb that counts how far it came: never further than a few above the limit, however fast."""
    code = """
import os
count = 0
try:
    while True:
        if os.fork() == 0:
            import time; time.sleep(60)
        count += 1
except OSError:
    os.write(1, str(count).encode()); os._exit(0)
"""
    outcome = python(code, processes=20, wall_s=20)
    assert outcome.stop is Stop.PROCESSES or int(outcome.stdout) <= 24


def test_processes_up_to_the_limit_are_fine(python):
    code = (
        "import os\nfor _ in range(15):\n    if os.fork() == 0:\n        import time; time.sleep(0.3);"
        " os._exit(0)\nprint('ok')"
    )
    assert python(code, processes=20).ok


def test_memory_of_one(python):
    before = psutil.virtual_memory().available
    outcome = python("x = [0] * (4 * 1024**3 // 8)\nimport time; time.sleep(60)", memory_mib=200, wall_s=60)
    assert outcome.stop is Stop.MEMORY
    assert psutil.virtual_memory().available > before - (2 << 30)


def test_memory_over_several_children(python):
    code = "import os, time\nfor _ in range(2): os.fork()\nx = bytearray(b'x') * (60 << 20)\ntime.sleep(60)"
    assert python(code, memory_mib=160, wall_s=60).stop is Stop.MEMORY


def test_memory_shared_after_a_fork_counts_once(python):
    code = "import os, time\nx = bytearray(b'x') * (100 << 20)\nfor _ in range(2): os.fork()\ntime.sleep(0.3)"
    assert python(code, memory_mib=200).ok


@pytest.mark.parametrize("call", ["os.memfd_create('x')", "ctypes.CDLL(None).shmget(0, 1 << 20, 0o1600)"])
def test_memory_that_no_process_shows_is_refused(python, call):
    code = f"import ctypes, os\ntry: result = {call}\nexcept OSError: result = -1\nprint(result)"
    assert python(code).stdout == b"-1\n"


def test_large_address_space_is_no_memory(python):
    assert python("import mmap; m = mmap.mmap(-1, 8 << 30); print('ok')", memory_mib=100).ok


def test_output_flood(python):
    outcome = python("while True: print('x' * 1000)", output_kib=100, wall_s=60)
    assert outcome.stop is Stop.OUTPUT
    assert len(outcome.stdout) == 100 * 1024


def test_output_of_exactly_the_limit(python):
    assert python("import sys; sys.stdout.write('x' * 10240)", output_kib=10).ok
    assert python("import sys; sys.stderr.write('x' * 10241)", output_kib=10).stop is Stop.OUTPUT


@pytest.mark.parametrize("place", ["", "/tmp/", "/dev/shm/"])
def test_disk_fill_by_many_files(python, place):
    code = f"i = 0\nwhile True:\n    open(f'{place}{{i}}', 'wb').write(bytes(1 << 20)); i += 1"
    assert python(code, disk_mib=10, wall_s=60).stop is Stop.DISK


def test_disk_of_all_places_together(python):
    code = "for place in ('', '/tmp/', '/dev/shm/'): open(place + 'x', 'wb').write(bytes(4 << 20))"
    assert python(code, disk_mib=10).stop is Stop.DISK
    assert python(code, disk_mib=13).ok


def test_disk_by_empty_files(python):
    assert python("i = 0\nwhile True: open(f'/tmp/{i}', 'w'); i += 1", wall_s=60).stop is Stop.DISK


def test_stdin_that_nobody_reads(python):
    assert python("print('ok')", stdin=bytes(10_000_000)).ok


def test_what_stays_behind_holds_nobody_up(python):
    """A daemon that keeps stdout open neither outlives the step nor delays it."""
    code = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(77.25)
    os._exit(0)
print("done")
"""
    outcome = python(code, wall_s=30)
    assert outcome.ok and outcome.stdout == b"done\n" and outcome.wall_s < 10


def test_polling_alone_holds_memory_too():
    """Where no control group can be written."""
    code = b"import os, time\nfor _ in range(2): os.fork()\nx = bytearray(b'x') * (60 << 20)\ntime.sleep(60)"
    step = Step(argv=("python3", "main.py"), limits=Limits(memory_mib=160, wall_s=60))
    with LocalSandbox(cgroups=False) as sandbox:
        assert "limits by polling" in sandbox.describe()
        assert sandbox.run(Job(files={"main.py": code}, steps=[step]))[0].stop is Stop.MEMORY


@pytest.mark.parametrize(
    ("code", "expected"),
    [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 11)", -11), ("1/0", 1)],
)
def test_exit_codes(python, code, expected):
    outcome = python(code)
    assert (outcome.stop, outcome.exit_code, outcome.ok) == (Stop.EXIT, expected, False)


def test_command_that_does_not_exist(sandbox):
    [outcome] = sandbox.run(Job(files={}, steps=[Step(argv=("no-such-command",))]))
    assert outcome.exit_code == 127 and b"no-such-command" in outcome.stderr


def test_start_costs_at_most_30_ms(sandbox):
    """Fastest of some: on a busy machine the others measure its neighbours."""
    job = Job(files={"a": b""}, steps=[Step(argv=("true",))])
    bare, inside = [], []
    for _ in range(40):
        began = time.perf_counter()
        subprocess.run(["true"], check=True)
        bare.append(time.perf_counter() - began)
        began = time.perf_counter()
        sandbox.run(job)
        inside.append(time.perf_counter() - began)
    assert min(inside) - min(bare) <= 0.030
