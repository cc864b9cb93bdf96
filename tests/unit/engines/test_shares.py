"""Shares of engines: equal ones stay equal, a slow one gets less until all end together."""

import random

import pytest

from rl.engines.shares import WIDEST, EngineShares

GROUPS, ROLLOUTS = 64, 16


def plan(
    shares: EngineShares, speeds: list[float], rng: random.Random, *, fixed_s: float, noise: float = 0.1
) -> list[float]:
    """One plan, given out as the fleet does; seconds until each engine is done. A token takes an engine
    ``fixed_s`` and a part for each sequence, over its speed."""
    given = [0] * len(speeds)
    for _ in range(GROUPS):
        engine = min(range(len(speeds)), key=lambda e: (given[e] + ROLLOUTS) / shares.of(e))
        given[engine] += ROLLOUTS
    ends = [0.0] * len(speeds)
    for engine, speed in enumerate(speeds):
        token_s = (fixed_s + 1e-4 * given[engine]) / speed
        for _ in range(given[engine] // ROLLOUTS):
            tokens = rng.randint(20, 200)
            seconds = token_s * tokens * rng.lognormvariate(0, noise)
            shares.finished(engine, seconds=seconds, tokens=tokens)
        ends[engine] = token_s * 200
    return ends


def of(speeds: list[float]) -> EngineShares:
    shares = EngineShares()
    for engine in range(len(speeds)):
        shares.join(engine)
    return shares


@pytest.mark.parametrize("fixed_s", [0.0, 0.02])
def test_a_slow_engine_gets_less_until_all_end_together(fixed_s: float) -> None:
    speeds, rng = [1.0, 1.0, 0.4], random.Random(0)
    shares = of(speeds)
    before = plan(shares, speeds, rng, fixed_s=fixed_s)
    for _ in range(80):
        after = plan(shares, speeds, rng, fixed_s=fixed_s)
    assert max(after) < 0.75 * max(before)
    assert max(after) / min(after) < 1.4 and shares.slowest < 0.7


@pytest.mark.parametrize("fixed_s", [0.01, 1.0])
def test_equal_engines_stay_equal(fixed_s: float) -> None:
    """Also where a token takes as long whatever there is to do, so that only chance moves the shares."""
    speeds, rng = [1.0] * 4, random.Random(1)
    shares = of(speeds)
    found = []
    for _ in range(300):
        ends = plan(shares, speeds, rng, fixed_s=fixed_s, noise=0.5)
        found.append(shares.slowest)
    assert min(found) > 0.6 and max(ends) / min(ends) < 1.3


def test_a_share_is_bounded_and_forgotten_with_its_engine() -> None:
    shares = of([1.0, 1.0])
    for _ in range(1000):
        shares.finished(0, seconds=1.0, tokens=10)
        shares.finished(1, seconds=100.0, tokens=10)
    assert shares.slowest >= WIDEST**-2 and shares.of(1) < 1 < shares.of(0)
    shares.join(1)
    assert shares.of(1) > 1 / WIDEST
    shares.leave(1)
    assert shares.of(0) == shares.slowest == 1
    shares.finished(7, seconds=1.0, tokens=10)
    shares.finished(0, seconds=0.0, tokens=0)
    assert shares.of(0) == 1
