"""The outer optimizer and the parts in which weights are exchanged, as tensor logic.

Symbols: theta the outer weights, the same on every replica; theta_m a replica's own; delta = theta - mean of
theta_m, the outer gradient; b the momentum. One outer step of Nesterov's SGD, as torch's::

    b     <- momentum * b + delta
    theta <- theta - lr * (delta + momentum * b)

With lr 1 and momentum 0 theta becomes the mean of the replicas.
"""

import re
from collections.abc import Mapping

import torch

LAYER = re.compile(r"\.(\d+)\.")
"""The number of a layer in a parameter's name."""


def outer_step(
    theta: torch.Tensor, momentum: torch.Tensor, delta: torch.Tensor, *, lr: float, beta: float
) -> None:
    """Move ``theta`` and its ``momentum`` [n] in place by the outer gradient ``delta`` [n]."""
    momentum.mul_(beta).add_(delta)
    theta.sub_(delta.add(momentum, alpha=beta), alpha=lr)


def mixed(own: torch.Tensor, theta: torch.Tensor, *, alpha: float) -> torch.Tensor:
    """A replica's weights after outer weights arrived: ``alpha`` of its own, the rest of ``theta``."""
    return theta.lerp(own, alpha) if alpha else theta.clone()


def due_fragments(batches: int, *, every: int, fragments: int, last: bool) -> list[int]:
    """The parts that are exchanged after so many ``batches``: each once in ``every``, evenly spread; all of
    them after the ``last`` one, so that no batch is missing from the end result."""
    if last:
        return list(range(fragments))
    return [p for p in range(fragments) if batches % every == p * every // fragments]


def fragments_of(sizes: Mapping[str, int], count: int) -> list[list[str]]:
    """Names of the parameters of each part, every layer whole: layer l goes to part l mod ``count``, what is
    in no layer to the smallest part so far, largest first.

    Strided, as in the paper's section on fragments: a part then has layers from all depths.
    """
    parts: list[list[str]] = [[] for _ in range(count)]
    outside = []
    for name in sizes:
        layer = LAYER.search(name)
        if layer is None:
            outside.append(name)
        else:
            parts[int(layer.group(1)) % count].append(name)
    for name in sorted(outside, key=lambda n: -sizes[n]):
        min(parts, key=lambda part: sum(sizes[n] for n in part)).append(name)
    return parts
