"""Random training batches for the tests of the learner."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rl.batch.types import TrainingBatch

VOCAB = 64


def make_batch(
    seed: int = 0, *, sizes: tuple[int, ...] = (4, 2, 5, 3, 1), longest: int = 24, temperature: float = 1.0
) -> TrainingBatch:
    """Random prompts, completions and 0/1 rewards in groups of unequal size; behaviour log-probs near
    uniform."""
    draw = np.random.default_rng(seed)
    tokens, masks, prompt_lens, segments, lengths = [], [], [], [], []
    for segment, size in enumerate(sizes):
        prompt = draw.integers(4, VOCAB, draw.integers(3, 9))
        for _ in range(size):
            completion = draw.integers(4, VOCAB, draw.integers(2, longest))
            tokens += [prompt, completion]
            masks += [np.zeros(len(prompt), bool), np.ones(len(completion), bool)]
            prompt_lens.append(len(prompt))
            segments.append(segment)
            lengths.append(len(prompt) + len(completion))
    mask = np.concatenate(masks)
    rewards = np.concatenate([np.arange(size) % 2 for size in sizes]).astype(np.float32)
    return TrainingBatch(
        step=seed,
        token_ids=np.concatenate(tokens).astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        prompt_lens=np.array(prompt_lens, np.int32),
        loss_mask=mask,
        behavior_logprobs=np.where(mask, draw.normal(-4.0, 0.3, len(mask)), 0).astype(np.float32),
        token_versions=np.where(mask, 0, -1).astype(np.int32),
        rewards=rewards,
        correct=rewards > 0,
        truncated=np.zeros(len(rewards), dtype=bool),
        demonstration=np.zeros(len(rewards), dtype=bool),
        segment_ids=np.array(segments, np.int32),
        group_ids=np.arange(len(sizes), dtype=np.int64),
        temperature=temperature,
    )


def part_of(batch: TrainingBatch, segments: Sequence[int]) -> TrainingBatch:
    """Whole groups of a batch, in the order asked for, as a batch of their own."""
    samples = np.concatenate([np.flatnonzero(batch.segment_ids == segment) for segment in segments])
    lengths = np.diff(batch.offsets)[samples]
    tokens = np.concatenate([np.arange(batch.offsets[s], batch.offsets[s + 1]) for s in samples])
    sizes = [int((batch.segment_ids == segment).sum()) for segment in segments]
    per_token = {
        name: getattr(batch, name)[tokens]
        for name in ("token_ids", "loss_mask", "behavior_logprobs", "token_versions")
    }
    per_sample = {
        name: getattr(batch, name)[samples]
        for name in ("prompt_lens", "rewards", "correct", "truncated", "demonstration")
    }
    return replace(
        batch,
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        segment_ids=np.repeat(np.arange(len(segments)), sizes).astype(np.int32),
        group_ids=batch.group_ids[list(segments)],
        **per_token,
        **per_sample,
    )
