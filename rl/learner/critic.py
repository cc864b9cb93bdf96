"""The critic: a value for the state before each sampled token."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from rl.config.algorithm import SeparateCriticConfig
from rl.config.learner import AdamW, LearnerConfig, OffloadConfig
from rl.learner.logprob_model import products
from rl.learner.micro_batch import MicroBatch
from rl.learner.sequence_parallel import SequenceParallel, hidden_states
from rl.learner.value_head import ValueHead

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class ValueModel(nn.Module):
    """A trunk of its own under a value head."""

    def __init__(self, causal_lm: "PreTrainedModel", *, autocast: bool = False) -> None:
        """``autocast``: the trunk's matrix products in bfloat16."""
        super().__init__()
        self.autocast = autocast
        self.trunk = causal_lm.base_model
        self.head = ValueHead(causal_lm.config.hidden_size).to(causal_lm.dtype)
        self.sequence_group: Any = None

    def forward(
        self,
        input_ids: torch.Tensor,
        position_ids: torch.Tensor | None,
        boundaries: torch.Tensor | None,
        select: torch.Tensor,
    ) -> torch.Tensor:
        """[T] values of the states at the flattened positions ``select``; see ``MicroBatch`` for the
        arguments."""
        with products(self.autocast, input_ids.device):
            hidden = hidden_states(
                self.trunk, input_ids, position_ids, boundaries, select, self.sequence_group
            )
        return self.head(hidden)


@dataclass(frozen=True, slots=True)
class SeparateCritic:
    """A DeepSpeed engine around a ``ValueModel``."""

    engine: Any
    config: SeparateCriticConfig

    def values(self, micro: MicroBatch) -> torch.Tensor:
        """[T] values, for scoring under no_grad: without dropout, like the policy's."""
        self.engine.eval()
        return self.engine.module(*micro.for_states)


def _below(offload: OffloadConfig | None, folder: str) -> OffloadConfig | None:
    """The same with a directory of its own."""
    if offload is None or offload.path is None:
        return offload
    return offload.model_copy(update={"path": f"{offload.path}/{folder}"})


def build_separate_critic(
    model_path: str,
    config: SeparateCriticConfig,
    learner: LearnerConfig,
    *,
    total_updates: int,
    sequences: SequenceParallel | None = None,
    trust: bool = False,
) -> SeparateCritic:
    """A critic that starts from the base, trained whole (no adapters) with the learner's sharding and
    schedule."""
    from rl.learner.deepspeed_setup import initialize_engine
    from rl.learner.model import load_model

    own = learner.model_copy(
        update={
            "lora": None,
            "lr": config.lr,
            "grad_clip": config.grad_clip,
            "optimizer": AdamW(),
            "gradient_checkpointing": False,
            # DeepSpeed empties the directory of the parameters that it swaps, the policy's included.
            "offload": _below(learner.offload, "critic"),
        }
    )
    model = ValueModel(load_model(model_path, own, trust=trust).causal_lm, autocast=own.dtype == "autocast")
    return SeparateCritic(
        initialize_engine(model, own, total_updates=total_updates, sequences=sequences), config
    )
