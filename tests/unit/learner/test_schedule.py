"""Learning-rate multipliers by hand."""

import pytest

from rl.config.learner import LearnerConfig
from rl.learner.schedule import lr_multiplier


def values(updates: list[int], **config: object) -> list[float]:
    multiplier = lr_multiplier(LearnerConfig(**config), total_updates=10)
    return [multiplier(update) for update in updates]


def test_constant_after_warm_up() -> None:
    assert values([0, 1, 3, 4, 99], warmup_steps=4) == [0.25, 0.5, 1.0, 1.0, 1.0]


def test_linear_falls_to_the_floor_and_stays() -> None:
    assert values([1, 2, 6, 10, 50], schedule="linear", warmup_steps=2, min_lr_ratio=0.2) == pytest.approx(
        [1.0, 1.0, 0.6, 0.2, 0.2]
    )


def test_cosine_halves_in_the_middle() -> None:
    assert values([0, 5, 10, 11], schedule="cosine") == pytest.approx([1.0, 0.5, 0.0, 0.0])


def test_a_warm_up_longer_than_the_run_still_rises() -> None:
    assert values([0, 9, 19, 20], schedule="linear", warmup_steps=20) == pytest.approx([0.05, 0.5, 1.0, 1.0])
