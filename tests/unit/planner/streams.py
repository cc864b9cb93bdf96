"""Streams of group statistics drawn at given success probabilities."""

from typing import Any

import numpy as np

from rollout.types import RolloutStat

KEY = "t1-p1-m64"


def stat(
    prompt: str, right: int, *, n: int = 8, version: int = 0, category: str = "sums", **more: Any
) -> RolloutStat:
    """One group; 10 tokens a completion unless lengths are given."""
    lengths = {"correct_lengths": (10,) * right, "wrong_lengths": (10,) * (n - right)} | more
    tokens = sum(lengths["correct_lengths"]) + sum(lengths["wrong_lengths"])
    fields: dict[str, Any] = {
        "plan_step": version,
        "prompt_id": prompt,
        "category": category,
        "difficulty": 0,
        "sampling_key": KEY,
        "num_rollouts": n,
        "num_correct": right,
        "num_truncated": 0,
        "num_tokens": tokens,
        "min_policy_version": version,
        "max_policy_version": version,
        "kept": True,
    }
    return RolloutStat(**{**fields, **lengths})


def stream(
    rates: dict[str, list[float]], *, samples: int, versions: int = 1, seed: int = 0, tokens: int = 10
) -> list[RolloutStat]:
    """One group a prompt and version; prompt i of category c is ``c-i``."""
    rng = np.random.default_rng(seed)
    out: list[RolloutStat] = []
    for version in range(versions):
        for category, ps in rates.items():
            for i, p in enumerate(ps):
                right = int(rng.binomial(samples, p))
                lengths = {
                    "correct_lengths": (tokens,) * right,
                    "wrong_lengths": (tokens,) * (samples - right),
                }
                more = {"version": version, "category": category, "group_id": len(out)} | lengths
                out.append(stat(f"{category}-{i}", right, n=samples, **more))
    return out
