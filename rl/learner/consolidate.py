"""A learner's checkpoint as one model in one process, without Ray or the ranks that wrote it: what ``t2rl
export`` reads."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from rl.config.learner import DilocoSync, LearnerConfig
from rl.learner.diloco.replica import outer_tensors
from rl.learner.model import add_adapters
from rl.learner.names import adopt_names
from rl.learner.shard_files import data_only, read_shard

POLICY = "shards"
"""DeepSpeed's tag of the policy; a critic has one of its own."""
PREFIX = "causal_lm."
"""Prefix of the language model inside the learner's module; a value head beside it is no part of an export.
"""


def consolidated(
    learner_dir: Path, config: LearnerConfig, *, base: Path, weights: Path | None, trust: bool = False
) -> nn.Module:
    """The causal LM of a checkpoint, adapters and all, in the dtype that the learner trained in; on the CPU.

    Args:
        learner_dir: ``checkpoints/step-N/learner``.
        config: the learner section that wrote it.
        base: directory of the base's config.
        weights: the base itself, where it is still what it was. All values are in the checkpoint, frozen ones
            too; its files only say what they call their tensors. Without it tensors get the names that
            transformers gives them when it saves.
        trust: the base's own code may run.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    if weights is None:
        causal_lm = AutoModelForCausalLM.from_config(
            AutoConfig.from_pretrained(base, trust_remote_code=trust),
            dtype=torch.float32,
            trust_remote_code=trust,
        )
    else:
        causal_lm = AutoModelForCausalLM.from_pretrained(
            weights, dtype=torch.float32, trust_remote_code=trust
        )
        adopt_names(causal_lm, weights)
    if config.lora is not None:
        causal_lm = add_adapters(causal_lm, config.lora)
    if config.dtype == "bfloat16":
        for parameter in causal_lm.parameters():  # not the buffers, as in the learner
            parameter.data = parameter.data.bfloat16()
    if isinstance(config.sync, DilocoSync):
        state = _outer_state(learner_dir)
    else:
        state = _sharded_state(learner_dir) if config.zero_stage == 3 else _whole_state(learner_dir)
    own = {name.removeprefix(PREFIX): tensor for name, tensor in state.items() if name.startswith(PREFIX)}
    causal_lm.load_state_dict(own)
    return causal_lm.eval()


def _whole_state(learner_dir: Path) -> dict[str, Any]:
    """ZeRO 0 to 2: every rank holds all weights, and rank 0 wrote them."""
    path = learner_dir / POLICY / "mp_rank_00_model_states.pt"
    state: dict[str, Any] = read_shard(path, map_location="cpu")["module"]
    return state


def _outer_state(learner_dir: Path) -> dict[str, Any]:
    """Replicas: what all of them agree on, and what none of them trains."""
    state = _whole_state(sorted(learner_dir.glob("replica-*"))[0])
    return state | outer_tensors(learner_dir, {name: tensor.shape for name, tensor in state.items()})


def _sharded_state(learner_dir: Path) -> dict[str, Any]:
    """ZeRO 3: put together by DeepSpeed's own tool, from the float32 masters of all ranks."""
    from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint

    with data_only():
        state: dict[str, Any] = get_fp32_state_dict_from_zero_checkpoint(str(learner_dir), tag=POLICY)
    return state
