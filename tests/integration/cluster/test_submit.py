"""A real submission to a real job server, where the installed Ray has one; and the words when it has none."""

import importlib.util
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
from rl.cli.exits import exit_codes
from rl.cluster.launch import Submission, submit
job = Submission(address=sys.argv[1], entrypoint=sys.argv[2], runtime_env={"working_dir": sys.argv[3]},
    metadata={"name": "test"})
def run():
    with exit_codes():
        code = submit(job, echo=lambda text: print(text, end="", flush=True))
    raise typer.Exit(code)
sys.argv = sys.argv[:1]
typer.run(run)
"""
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
