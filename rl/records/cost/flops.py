"""FLOPs of a language model's passes over sequences of given lengths.

See docs/methods/cost.md#flops-of-training.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from planner.cost.flops import ModelShape

BACKWARD = 2
"""FLOPs of a backward pass over those of the forward pass: each matrix product has two of its size there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCost:
    """A decoder-only transformer, as far as its arithmetic depends on it."""

    shape: ModelShape
    """``params`` are the numbers that every token is multiplied by: without embeddings and head, and of
    experts only those that a token takes."""
    windows: tuple[int | None, ...]
    """For each layer with attention, the positions that a token attends to at most; None for all before it.
    """
    adapter: float = 0.0
    """Numbers of a LoRA adapter that is trained in place of the weights; 0 without one."""

    def forward(
        self, inputs: ArrayLike, predicted: float, *, start: ArrayLike = 0, head: float | None = None
    ) -> float:
        """FLOPs of a forward pass: 2N a token, the head at ``predicted`` positions, and attention.

        Args:
            inputs: [n] tokens fed of each sequence.
            predicted: positions at which the head runs, over all sequences.
            start: [n] positions before them whose keys and values are there already.
            head: FLOPs of the head for one position; None for that of the vocabulary, 2 d V.
        """
        one_head = self.shape.head_flops if head is None else head
        tokens = float(np.sum(inputs))
        return 2 * self.shape.params * tokens + one_head * predicted + self.attention(inputs, start)

    def attention(self, inputs: ArrayLike, start: ArrayLike = 0) -> float:
        """FLOPs of scores and of sums of values, causal: 4w for each pair of a token and a position that it
        attends to, itself included, and each layer."""
        fed, before = np.asarray(inputs, dtype=np.float64), np.asarray(start, dtype=np.float64)
        counts: dict[int | None, int] = {}
        for window in self.windows:
            counts[window] = counts.get(window, 0) + 1
        pairs = sum(n * float(np.sum(attended(fed, before, window))) for window, n in counts.items())
        return 4.0 * self.shape.attention_width * pairs

    def score(self, inputs: ArrayLike, predicted: float) -> float:
        """FLOPs of a forward pass of what is trained: with the adapter, if there is one."""
        return self.forward(inputs, predicted) + 2 * self.adapter * float(np.sum(inputs))

    def train(self, inputs: ArrayLike, predicted: float, *, head: float | None = None) -> float:
        """FLOPs of forward and backward: three times the forward pass; under an adapter twice it, since the
        weights get no gradient, and three times the adapter. What is computed again to save memory is not
        counted."""
        if not self.adapter:
            return (1 + BACKWARD) * self.forward(inputs, predicted, head=head)
        tokens = float(np.sum(inputs))
        # Attention has no weights of its own: its backward pass is the same as ever.
        return (
            2 * self.forward(inputs, predicted, head=head)
            + self.attention(inputs)
            + (1 + BACKWARD) * 2 * self.adapter * tokens
        )

    def sample(
        self,
        prompt: int,
        lengths: Sequence[int],
        *,
        block: int | None,
        again: Sequence[int] = (),
    ) -> float:
        """FLOPs of sampling one group: the prompt, then one token after the other; the last is not fed.

        Args:
            prompt: tokens of the prompt.
            lengths: [G] tokens sampled of each completion.
            block: tokens of a block of the prefix cache, whose full blocks of the prompt are computed once
                for the group (the prompt's last token is always computed); None without the cache.
            again: for each time that a sequence was computed anew because the weights had changed, its
                positions up to there.
        """
        sampled = np.asarray([n for n in lengths if n > 0], dtype=np.int64)
        if not len(sampled):
            return 0.0
        cached = np.zeros(len(sampled), dtype=np.int64)
        if block is not None:
            cached[1:] = block * ((prompt - 1) // block)
        flops = self.forward(prompt - 1 + sampled - cached, float(sampled.sum()), start=cached)
        return flops + (self.forward(list(again), 0.0) if again else 0.0)


def attended(fed: np.ndarray, before: np.ndarray, window: int | None) -> np.ndarray:
    """[n] pairs of a token and a position that it attends to: positions before + 1, ..., before + fed have as
    many, or ``window`` where that is less."""
    last = before + fed
    if window is None:
        return triangle(last) - triangle(before)
    return _windowed(last, window) - _windowed(before, window)


def triangle(n: np.ndarray) -> np.ndarray:
    """1 + 2 + ... + n."""
    return n * (n + 1) / 2


def _windowed(n: np.ndarray, window: int) -> np.ndarray:
    """Sum of min(i, window) for i = 1, ..., n."""
    return triangle(np.minimum(n, window)) + np.maximum(n - window, 0) * window
