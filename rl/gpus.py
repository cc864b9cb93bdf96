"""A run that asks for GPUs on a machine that has too few is refused before anything is loaded or started."""

import math
from importlib.metadata import version
from typing import TYPE_CHECKING

from rl.cluster import plan_placement

if TYPE_CHECKING:
    from rl.config.schema import Config


def require_gpus(config: "Config") -> None:
    """Compare what the config reserves with what torch sees here; a run that joins a Ray cluster is left to Ray, which knows it.

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
            f"cluster.name: {config.cluster.name} needs {wanted} GPUs, and this machine has {there}; lower rollout.num_engines, "
            "rollout.tensor_parallel or learner.num_ranks, or choose cluster=gpu1"
        )
    build = version("torch")
    why = f"the installed torch {build} is a CPU build (make setup EXTRA=gpu)" if "+cpu" in build else "torch sees none here"
    raise ValueError(
        f"cluster.name: {config.cluster.name} needs {'a GPU' if wanted == 1 else f'{wanted} GPUs'}, and {why}. Without a GPU add "
        "cluster=local: engine and learner on CPU, for small models. t2rl doctor shows what this machine has"
    )
