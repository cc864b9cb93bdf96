"""Learning-rate multipliers by hand. Ten updates: without a warm-up the peak is update 0 and the end, nine
updates on, update 9."""

import itertools
import math
from typing import Any

import pytest

from rl.config.fields import names_at
from rl.config.learner import LearnerConfig
from rl.learner.schedules import SCHEDULES, lr_multiplier


def values(updates: list[int], *, total: int = 10, **config: Any) -> list[float]:
    """``schedule`` and what it reads, flat."""
    name, warmup = config.pop("schedule", "constant"), config.pop("warmup_steps", 0)
    learner = LearnerConfig.model_validate({"warmup_steps": warmup, "schedule": {"name": name} | config})
    multiplier = lr_multiplier(learner, total_updates=total)
    return [multiplier(update) for update in updates]


def test_every_schedule_can_be_configured() -> None:
    assert names_at(LearnerConfig, "schedule") == set(SCHEDULES)


@pytest.mark.parametrize("schedule", sorted(set(SCHEDULES) - {"constant"}))
@pytest.mark.parametrize("warmup", [0, 1, 3])
def test_the_ends_are_exact(schedule: str, warmup: int) -> None:
    """The first update is not 0, the warm-up ends on 1, the last update is on the floor, and nothing comes
    back after it."""
    phi = {"phi": 0.7} if schedule == "uba" else {}
    curve = values(list(range(13)), schedule=schedule, warmup_steps=warmup, min_lr_ratio=0.25, **phi)
    assert curve[0] == (1 / warmup if warmup else 1.0)
    assert curve[max(warmup - 1, 0)] == 1.0
    assert curve[9:] == [0.25] * 4
    falling = curve[max(warmup - 1, 0) : 10]
    assert all(a >= b for a, b in itertools.pairwise(falling)) and falling[-2] > 0.25


def test_constant_after_warm_up() -> None:
    assert values([0, 1, 3, 4, 99], warmup_steps=4) == [0.25, 0.5, 1.0, 1.0, 1.0]


def test_linear_falls_to_the_floor_and_stays() -> None:
    # The peak is update 1, the end update 9: update 5 is halfway between 1 and 0.2.
    assert values([0, 1, 5, 9, 50], schedule="linear", warmup_steps=2, min_lr_ratio=0.2) == pytest.approx(
        [0.5, 1, 0.6, 0.2, 0.2]
    )


def test_cosine_by_thirds() -> None:
    assert values([0, 3, 6, 9], schedule="cosine") == pytest.approx([1.0, 0.75, 0.25, 0.0])


def test_rex_is_above_the_line() -> None:
    # (1 - p) / (1/2 + (1 - p)/2) at p = 1/3, 2/3: (2/3)/(5/6), (1/3)/(2/3).
    assert values([0, 3, 6, 9], schedule="rex") == pytest.approx([1.0, 0.8, 0.5, 0.0])


@pytest.mark.parametrize(
    ("shape", "halfway"), [("linear", 0.5), ("cosine", 0.5), ("sqrt", 1 - math.sqrt(0.5))]
)
def test_wsd_holds_then_decays(shape: str, halfway: float) -> None:
    # 21 updates, the decay over the last 40 % of 20: updates 12 to 20, halfway at 16.
    got = values([0, 12, 16, 20], total=21, schedule="wsd", decay_share=0.4, decay_shape=shape)
    assert got == pytest.approx([1.0, 1.0, halfway, 0.0])


def test_power_is_the_inverse_square_root_until_it_decays() -> None:
    # Peak after 4 updates; after 16 the root has fallen by two. 25 updates: the last tenth of 21 begins 2.1
    # before the end.
    got = values([3, 15, 24], total=25, schedule="power", warmup_steps=4)
    assert got == pytest.approx([1.0, 0.5, 0.0])
    assert values([15], total=25, schedule="power", warmup_steps=4, exponent=1.0) == pytest.approx([0.25])
    # One update before the end 1/2.1 of the decay is left.
    assert values([23], total=25, schedule="power", warmup_steps=4) == pytest.approx([(4 / 24) ** 0.5 / 2.1])


def test_uba_has_constant_and_cosine_at_its_ends() -> None:
    updates = list(range(9))
    assert values(updates, schedule="uba", phi=0.0) == pytest.approx([1.0] * 9)
    assert values(updates, schedule="uba") == pytest.approx(values(updates, schedule="cosine"))
    # Halfway 1 + cos = 1, so 2 / (2 phi + 2 - phi) = 2 / (2 + phi).
    assert values([5], total=11, schedule="uba", phi=1.0) == pytest.approx([2 / 3])
    assert values([5], total=11, schedule="uba", phi=6.0) == pytest.approx([0.25])


def test_a_warm_up_longer_than_the_run_still_rises() -> None:
    assert values([0, 9, 19], schedule="linear", warmup_steps=20) == pytest.approx([0.05, 0.5, 1.0])


def test_a_run_of_one_update_trains_at_the_peak() -> None:
    assert values([0], total=1, schedule="cosine") == [1.0]
