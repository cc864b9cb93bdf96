"""Independent samples drawn all at once: the counts of n samples at a node are multinomial over its children.

The multiset of completions has exactly the law of n independent samples, but each distinct prefix is computed
once, and each distinct completion judged once. Short answers share most of their prefixes, so 256 samples
cost about as much as a few dozen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

PROMPTS_AT_ONCE = 24


@dataclass(frozen=True, slots=True)
class Leaf:
    """One distinct completion of one prompt."""

    prompt: int
    """Index into the prompts given."""
    token_ids: tuple[int, ...]
    """The end token included, unless truncated."""
    count: int
    """How many of the n samples it is."""
    truncated: bool


@torch.inference_mode()
def sample_counts(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    samples: int,
    max_tokens: int,
    end_ids: Sequence[int],
    temperature: float = 1.0,
    seed: int = 0,
) -> Iterator[Leaf]:
    """Leaves of all prompts; for each prompt the counts sum to ``samples``.

    Args:
        model: a transformers causal language model.
        prompts: [M] token ids.
        samples: n for each prompt.
        max_tokens: longer completions are truncated there.
        end_ids: tokens that end a completion.
        temperature: above 0.
        seed: the same model, prompts and seed give the same counts.
    """
    by_length: dict[int, list[int]] = {}
    for i, prompt in enumerate(prompts):
        by_length.setdefault(len(prompt), []).append(i)  # Equal lengths need no padding, at any depth.
    ends = np.array(sorted(end_ids))
    for length in sorted(by_length):
        group = by_length[length]
        for start in range(0, len(group), PROMPTS_AT_ONCE):
            chosen = group[start : start + PROMPTS_AT_ONCE]
            rng = np.random.default_rng([seed, length, start])
            yield from _grow(model, prompts, chosen, samples, max_tokens, ends, temperature, rng)


def _grow(
    model: Any,
    prompts: Sequence[Sequence[int]],
    chosen: list[int],
    samples: int,
    max_tokens: int,
    ends: np.ndarray,
    temperature: float,
    rng: np.random.Generator,
) -> Iterator[Leaf]:
    """Breadth first, one token deeper each round; rows are the live prefixes."""
    out = model(input_ids=torch.tensor([list(prompts[i]) for i in chosen]), use_cache=True)
    owners, counts = np.array(chosen), np.full(len(chosen), samples)
    paths = np.zeros((len(chosen), 0), dtype=np.int64)
    logits, cache = out.logits[:, -1], out.past_key_values
    for depth in range(1, max_tokens + 1):
        drawn = _draw(logits, counts, temperature, rng)
        parents, tokens = np.nonzero(drawn)
        counts = drawn[parents, tokens]
        owners, paths = owners[parents], np.column_stack([paths[parents], tokens])
        ended = np.isin(tokens, ends)
        for row in np.nonzero(ended | (depth == max_tokens))[0]:
            yield Leaf(int(owners[row]), tuple(map(int, paths[row])), int(counts[row]), not ended[row])
        live = np.nonzero(~ended)[0]
        if depth == max_tokens or not len(live):
            return
        owners, counts, paths = owners[live], counts[live], paths[live]
        cache.batch_select_indices(torch.from_numpy(parents[live]))
        out = model(input_ids=torch.from_numpy(paths[:, -1:].copy()), past_key_values=cache, use_cache=True)
        logits, cache = out.logits[:, -1], out.past_key_values


def _draw(logits: Tensor, counts: np.ndarray, temperature: float, rng: np.random.Generator) -> np.ndarray:
    """[rows, V] how many of each row's samples take each token."""
    p = torch.softmax(logits.double() / temperature, dim=-1).numpy()
    return rng.multinomial(counts, p / p.sum(axis=1, keepdims=True))
