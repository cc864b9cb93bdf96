"""Samples and tokens of one update, from plain lists."""

from typing import Any

import torch

from rl.config.algorithm import AlgorithmConfig
from rl.objective.samples import Samples, Tokens


def samples(rewards: list[float], segments: list[int], **fields: Any) -> Samples:
    count = len(rewards)
    values = torch.tensor(rewards, dtype=fields.pop("dtype", torch.float64))
    given = {
        "correct": values > 0,
        "lengths": torch.ones(count, dtype=torch.long),
        "truncated": torch.zeros(count, dtype=torch.bool),
        "demonstration": torch.zeros(count, dtype=torch.bool),
        "max_tokens": 10,
    } | fields
    return Samples(rewards=values, segment_ids=torch.tensor(segments), **given)


def one_token_each(count: int) -> Tokens:
    return Tokens(sample=torch.arange(count))


def config(**fields: Any) -> AlgorithmConfig:
    return AlgorithmConfig(**fields)
