"""DeepSpeed, set up for what this learner needs; the only place that knows its configuration keys.

``deepspeed`` is imported inside functions: it picks its accelerator at import, so ``DS_ACCELERATOR`` must be
set before.
"""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from math import prod
from typing import Any

import psutil
import torch
from torch import nn

from rl.config.deepspeed_options import merged
from rl.config.learner import LearnerConfig
from rl.learner.masters import begin_masters
from rl.learner.optimizers import OPTIMIZERS, make_optimizer, whole_shape
from rl.learner.schedules import lr_multiplier
from rl.learner.sequence_parallel import SequenceParallel

NO_CLIP = 0.0
LOOPBACK = "127.0.0.1"


def init_distributed(config: LearnerConfig, *, rank: int, world_size: int, address: str, port: int) -> None:
    """Join the ranks' process group: gloo on CPU, NCCL on CUDA. Needs no compiler.

    A peer that dies raises in the others at once; one that is stopped makes gloo wait, so callers keep a
    timeout of their own.
    """
    # Each rank is alone in its process and sees only its own GPU, hence local rank 0.
    os.environ.update(
        MASTER_ADDR=address, MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE=str(world_size), LOCAL_RANK="0"
    )
    deepspeed = import_deepspeed(config.device)
    backend, timeout = (
        "gloo" if config.device == "cpu" else "nccl",
        timedelta(seconds=config.collective_timeout_s),
    )
    if config.device == "cpu" and address == LOOPBACK:
        _join_on_loopback(rank=rank, world_size=world_size, port=port, timeout=timeout)
    elif config.device == "cpu":
        # gloo asks for the host's own name, which leads to 127.0.1.1 on Debian: no other node reaches that.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", card_towards(address))
    deepspeed.init_distributed(dist_backend=backend, timeout=timeout)


def import_deepspeed(device: str) -> Any:
    """The module, imported for this device; it takes seconds the first time."""
    if device == "cpu":
        os.environ["DS_ACCELERATOR"] = "cpu"
    import deepspeed
    from deepspeed.utils import logger as deepspeed_logger

    deepspeed_logger.setLevel(logging.WARNING)
    # On CPU DeepSpeed compiles this operator when the process group starts, and dies where there is no ninja
    # or C++ compiler.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    return deepspeed


def card_towards(address: str) -> str:
    """Name of the network card of this node that leads to an address, which may be its own.

    Raises:
        RuntimeError: No card has the address that this node is seen by from there.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((address, 9))  # sends nothing
        own = probe.getsockname()[0]
    for card, addresses in psutil.net_if_addrs().items():
        if any(known.address.partition("%")[0] == own for known in addresses):
            return card
    raise RuntimeError(f"no network card of this node has the address {own}, by which it reaches {address}")


def _join_on_loopback(*, rank: int, world_size: int, port: int, timeout: timedelta) -> None:
    """A gloo group whose sockets nobody outside of this machine reaches. DeepSpeed takes a group that is
    there."""
    store = loopback_store(rank=rank, world_size=world_size, port=port, timeout=timeout)
    torch.distributed.init_process_group(
        "gloo", store=store, rank=rank, world_size=world_size, timeout=timeout
    )


def loopback_store(*, rank: int, world_size: int, port: int, timeout: timedelta) -> Any:
    """A store on 127.0.0.1, where gloo's sockets are from now on too: torch's own listens on every interface,
    whatever its address."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    listening: dict[str, Any] = {}
    if rank == 0:
        listening["master_listen_fd"] = socket.create_server((LOOPBACK, port)).detach()
    return torch.distributed.TCPStore(
        LOOPBACK, port, world_size, rank == 0, timeout, wait_for_workers=False, **listening
    )


def initialize_engine(
    model: nn.Module,
    config: LearnerConfig,
    *,
    total_updates: int,
    sequences: SequenceParallel | None = None,
    seed: int = 0,
) -> Any:
    """A DeepSpeed engine around ``model`` with our optimizer, our schedule, our own start of bf16's masters
    (by ``seed``) and our own gradient reduction at ZeRO-0.

    With ``sequences``, ``model.sequence_group`` becomes the ranks that share each of them.
    """
    import deepspeed

    if sequences is not None:
        model.sequence_group = sequences.group
    multiplier = lr_multiplier(config, total_updates=total_updates)
    engine, *_ = deepspeed.initialize(
        model=model,
        optimizer=make_optimizer(model, config),
        lr_scheduler=lambda optimizer: torch.optim.lr_scheduler.LambdaLR(optimizer, multiplier),
        mpu=None if sequences is None else sequences.mpu,
        config=deepspeed_config(config, num_parameters=sum(prod(whole_shape(p)) for p in model.parameters())),
    )
    _move_buffers(model, engine.device)
    if config.dtype == "bfloat16":
        begin_masters(engine, dither=config.dither, seed=seed)
    if engine.zero_optimization_stage() == 0:
        # We reduce before the step (rl.learner.gradients), to see the gradients that the step would apply.
        engine.enable_backward_allreduce = False
    return engine


