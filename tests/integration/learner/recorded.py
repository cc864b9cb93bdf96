"""Rollouts recorded from a tiny Llama: sampled by plain torch with its own log-probs, rewarded by a rule that
can be learnt."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from rl.batch.types import TrainingBatch
from tests.integration.learner.batches import VOCAB

LENGTH = 8
GROUP = 6


def record(path: Path, *, groups: int = 6, seed: int = 0) -> TrainingBatch:
    """A batch of ``groups`` x 6 completions of 8 tokens; right are those whose first token is in the upper
    half."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(seed)
    tokens, masks, logprobs, right = [], [], [], []
    for _ in range(groups):
        prompt = torch.randint(4, VOCAB, (5,), generator=generator)
        rows, scores = _sample(model, prompt.expand(GROUP, -1), generator)
        for row, score in zip(rows, scores, strict=True):
            tokens.append(row.numpy())
            masks.append(np.arange(len(row)) >= len(prompt))
            logprobs.append(np.concatenate([np.zeros(len(prompt)), score.numpy()]))
            right.append(bool(row[len(prompt)] >= VOCAB // 2))
    count = groups * GROUP
    return TrainingBatch(
        step=0,
        token_ids=np.concatenate(tokens).astype(np.int32),
        offsets=np.arange(count + 1, dtype=np.int64) * len(tokens[0]),
        prompt_lens=np.full(count, 5, np.int32),
        loss_mask=np.concatenate(masks),
        behavior_logprobs=np.concatenate(logprobs).astype(np.float32),
        token_versions=np.where(np.concatenate(masks), 0, -1).astype(np.int32),
        rewards=np.array(right, np.float32),
        correct=np.array(right),
        truncated=np.ones(count, bool),
        demonstration=np.zeros(count, bool),
        segment_ids=np.repeat(np.arange(groups), GROUP).astype(np.int32),
        group_ids=np.arange(groups, dtype=np.int64),
        temperature=1.0,
    )


@torch.no_grad()
def _sample(
    model: Any, prompts: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """([G, prompt + LENGTH] tokens, [G, LENGTH] log-probs)."""
    rows, scores = prompts, []
    for _ in range(LENGTH):
        log_p = model(rows).logits[:, -1].log_softmax(-1)
        drawn = torch.multinomial(log_p.exp(), 1, generator=generator)
        scores.append(log_p.gather(1, drawn))
        rows = torch.cat([rows, drawn], dim=1)
    return rows, torch.cat(scores, dim=1)


def sequence_logprob(weights: dict[str, np.ndarray], path: Path, batch: TrainingBatch) -> np.ndarray:
    """[S] log p of each completion under published weights."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    model.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()}, strict=False)
    rows = torch.from_numpy(batch.token_ids.reshape(len(batch.rewards), -1).astype(np.int64))
    with torch.no_grad():
        log_p = model(rows).logits[:, :-1].log_softmax(-1).gather(2, rows[:, 1:, None])[..., 0]
    return log_p[:, 4:].sum(1).numpy()
