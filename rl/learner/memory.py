"""How much device memory a learner rank's state takes, before anything is started: arithmetic from the
checkpoint's shapes.

Bytes a trained parameter, one rank: 20 in bfloat16 (weight 2, gradient 2, accumulated gradient 4, master 4,
Adam's moments 8), 16 in float32 and autocast (4, 4 and 8). What ZeRO shards is divided by the number of
ranks. Activations and logits come on top.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from rl.config.algorithm import AlgorithmConfig, SeparateCriticConfig
from rl.config.learner import DilocoSync, LearnerConfig

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Sizes:
    """Parameters of a base."""

    parameters: int
    adapters: int
    """Rank of LoRA layers on all its matrices; 0 without LoRA."""


def sizes(shapes: Mapping[str, tuple[int, ...]], config: LearnerConfig) -> Sizes:
    """From checkpoint shapes. ``adapters`` is an upper bound: a config may name fewer modules than all linear
    ones."""
    matrices = [
        shape
        for name, shape in shapes.items()
        if len(shape) == 2 and "embed" not in name and "lm_head" not in name
    ]
    rank = 0 if config.lora is None else config.lora.r
    return Sizes(
        sum(prod(shape) for shape in shapes.values()),
        rank * sum(rows + columns for rows, columns in matrices),
    )


def state_bytes(size: Sizes, config: LearnerConfig) -> int:
    """Bytes on one rank's device for weights, gradients and optimizer states of the policy."""
    return sum(state_parts(size, config).values())


def state_parts(size: Sizes, config: LearnerConfig) -> dict[str, int]:
    """The same by part: parameters, gradients, optimizer states."""
    if config.lora is None:
        return _trained(size.parameters, config)
    weight = 2 if config.dtype == "bfloat16" else 4
    parts = _trained(size.adapters, config)
    parts["parameters"] += weight * size.parameters // _shards(config, 3)
    return parts


def learner_bytes(size: Sizes, config: LearnerConfig, algorithm: AlgorithmConfig) -> dict[str, int]:
    """Count what lies on one rank's device, by its part: the policy, a critic of its own, a copy for the KL
    term."""
    parts = {"policy": state_bytes(size, config)}
    if isinstance(algorithm.critic, SeparateCriticConfig):
        parts["critic"] = sum(_trained(size.parameters, config).values())
    kl = algorithm.kl
    if kl is not None and (kl.policy == "copy" or (kl.policy == "auto" and config.lora is None)):
        parts["reference"] = (2 if config.dtype == "bfloat16" else 4) * size.parameters // _shards(config, 3)
    return parts


def snapshot_bytes(size: Sizes, config: LearnerConfig, algorithm: AlgorithmConfig) -> int:
    """Bytes of host memory that rank 0's copy of what a checkpoint holds takes: weights, masters, moments.

    Below ZeRO-3 rank 0 alone keeps the weights; without ZeRO it keeps everything.
    """
    counts = [size.parameters if config.lora is None else size.adapters]
    if isinstance(algorithm.critic, SeparateCriticConfig):
        counts.append(size.parameters)
    frozen = size.parameters if config.lora is not None else 0
    weight = 2 if config.dtype == "bfloat16" else 4
    low, shards = config.dtype == "bfloat16", _shards(config, 1)
    masters = 4 if low or config.zero_stage else 0
    in_parts = _shards(config, 3) if config.zero_stage == 3 else 1
    whole = 0 if config.zero_stage == 3 else weight
    return sum(whole * n + (8 + masters) * n // shards for n in counts) + weight * frozen // in_parts


def shortage(parts: Mapping[str, int], room: int) -> str | None:
    """Return a note when the parts take more than ``room`` bytes of the device; None when they fit."""
    needed = sum(parts.values())
    if needed <= room:
        return None
    said = " + ".join(f"{name} {size / GIB:.1f}" for name, size in parts.items())
    return (
        f"the learner's state takes about {needed / GIB:.1f} GiB on each rank's GPU ({said}), and"
        f" {room / GIB:.1f} GiB are there for it, before any activation: raise learner.num_ranks with"
        " learner.zero_stage=3, learner.offload.optimizer=cpu, train adapters (learner.lora.r=16), or take a"
        " smaller base"
    )


def _trained(count: int, config: LearnerConfig) -> dict[str, int]:
    """Weight, gradients, master and moments of ``count`` trained parameters on one rank."""
    low = config.dtype == "bfloat16"
    stage = max(config.zero_stage, 1) if low else config.zero_stage
    weight, backward, accumulated = (2, 2, 4) if low else (4, 0, 4)
    # In float32 without ZeRO the weights are the masters; ZeRO keeps its own.
    states = 8 + (4 if low or stage else 0)
    weights = 0 if _offloaded(config, "parameters") else weight * count // _shards(config, 3)
    optimizer = 0 if _offloaded(config, "optimizer") else states * count // _shards(config, 1)
    passing = backward * count if stage < 3 else 0
    outer = 8 * count if isinstance(config.sync, DilocoSync) else 0  # weights and momentum
    gradients = passing + accumulated * count // _shards(config, 2)
    return {"parameters": weights, "gradients": gradients, "optimizer": optimizer + outer}


def _offloaded(config: LearnerConfig, what: str) -> bool:
    return config.offload is not None and getattr(config.offload, what) != "none"


def _shards(config: LearnerConfig, stage: int) -> int:
    """Over how many ranks lies what ZeRO shards from ``stage`` on."""
    reached = max(config.zero_stage, 1) if config.dtype == "bfloat16" else config.zero_stage
    return config.num_ranks if reached >= stage else 1
