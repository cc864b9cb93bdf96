"""Files for machines that were not there: at least they agree with the pins and with what the doctor asks
for."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from rl.commands.doctor.cuda import OLDEST_DRIVER

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize(
    "file", ["deploy/docker/Dockerfile", "deploy/docker/cpu.Dockerfile", "deploy/README.md"]
)
def test_ray_is_the_one_that_is_pinned(file: str) -> None:
    lock = "constraints-cpu.txt" if "cpu" in file else "constraints-gpu.txt"
    pinned = re.search(r"^ray==(\S+)$", (ROOT / lock).read_text(), re.MULTILINE)
    assert pinned is not None
    assert re.findall(r"ray\[default\]==([0-9.]+)", (ROOT / file).read_text()) == [pinned.group(1)]


def test_the_image_names_the_cuda_and_the_driver_of_the_wheels() -> None:
    text = (ROOT / "deploy/docker/Dockerfile").read_text()
    image = re.search(r"nvidia/cuda:(\d+)\.", text)
    assert image is not None and f"driver {OLDEST_DRIVER[int(image.group(1))]} or newer" in text
    assert {"gcc", "python3.12-dev"} <= set(text.split())


def test_slurm_hands_its_cores_to_srun() -> None:
    lines = (ROOT / "deploy/slurm/train.sbatch").read_text().splitlines()
    exported = next(i for i, line in enumerate(lines) if line.startswith("export SRUN_CPUS_PER_TASK="))
    assert exported < next(i for i, line in enumerate(lines) if line.startswith("srun"))


SRUN = """#!/bin/sh
echo "srun $*" >> "$CALLS"
while [ "${1#-}" != "$1" ]; do
  case $1 in -w) shift 2 ;; *) shift ;; esac
done
exec "$@"
"""
"""Slurm's, without Slurm: the command runs here."""
TRAIN = """#!/bin/sh
echo "t2rl $*" >> "$CALLS"
trap 'sleep 1; echo checkpoint >> "$CALLS"; exit 130' TERM
while true; do sleep 0.1; done
"""
"""A run that needs a second for its checkpoint."""


def test_slurm_starts_every_node_and_waits_for_the_checkpoint(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    note = '#!/bin/sh\necho "$(basename "$0") $*" >> "$CALLS"\n'
    scripts = {
        "srun": SRUN,
        "t2rl": TRAIN,
        "ray": note,
        "sleep": '#!/bin/sh\ncase $1 in 20) exit 0 ;; *) exec /bin/sleep "$1" ;; esac\n',
        "scontrol": "#!/bin/sh\nprintf 'one\\ntwo\\nthree\\n'\n",
        "hostname": "#!/bin/sh\necho 10.0.0.1\n",
    }
    for name, text in scripts.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    calls = tmp_path / "calls"
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "CALLS": str(calls),
        "VENV": str(tmp_path),
        "SLURM_JOB_NODELIST": "one,two,three",
        "SLURM_JOB_NUM_NODES": "3",
    }
    command = ["bash", str(ROOT / "deploy/slurm/train.sbatch"), "gsm8k", "run.dir=/shared/my runs"]
    job = subprocess.Popen(command, env=environment)
    deadline = time.monotonic() + 60
    while "t2rl" not in (calls.read_text() if calls.exists() else ""):
        assert job.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    job.send_signal(signal.SIGTERM)
    assert job.wait(60) == 130, "the run's own exit code"
    said = calls.read_text()
    assert said.endswith("checkpoint\n"), "it ended before the run had left"
    train = "t2rl train gsm8k run.dir=/shared/my runs cluster.address=10.0.0.1:6379 resume=auto"
    assert train in said.splitlines()
    assert "ray start --head --node-ip-address=10.0.0.1 --port=6379" in said
    assert re.search(r"srun --nodes=2 --ntasks=2 --exclude=one .*ray start --address=10\.0\.0\.1:6379", said)
