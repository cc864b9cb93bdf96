"""How far a weight format moves the log-probs of plain text."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rl.config.model import trusts_code
from rl.config.schema import Config
from rl.evaluation.suites.packaged import TEXT
from rl.run.prepare.preflight import load_tokenizer

PASSAGES, TOKENS = 24, 64
"""Passages that are scored, and tokens of each at most."""


def texts_for(model: Path, config: Config) -> list[list[int]]:
    """The beginnings of the packaged passages in the model's tokens."""
    tokenizer = load_tokenizer(model, trust=trusts_code(config.model))
    passages = TEXT.read_text(encoding="utf-8").split("\n\n")[:PASSAGES]
    most = min(TOKENS, config.rollout.max_model_len - 1)
    encoded = tokenizer(passages, truncation=True, max_length=most)["input_ids"]
    return [list(ids) for ids in encoded if len(ids) > 1]


def accuracy_of(
    scores: Sequence[Sequence[float]], reference: Sequence[Sequence[float]]
) -> dict[str, float | int]:
    """Differences of log-probs (nats), token by token; both [texts][tokens]."""
    difference = np.concatenate([np.subtract(a, b) for a, b in zip(scores, reference, strict=True)])
    return {
        "tokens": len(difference),
        "mean": float(difference.mean()),
        "mean_absolute": float(np.abs(difference).mean()),
        "largest": float(np.abs(difference).max()),
        "reference": float(np.concatenate([np.asarray(one) for one in reference]).mean()),
    }
