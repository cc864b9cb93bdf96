"""Random batches of groups of unequal size."""

from collections.abc import Callable

import numpy as np
import pytest

from rl.batch.types import TrainingBatch


@pytest.fixture
def random_batch() -> Callable[..., TrainingBatch]:
    return _random_batch


def _random_batch(seed: int, *, samples: int, vocab: int = 50, longest: int = 30) -> TrainingBatch:
    draw = np.random.default_rng(seed)
    prompts, completions = draw.integers(1, 8, samples), draw.integers(1, longest, samples)
    lengths = prompts + completions
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    position = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    mask = position >= np.repeat(prompts, lengths)
    mask &= draw.random(len(mask)) > 0.1  # tool tokens between sampled ones
    return TrainingBatch(
        step=seed,
        token_ids=draw.integers(1, vocab, len(mask)).astype(np.int32),
        offsets=offsets,
        prompt_lens=prompts.astype(np.int32),
        loss_mask=mask,
        behavior_logprobs=np.where(mask, draw.normal(-3, 1, len(mask)), 0).astype(np.float32),
        token_versions=np.where(mask, 0, -1).astype(np.int32),
        rewards=draw.integers(0, 2, samples).astype(np.float32),
        correct=np.zeros(samples, bool),
        truncated=np.zeros(samples, dtype=bool),
        demonstration=np.zeros(samples, dtype=bool),
        segment_ids=np.sort(draw.integers(0, max(samples // 3, 1), samples)).astype(np.int32),
        group_ids=np.arange(samples, dtype=np.int64),
        temperature=1.0,
    )