def freeze(model: nn.Module, config: LearnerConfig) -> nn.Module:
    """``model`` on this rank's device, for scoring only: in parts on the ranks at ZeRO-3, whole on each of
    them below."""
    model.eval().requires_grad_(False)
    if effective_stage(config) != 3:
        device = (
            torch.device("cpu")
            if config.device == "cpu"
            else torch.device("cuda", torch.cuda.current_device())
        )
        return model.to(device)
    import deepspeed

    settings = deepspeed_config(config, num_parameters=sum(prod(whole_shape(p)) for p in model.parameters()))
    settings["zero_optimization"].pop("offload_optimizer", None)
    engine, *_ = deepspeed.initialize(model=model, config=settings)
    _move_buffers(model, engine.device)
    return engine.module


@contextmanager
def sharded_loading(config: LearnerConfig) -> Iterator[bool]:
    """Inside the block ``from_pretrained`` builds a ZeRO-3 model in parts: each layer is whole on the ranks
    only until it is divided, and rank 0 hands out the values. Nothing changes at the other stages. Yields
    whether it does so. Collective.
    """
    if effective_stage(config) != 3:
        yield False
        return
    from transformers.integrations.deepspeed import HfDeepSpeedConfig, unset_hf_deepspeed_config

    # transformers keeps a weak reference
    held = HfDeepSpeedConfig(deepspeed_config(config, num_parameters=0))
    try:
        yield True
    finally:
        unset_hf_deepspeed_config()
        del held


def _move_buffers(model: nn.Module, device: torch.device) -> None:
    """DeepSpeed leaves those of a model that was built in parts where they are."""
    for buffer in model.buffers():
        buffer.data = buffer.data.to(device)


def deepspeed_config(config: LearnerConfig, *, num_parameters: int) -> dict[str, Any]:
    """DeepSpeed's own configuration.

    ``managed_gradient_accumulation`` is off: we call backward as often as there are micro-batches and step
    once. The bucket is no larger than the model, else ZeRO allocates gigabytes for a tiny one, and even, as
    DeepSpeed asks.
    """
    stage = effective_stage(config)
    bucket = min(max(num_parameters + num_parameters % 2, 1024), 500_000_000)
    zero: dict[str, Any] = {"stage": stage, "reduce_bucket_size": bucket, "allgather_bucket_size": bucket}
    zero["overlap_comm"] = config.device == "cuda" and stage >= 2
    zero |= _offload(config)
    if stage == 3 and (config.optimizer.name == "muon" or config.sequence_parallel > 1):
        # DeepSpeed refuses it beside Muon, and averages over the ranks that share a sequence where it must
        # add.
        zero["reduce_scatter"] = False
    result: dict[str, Any] = {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "managed_gradient_accumulation": False,
        "gradient_clipping": config.grad_clip or NO_CLIP,
        "steps_per_print": 1_000_000_000,
        "zero_optimization": zero,
    }
    if "offload_optimizer" in zero:
        # DeepSpeed would insist on its own CPU Adam, which it compiles on the spot; torch's fused one needs
        # no compiler.
        result["zero_force_ds_cpu_optimizer"] = False
    if config.optimizer.name not in OPTIMIZERS:
        result["zero_allow_untested_optimizer"] = True  # DeepSpeed lets none but its own near ZeRO otherwise
    if config.dtype == "bfloat16":
        result["bf16"] = {"enabled": True}
        result["data_types"] = {"grad_accum_dtype": "fp32"}
    return merged(result, config.deepspeed)


def effective_stage(config: LearnerConfig) -> int:
    """The ZeRO stage DeepSpeed is told.

    bf16 at stage 0 runs as stage 1: only from there does DeepSpeed accumulate gradients in float32, and with
    one rank both hold the same state. Muon in float32 at stage 1 runs as stage 2, where there are reduced
    gradients to measure before it steps.
    """
    if config.dtype == "bfloat16":
        return max(config.zero_stage, 1)
    return 2 if config.optimizer.name == "muon" and config.zero_stage == 1 else config.zero_stage


def _offload(config: LearnerConfig) -> dict[str, Any]:
    """DeepSpeed's names for what leaves the GPU."""
    offload = config.offload
    if offload is None:
        return {}
    sections = {"offload_optimizer": offload.optimizer, "offload_param": offload.parameters}
    return {
        name: (
            {"device": device, "pin_memory": config.device == "cuda"}
            | ({"nvme_path": offload.path} if device == "nvme" else {})
        )
        for name, device in sections.items()
        if device != "none"
    }
