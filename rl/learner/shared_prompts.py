"""Rows that hold a prompt once and then several completions of it, each of which sees the prompt and itself.

A group's rollouts share their prompt, which padded or packed rows repeat for every one of them. Here
positions restart behind the prompt with each completion, and a mask lets a token see the prompt and what its
own completion has so far: exactly what it would see alone, so that log-probs and gradients are the same.
Attention is dense in the row, which is why rows are bounded.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from rl.batch.types import TrainingBatch

LONGEST_ROW = 1024
"""Tokens, beyond which another row of the same prompt begins; attention costs the square of it."""
PADDING = -1
BIASED = ("bloom", "mpt")
"""Models whose positions are biases of the attention, whatever they are told of positions."""


def shared_rows(batch: TrainingBatch, samples: np.ndarray, *, token_budget: int) -> list[np.ndarray]:
    """Which of ``samples`` (ascending) make a row: those of one group with one prompt, until it is full."""
    lengths = np.diff(batch.offsets)
    together: dict[tuple[int, bytes], list[int]] = {}
    for sample in samples.tolist():
        start = batch.offsets[sample]
        prompt = batch.token_ids[start : start + batch.prompt_lens[sample]].tobytes()
        together.setdefault((int(batch.segment_ids[sample]), prompt), []).append(sample)
    rows: list[np.ndarray] = []
    for group in together.values():
        prompt_len = int(batch.prompt_lens[group[0]])
        row, used = [group[0]], int(lengths[group[0]])
        for sample in group[1:]:
            own = int(lengths[sample]) - prompt_len
            if used + own > min(token_budget, LONGEST_ROW):
                rows.append(np.array(row, dtype=np.int64))
                row, used = [], prompt_len
            row.append(sample)
            used += own
        rows.append(np.array(row, dtype=np.int64))
    return rows


def row_length(batch: TrainingBatch, row: np.ndarray) -> int:
    """Tokens of a row, the prompt once."""
    lengths = np.diff(batch.offsets)[row]
    return int(lengths.sum() - (len(row) - 1) * batch.prompt_lens[row[0]])


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedLayout:
    """Rows as arrays, [B, L]; the last token of a completion is never an input."""

    inputs: np.ndarray
    positions: np.ndarray
    parts: np.ndarray
    """0 on the prompt, k on the row's k-th completion, ``PADDING`` behind the last one."""
    select: np.ndarray
    """[T] index into the flattened inputs of the position that predicts each loss token; completions share
    the prompt's last one."""
    flat: np.ndarray
    """[T] index of each loss token in the batch."""
    sample: np.ndarray
    """[T] its sample."""


def shared_layout(batch: TrainingBatch, rows: list[np.ndarray]) -> SharedLayout:
    """Lay rows out, loss tokens in the order of rows, completions and tokens."""
    width = max(row_length(batch, row) - len(row) for row in rows)
    shape = (len(rows), max(width, 1))
    inputs, positions = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    parts = np.full(shape, PADDING, dtype=np.int16)
    select, flat, owner = [], [], []
    for index, row in enumerate(rows):
        start, prompt = batch.offsets[row[0]], int(batch.prompt_lens[row[0]])
        inputs[index, :prompt] = batch.token_ids[start : start + prompt]
        positions[index, :prompt] = np.arange(prompt)
        parts[index, :prompt] = 0
        at = prompt
        for part, sample in enumerate(row.tolist(), start=1):
            first, end = batch.offsets[sample] + prompt, batch.offsets[sample + 1]
            own = int(end - first) - 1
            inputs[index, at : at + own] = batch.token_ids[first : end - 1]
            positions[index, at : at + own] = prompt + np.arange(own)
            parts[index, at : at + own] = part
            trained = np.flatnonzero(batch.loss_mask[first:end])
            select.append(index * shape[1] + np.where(trained == 0, prompt - 1, at + trained - 1))
            flat.append(first + trained)
            owner.append(np.full(len(trained), sample, dtype=np.int64))
            at += own
    return SharedLayout(
        inputs=inputs,
        positions=positions,
        parts=parts,
        select=np.concatenate(select),
        flat=np.concatenate(flat),
        sample=np.concatenate(owner),
    )


def shared_mask(parts: torch.Tensor) -> torch.Tensor:
    """[B, 1, L, L] bool: query i sees key j where j is no later and of the prompt or of its own part."""
    query, key = parts[:, :, None], parts[:, None, :]
    earlier = torch.ones(parts.shape[1], parts.shape[1], dtype=torch.bool, device=parts.device).tril()
    return (earlier & ((key == 0) | (key == query)))[:, None]


def refusal(config: Any) -> str | None:
    """Why a model with this transformers config cannot run on such rows; None if it can."""
    layers = sorted(set(getattr(config, "layer_types", None) or ()) - {"full_attention"})
    if layers:
        return f"its layers of type {', '.join(layers)} do not take a mask of our own"
    if getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True):
        return "its attention looks through a window"
    if getattr(config, "attention_chunk_size", None):
        return "its attention is in chunks"
    if getattr(config, "attn_logit_softcapping", None):
        return "its attention scores are soft-capped"
    if getattr(config, "alibi", False) or config.model_type in BIASED:
        return "its positions are biases of the attention"
    if not getattr(config, "num_attention_heads", 0):
        return "it is not made of attention"
    return None
