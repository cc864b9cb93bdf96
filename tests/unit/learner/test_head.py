"""Chunks of logits: how often the head's own hooks run, which is how often ZeRO-3 gathers it, and that
nothing stays behind."""

import torch
from torch import nn

from rl.learner.head import head_logprobs


def test_a_chunked_head_is_entered_once_forward_and_left_as_it_was() -> None:
    torch.manual_seed(0)
    head = nn.Linear(8, 11, bias=False)
    entered: list[str] = []
    head.register_forward_pre_hook(lambda *_: entered.append("forward"))
    head.register_full_backward_hook(lambda *_: entered.append("backward"))
    hidden = torch.randn(10, 8, requires_grad=True)
    targets = torch.randint(0, 11, (10,))
    whole = head_logprobs(head, hidden, targets, 0.7)
    chunked = head_logprobs(head, hidden, targets, 0.7, chunks=4)
    assert entered == ["forward", "forward"] and "forward" not in head.__dict__
    torch.testing.assert_close(chunked, whole)
    entered.clear()
    chunked.sum().backward()
    assert entered == ["backward"]


def test_more_chunks_than_rows_are_empty_and_give_gradients() -> None:
    head = nn.Linear(4, 5)
    hidden = torch.randn(2, 4, requires_grad=True)
    head_logprobs(head, hidden, torch.tensor([0, 1]), 1.0, chunks=5).sum().backward()
    assert hidden.grad is not None and head.weight.grad is not None
    none = torch.zeros(0, 4, requires_grad=True)
    assert head_logprobs(head, none, torch.zeros(0, dtype=torch.long), 1.0, chunks=3).shape == (0,)
