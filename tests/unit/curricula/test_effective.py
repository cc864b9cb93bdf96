"""Effective ratios by hand."""

from typing import Any

import pytest

from curricula.measures.effective import difficulty_buckets, effective_ratios
from rollout.types import RolloutStat


def stat(n: int, c: int, **extra: Any) -> RolloutStat:
    fields: dict[str, Any] = {
        "plan_step": 0,
        "prompt_id": "p",
        "category": "default",
        "difficulty": 0,
        "sampling_key": "t1-p1-m64",
        "num_rollouts": n,
        "num_correct": c,
        "num_truncated": 0,
        "num_tokens": n,
        "min_policy_version": 0,
        "max_policy_version": 0,
        "kept": True,
    }
    return RolloutStat(**{**fields, **extra})


def test_samples_and_prompts_are_weighted_differently() -> None:
    ratios = effective_ratios([stat(26, 1), stat(2, 2), stat(2, 0), stat(2, 0, kept=False)])
    assert ratios["effective_gradient_ratio"] == pytest.approx(26 / 32)
    assert ratios["effective_prompt_ratio"] == pytest.approx(1 / 4)
    assert ratios["all_positive_ratio"] == pytest.approx(1 / 4)
    assert ratios["all_negative_ratio"] == pytest.approx(2 / 4)
    assert ratios["pass_rate"] == pytest.approx(3 / 32)


def test_buckets_have_the_published_edges() -> None:
    buckets = difficulty_buckets([stat(10, c) for c in (0, 1, 2, 3, 7, 8, 9, 10)])
    assert buckets == {
        "extremely_hard_ratio": 1 / 8,
        "hard_ratio": 2 / 8,
        "medium_ratio": 2 / 8,
        "easy_ratio": 2 / 8,
        "extremely_easy_ratio": 1 / 8,
    }


def test_no_groups_say_nothing() -> None:
    assert effective_ratios([]) == {}
    assert difficulty_buckets([]) == {}
