"""Find which weights of a checkpoint its model reads."""

import re
from pathlib import Path
from typing import Any

from rollout.checkpoint_shapes import checkpoint_shapes

COMPUTED = (r"rotary_emb\.inv_freq",)
"""Names that old checkpoints hold and every model computes."""


def weight_shapes(directory: Path, config: Any) -> dict[str, tuple[int, ...]]:
    """``checkpoint_shapes`` without what the model of this transformers config does not read.

    Such are the attention masks in GPT-2's and GPT-NeoX's files, and the layers for multi-token prediction in
    DeepSeek-V3's.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    model = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    patterns = [*COMPUTED, *(getattr(model, "_keys_to_ignore_on_load_unexpected", None) or [])]
    # From the start of a part of the name: transformers' "attn.bias" is not meant for "c_attn.bias".
    unread = re.compile("|".join(rf"(?:^|\.)(?:{pattern})" for pattern in patterns))
    return {name: shape for name, shape in checkpoint_shapes(directory).items() if not unread.search(name)}
