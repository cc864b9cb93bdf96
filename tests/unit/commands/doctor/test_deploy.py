"""Files for machines that were not there: at least they agree with the pins and with what the doctor asks
for."""

import re
from pathlib import Path

import pytest

from rl.commands.doctor.cuda import OLDEST_DRIVER

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize("file", ["deploy/docker/Dockerfile", "deploy/README.md"])
def test_ray_is_the_one_that_is_pinned(file: str) -> None:
    pinned = re.search(r"^ray==(\S+)$", (ROOT / "constraints-gpu.txt").read_text(), re.MULTILINE)
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
