"""A run on a Ray that was started by hand in another directory: relative paths mean the driver's directory,
in actors too."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rl.cluster.ray_runtime import RAY_ENV
from tests.e2e.conftest import Job, attempts


@pytest.fixture
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """Address of a head whose processes work in a directory of their own, and that directory."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # One mode for the head and its driver: where a token file lies in the home directory, Ray turns token
    # authentication on for a head, and not for every driver that connects to it.
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    temp = tempfile.mkdtemp(prefix="t2rl-head-", dir="/tmp")  # Ray's sockets have no room for a long path
    command = [
        str(Path(sys.executable).with_name("ray")),
        "start",
        "--head",
        "--block",  # on the node's address by Ray's own account, as which ray.init reads 127.0.0.1
    ]
    command += [
        f"--port={port}",
        "--num-cpus=6",
        "--include-dashboard=false",
        f"--temp-dir={temp}",
        "--object-store-memory=200000000",
    ]
    log = (tmp_path / "head.txt").open("wb")
    process = subprocess.Popen(
        command, cwd=elsewhere, env={**os.environ, **RAY_ENV}, stdout=log, stderr=subprocess.STDOUT
    )
    deadline = time.monotonic() + 120
    while "Ray runtime started" not in (tmp_path / "head.txt").read_text():
        assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "head.txt").read_text()
        time.sleep(0.2)
    yield f"127.0.0.1:{port}", elsewhere
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait(30)
    log.close()
    shutil.rmtree(temp, ignore_errors=True)


def test_a_relative_run_directory_is_the_drivers_on_a_ray_from_elsewhere(
    head: tuple[str, Path], tmp_path: Path, cache: Path
) -> None:
    address, elsewhere = head
    here = tmp_path / "here"
    (here / "runs").mkdir(parents=True)
    given = ["run.dir=runs", f"cluster.address={address}", "checkpoint.every=2"]
    first = Job(here / "runs", cache, *given, "run.steps=4", cwd=here)
    assert first.wait() == 0, first.log
    assert (first.run / "model" / "model.safetensors").is_file()
    assert (first.run / "checkpoints" / "step-00000004" / "learner").is_dir()
    again = Job(here / "runs", cache, *given, "run.steps=6", "resume=auto", cwd=here)
    assert again.wait() == 0, again.log
    assert attempts(again.run) == [0, 4]
    assert list(elsewhere.iterdir()) == []
