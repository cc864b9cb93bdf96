"""Ulysses sequence parallelism (Jacobs et al. 2023, arXiv 2309.14509) through DeepSpeed's attention for
Hugging Face models.

The ranks of one sequence group hold the same micro-batch. Each runs the trunk over its stretch of the
positions, attention exchanging heads for positions, and gathers the others' last hidden states; log-probs and
loss are then the same on all of them, so that losses over whole sequences need nothing more. **Has not run on
a GPU.**
"""

from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

from rl.learner.packed_attention import row_arguments

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from rl.config.learner import LearnerConfig


class SequenceParallel:
    """This rank's sequence group, from registration with transformers until ``close``."""

    def __init__(self, causal_lm: "PreTrainedModel", config: "LearnerConfig") -> None:
        """Collective. transformers looks attention up by name in one table of the process, which DeepSpeed
        overwrites."""
        from deepspeed.runtime.sequence_parallel.ulysses_sp import UlyssesSPAttentionHF
        from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

        self._table: Any = ALL_ATTENTION_FUNCTIONS
        self._name = causal_lm.config._attn_implementation
        self._plain = ALL_ATTENTION_FUNCTIONS[self._name]
        self.mpu = UlyssesSPAttentionHF.register_with_transformers(
            model_name_or_path=causal_lm,
            core_attn_implementation=self._name,
            sequence_parallel_size=config.sequence_parallel,
            micro_batch_size=1,
            seq_length_is_variable=True,
        )

    @property
    def group(self) -> Any:
        """The ranks that share this rank's sequences."""
        return self.mpu.get_sequence_parallel_group()

    def close(self) -> None:
        """Give transformers its own attention back."""
        self._table[self._name] = self._plain


def hidden_states(
    trunk: nn.Module,
    input_ids: torch.Tensor,
    position_ids: torch.Tensor | None,
    boundaries: torch.Tensor | None,
    select: torch.Tensor,
    group: Any = None,
) -> torch.Tensor:
    """[T, hidden] last hidden states at the flattened positions ``select`` of ``input_ids`` [B, L]; with a
    ``group`` B is 1.

    ``boundaries`` [samples + 1] int32 on the host, where the samples of a packed row begin and end; None if
    rows are padded.
    """
    # what pads the row to a multiple of the group is part of the last sample
    if group is not None and boundaries is not None:
        boundaries = boundaries.clone()
        boundaries[-1] += -input_ids.shape[1] % dist.get_world_size(group)
    arguments = row_arguments(trunk.config, input_ids, position_ids, boundaries)
    if group is None:
        return trunk(**arguments).last_hidden_state.flatten(0, 1).index_select(0, select)
    assert input_ids.shape[0] == 1, "DeepSpeed's attention is registered for one row: packed micro-batches"
    if position_ids is None:
        position_ids = torch.arange(input_ids.shape[1], device=input_ids.device)[None]
    # Padding goes on counting: a 0 would begin another sample, and nothing looks back at it.
    arguments |= {
        "input_ids": _stretch(input_ids, group),
        "position_ids": _stretch(position_ids, group, counting=True),
    }
    local = trunk(**arguments).last_hidden_state
    from torch.distributed.nn.functional import all_gather

    return torch.cat(all_gather(local.contiguous(), group=group), dim=1)[0].index_select(0, select)


def _stretch(values: torch.Tensor, group: Any, *, counting: bool = False) -> torch.Tensor:
    """[1, ceil(L / group)] this rank's stretch of [1, L], the last one padded by 0 or by counting on."""
    parts, rank = dist.get_world_size(group), dist.get_rank(group)
    missing = -values.shape[1] % parts
    padded = F.pad(values, (0, missing))
    if counting and missing:
        padded[:, -missing:] = values[:, -1:] + torch.arange(1, missing + 1, device=values.device)
    length = padded.shape[1] // parts
    return padded[:, rank * length : (rank + 1) * length].contiguous()
