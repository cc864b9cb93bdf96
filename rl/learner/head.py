"""Log-probs of chosen tokens out of hidden states, a chunk of rows at a time: the vocabulary makes logits the
largest tensors."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint


def token_logprobs(logits: torch.Tensor, targets: torch.Tensor, temperature: float) -> torch.Tensor:
    """[T] float32 ``log_softmax(logits / temperature)[target]`` of logits [T, V], in float32 whatever the
    model's dtype."""
    scaled = logits.float() if temperature == 1.0 else logits.float() / temperature
    return -F.cross_entropy(scaled, targets, reduction="none")


def head_logprobs(
    head: nn.Module, hidden: torch.Tensor, targets: torch.Tensor, temperature: float, *, chunks: int = 1
) -> torch.Tensor:
    """[T] float32 log-probs of ``targets`` from ``hidden`` [T, H]; with several chunks each is recomputed in
    the backward pass.

    Under ZeRO-3 every rank must give the same number of ``chunks``, whatever its T: a head that PEFT has
    wrapped gathers its parts in every chunk, and ranks that gather a different number of times wait for each
    other for ever. The head's own weight is gathered once for all chunks.
    """
    if chunks <= 1:
        return token_logprobs(head(hidden), targets, temperature)

    def chunked(rows: torch.Tensor) -> torch.Tensor:
        pairs = zip(rows.tensor_split(chunks), targets.tensor_split(chunks), strict=True)
        return torch.cat([checkpoint(logprobs_of_rows, h, t, use_reentrant=False) for h, t in pairs])

    with _replaced_forward(head, chunked) as forward:

        def logprobs_of_rows(rows: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
            return token_logprobs(forward(rows), wanted, temperature)

        return head(hidden)


@contextmanager
def _replaced_forward(module: nn.Module, replacement: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Inside the block a call of ``module`` runs ``replacement`` between the module's hooks. Yields the
    module's own forward.

    ZeRO-3 gathers a module's weights in a hook before its forward and lets go of them in a hook after it;
    likewise backward.
    """
    own = module.__dict__.get("forward")
    forward = module.forward
    module.forward = replacement
    try:
        yield forward
    finally:
        if own is None:
            del module.forward
        else:
            module.forward = own
