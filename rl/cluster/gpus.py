"""A run that asks for GPUs on a machine that has too few is refused before anything is loaded or started."""

import math
import os
import shutil
import subprocess
from importlib.metadata import version
from typing import TYPE_CHECKING

from rl.cluster.placement import plan_placement

if TYPE_CHECKING:
    from rl.config.schema import Config


def require_gpus(config: "Config") -> None:
    """Compare what the config reserves with what torch sees here; a run that joins a Ray cluster is left to
    Ray, which knows it.

    Raises:
        ValueError: naming the field and the way on: ``cluster=local``, the GPU environment, or fewer actors.
    """
    model = config.reward_model
    wanted = math.ceil(plan_placement(config).totals.get("GPU", 0) + (model.gpus if model is not None else 0))
    if not wanted or config.cluster.address is not None:
        return
    import torch

    there = torch.cuda.device_count()
    if there >= wanted:
        return
    if there:
        raise ValueError(
            f"cluster.name: {config.cluster.name} needs {wanted} GPUs, and this machine has {there}; lower"
            " rollout.num_engines, rollout.tensor_parallel or learner.num_ranks, or choose cluster=gpu1"
        )
    build = version("torch")
    why = (
        f"the installed torch {build} is a CPU build (make setup EXTRA=gpu)"
        if "+cpu" in build
        else "torch sees none here"
    )
    raise ValueError(
        f"cluster.name: {config.cluster.name} needs {'a GPU' if wanted == 1 else f'{wanted} GPUs'}, and"
        f" {why}. Without a GPU add cluster=local: engine and learner on CPU, for small models. t2rl doctor"
        " shows what this machine has"
    )


def smallest_device() -> int | None:
    """Bytes of the smallest GPU that nvidia-smi knows here, None without it. Asking torch would put a context
    onto the device."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    command = [tool, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return None
    return parse_memory(answer.stdout)


def parse_memory(text: str) -> int | None:
    """Bytes from nvidia-smi's lines of MiB, the smallest; None where there is no number (no driver, no such
    field)."""
    found = [int(line) for line in text.split() if line.isdigit()]
    return min(found) << 20 if found else None


def learner_environment(config: "Config") -> dict[str, str]:
    """Variables of a learner rank's process.

    Micro-batches of many sizes leave holes in CUDA's memory unless segments can grow. Weights that go out as
    CUDA memory handles (ipc) need segments that cannot. What the user has set, here or in ``cluster.env``,
    wins.
    """
    own = dict(config.cluster.env)
    chosen = {"PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"} & (os.environ.keys() | own.keys())
    if config.learner.device != "cuda" or config.rollout.weight_transfer == "ipc" or chosen:
        return own
    return {"PYTORCH_ALLOC_CONF": "expandable_segments:True"} | own
