"""Buffers of a model that was built in parts: DeepSpeed gives them the weights' dtype, which they must not
have.

``deepspeed.zero.Init`` replaces torch's constructors, so that in bfloat16 the frequencies of rotary
embeddings are rounded to three digits: some models come out with other positions, without a word. Below
ZeRO-3 they stay in float32.
"""

from typing import Any

import torch
from torch import nn


def restore_buffers(causal_lm: nn.Module, config: Any, *, dtype: torch.dtype, trust: bool = False) -> None:
    """Give every computed buffer the dtype and the value that it has when the same model is built whole.

    Those that a checkpoint holds are loaded at every stage in the dtype that transformers plans for them.
    """
    from accelerate import init_empty_weights
    from transformers import AutoModelForCausalLM

    with init_empty_weights(include_buffers=False):
        whole = AutoModelForCausalLM.from_config(config, dtype=dtype, trust_remote_code=trust)
    saved = set(whole.state_dict(keep_vars=True))
    expected = dict(whole.named_buffers())
    for name, buffer in causal_lm.named_buffers():
        right = expected[name]
        if name not in saved and not (buffer.dtype == right.dtype and torch.equal(buffer.cpu(), right.cpu())):
            buffer.data = right.to(buffer.device)
