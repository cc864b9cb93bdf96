"""One number from a hidden state."""

import torch
from torch import nn


class ValueHead(nn.Module):
    """Starts at 0, so that the first values claim nothing."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(hidden_size, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """[T] float32 values of hidden states [T, hidden]."""
        return self.linear(hidden.to(self.linear.weight.dtype)).float()[:, 0]
