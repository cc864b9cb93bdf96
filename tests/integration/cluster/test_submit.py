"""A real submission to a real job server, where the installed Ray has one; and the words when it has none."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rl.cli import app

HEAD = """
import sys, ray
ray.init(address="local", num_cpus=2, include_dashboard=True, dashboard_port=int(sys.argv[1]),
    object_store_memory=200 << 20)
print("up", flush=True)
sys.stdin.read()
ray.shutdown()
"""
CLIENT = """
import sys, typer
from dataclasses import replace
from rl.cli.exits import exit_codes
from rl.cluster.launch import Submission, submit
plan = Submission.plan("debug", ["run.dir=/runs"], address=sys.argv[1], working_dir=sys.argv[3])
job = replace(plan, entrypoint=sys.argv[2])
def run():
    with exit_codes():
        code = submit(job, echo=lambda text: print(text, end="", flush=True))
    raise typer.Exit(code)
sys.argv = sys.argv[:1]
typer.run(run)
"""
SLOW_TO_LEAVE = """
import signal, sys, time

def leave(*_):
    time.sleep(5)  # Longer than the 3 s that Ray itself waits.
    open(sys.argv[1], "w").write("checkpoint")
    sys.exit(130)

signal.signal(signal.SIGTERM, leave)
print("training", flush=True)
time.sleep(300)
"""
TOKEN = os.environ | {"RAY_AUTH_MODE": "token"}
PORT = 28265
HAS_JOB_SERVER = all(
    importlib.util.find_spec(m) for m in ("aiohttp_cors", "opencensus", "virtualenv", "smart_open")
)


def test_without_a_dashboard_the_error_says_what_the_head_needs() -> None:
    result = CliRunner().invoke(app, ["launch", "debug", "run.dir=/runs", "--address", "http://127.0.0.1:9"])
    assert result.exit_code == 2
    assert "ray[default]" in result.output and "--address http://127.0.0.1:9" in result.output


@pytest.fixture(scope="module")
def head():
    """A head with a dashboard and token authentication, as ``ray start --head`` makes it."""
    environment = os.environ | {"RAY_AUTH_MODE": "token"}
    command = [sys.executable, "-c", HEAD, str(PORT)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None and process.stdin is not None
    line = process.stdout.readline()
    while line and line.strip() != "up":
        line = process.stdout.readline()
    yield f"http://127.0.0.1:{PORT}"
    process.stdin.close()
    process.wait(timeout=60)
    process.stdout.close()


def submit(
    head: str, entrypoint: str, working_dir: Path, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """``rl.cluster.launch.submit`` in a process of its own: Ray reads the authentication mode when it is
    imported."""
    environment = {k: v for k, v in os.environ.items() if k != "RAY_AUTH_MODE"} | environment
    command = [sys.executable, "-c", CLIENT, head, entrypoint, str(working_dir)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)


@pytest.mark.skipif(
    not HAS_JOB_SERVER,
    reason="the dashboard's job server needs ray[default], which the CPU set-up leaves out",
)
def test_the_log_is_followed_and_the_exit_code_is_the_jobs(head: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("run: {}\n")
    ok = submit(
        head,
        f"{sys.executable} -c \"import os; print('holds', os.listdir('.'))\"",
        tmp_path,
        RAY_AUTH_MODE="token",
    )
    assert ok.returncode == 0 and "holds ['mine.yaml']" in ok.stdout, ok.stderr
    failed = submit(head, f'{sys.executable} -c "import sys; sys.exit(3)"', tmp_path, RAY_AUTH_MODE="token")
    assert failed.returncode == 3, failed.stderr
    stranger = submit(head, "true", tmp_path, RAY_AUTH_MODE="disabled")
    assert stranger.returncode == 2 and "asks for its token" in stranger.stderr


@pytest.mark.skipif(not HAS_JOB_SERVER, reason="needs ray[default]")
def test_a_job_is_looked_at_and_stopped_with_time_for_its_checkpoint(head: str, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW_TO_LEAVE)
    saved = tmp_path / "saved"
    command = [sys.executable, "-c", CLIENT, head, f"{sys.executable} slow.py {saved}", str(tmp_path)]
    launched = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=TOKEN)
    assert launched.stdout is not None
    job = launched.stdout.readline().split()[1].rstrip(";")
    while "training" not in launched.stdout.readline():
        assert launched.poll() is None
    running = t2rl("status", job, "--address", head, "--json")
    state = json.loads(running.stdout)
    assert (running.returncode, state["status"], state["name"]) == (0, "RUNNING", "debug")
    assert "training" in t2rl("logs", job, "--address", head, "--tail", "5").stdout

    stopped = t2rl("stop", job, "--address", head)
    assert stopped.returncode == 0 and "resume=auto" in stopped.stdout, stopped.stderr
    assert saved.read_text() == "checkpoint"
    assert launched.wait(30) == 130
    launched.stdout.close()
    ended = t2rl("status", job, "--address", head)
    assert ended.returncode == 0 and "stopped" in ended.stdout
    assert "is not running" in t2rl("stop", job, "--address", head).stdout
    nobody = t2rl("status", "raysubmit_nobody", "--address", head)
    assert nobody.returncode == 2 and "there is no job raysubmit_nobody" in nobody.stderr


def t2rl(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "rl.cli", *words]
    env = TOKEN | {"COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=env)
