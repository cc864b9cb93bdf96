"""Likelihood mode: log-probability of the one right completion, which is log p of a problem at temperature
1."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

ROWS = 64


@torch.inference_mode()
def completion_logprobs(
    model: Any, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]]
) -> list[float]:
    """Sum of log p over each completion's tokens, in nats.

    Args:
        model: a transformers causal language model.
        prompts: [M] token ids, at least one each.
        completions: [M] token ids, the end token included, at least one each.
    """
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]) + len(completions[i]))
    result = [0.0] * len(prompts)
    for start in range(0, len(order), ROWS):
        chosen = order[start : start + ROWS]
        rows = [list(prompts[i]) + list(completions[i]) for i in chosen]
        width = max(map(len, rows))
        # Nothing looks ahead, so right padding needs no mask.
        ids = torch.tensor([r + [0] * (width - len(r)) for r in rows])
        logits: Tensor = model(input_ids=ids[:, :-1]).logits
        logp = torch.log_softmax(logits.double(), dim=-1).gather(-1, ids[:, 1:, None])[..., 0]
        for row, i in enumerate(chosen):
            first = len(prompts[i]) - 1
            result[i] = float(logp[row, first : first + len(completions[i])].sum())
    return result
