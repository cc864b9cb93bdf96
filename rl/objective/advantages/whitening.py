"""Standardising over everything an update holds."""

import torch

EPSILON = 1e-8


def whitened_where(values: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """``whitened`` over those where ``counted``, 0 elsewhere: the reward of what was shown is no measure for
    sampled tokens."""
    out = torch.zeros(len(values), dtype=torch.float64)
    out[counted] = whitened(values[counted])
    return out


def whitened(values: torch.Tensor) -> torch.Tensor:
    """The same shape in float64 with mean 0 and standard deviation 1; zeros where all values are equal."""
    values = values.double()
    if len(values) < 2 or not bool((values != values[0]).any()):
        return torch.where(values.isnan(), values, 0.0)
    return (values - values.mean()) / (values.std() + EPSILON)
