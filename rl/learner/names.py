"""Checkpoint names: what the files of a base call its tensors, which is not always what transformers' module
calls them.

transformers 5 renames some tensors when it loads them (GPT-NeoX: ``embed_out`` becomes ``lm_head``) and fuses
others (a mixture's experts become one tensor). vLLM and older versions of transformers expect the names of
the files, so every weight that leaves the learner passes through ``to_checkpoint``.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from rollout.checkpoint_shapes import checkpoint_shapes

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def to_checkpoint(causal_lm: nn.Module, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same tensors under their checkpoint names: renamed back, experts taken apart, as
    ``save_pretrained`` does.

    ``tensors`` are a whole decoder layer or one tensor outside of the layers. Meta tensors give names and
    shapes alone. The results may be views of what was given.
    """
    if getattr(causal_lm, "_weight_conversions", None) == []:  # nothing was converted on the way in
        return tensors
    from transformers.core_model_loading import revert_weight_conversion

    # Contiguous, because the last of several views of one tensor need not be.
    return {
        name: tensor.contiguous() for name, tensor in revert_weight_conversion(causal_lm, tensors).items()
    }


def adopt_names(causal_lm: "PreTrainedModel", directory: Path) -> None:
    """Note how the files in ``directory``, from which ``causal_lm`` was loaded, name its tensors.

    transformers keeps the conversions that it used. It does not keep that a checkpoint leaves out the prefix
    of the base model (GPT-2's: ``h.0.attn`` for ``transformer.h.0.attn``), so that is added as one conversion
    more.
    """
    from transformers.core_model_loading import PrefixChange

    # Loading at ZeRO-3 keeps those that matched nothing too.
    used = [c for c in getattr(causal_lm, "_weight_conversions", None) or [] if c.was_used()]
    if _leaves_out_prefix(causal_lm, directory):
        used.append(PrefixChange(prefix_to_add=causal_lm.base_model_prefix))
    causal_lm._weight_conversions = used


def _leaves_out_prefix(causal_lm: "PreTrainedModel", directory: Path) -> bool:
    """True if the files name the trunk's tensors as the trunk alone does."""
    prefix, names = f"{causal_lm.base_model_prefix}.", checkpoint_shapes(directory)
    if not names or any(name.startswith(prefix) for name in names):
        return False
    own = {name for name, _ in causal_lm.named_parameters()}
    return any(prefix + name in own for name in names)
