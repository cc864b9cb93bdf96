"""Prompts passed over before any rollout: GRESO (docs/methods/filters.md#greso), retirement with re-checks,
POLARIS (docs/methods/filters.md#polaris)."""

import json
from typing import Any

import numpy as np
import pytest

from curricula.base import Ctx
from curricula.drawing.coin import coin
from curricula.filters.greso import Greso
from curricula.filters.retire import Retire
from curricula.filters.stage_drop import StageDrop
from curricula.pool import PromptPool
from rollout.statistics import StatisticsStore
from rollout.types import Prompt
from tests.unit.curricula.stacks import KEY, POOL, built, new_store, plan_next, stat, stats_of

ALL = np.arange(20)


def ctx(
    step: int = 0, *, round: int = 0, total_steps: int = 40, pool: PromptPool = POOL, seed: int = 0
) -> Ctx:
    store = StatisticsStore(pool.ids, sampling_key=KEY)
    return Ctx(step=step, total_steps=total_steps, seed=seed, pool=pool, store=store, round=round)


def test_greso_skip_probabilities() -> None:
    runs = np.array([0, 1, 2, 3, 7, -1, -2])
    assert Greso().skip_probability(runs) == pytest.approx([0, 0.5, 0.75, 0.875, 0.99, 0.5, 0.75])


def test_greso_counts_trailing_runs_and_asks_by_prompt() -> None:
    part = Greso()
    for step in range(7):
        part.observe(ctx(step), [stat(0, n=8, correct=8), stat(1, n=8, correct=0), stat(2, n=8, correct=4)])
    part.observe(ctx(7), [stat(1, n=8, correct=8)])
    assert part.metrics()["greso_easy_prompts"] == 2 and part.metrics()["greso_hard_prompts"] == 0
    skipped = np.mean([part.skip(ctx(step), ALL) for step in range(10, 2010)], axis=0)
    assert skipped[[0, 1, 2]] == pytest.approx([0.99, 0.5, 0], abs=0.035)
    assert skipped[2:].max() == 0
    whole = part.skip(ctx(3), ALL)
    pieces = np.concatenate([part.skip(ctx(3), ALL[:7]), part.skip(ctx(3), ALL[7:])])
    assert whole.tolist() == pieces.tolist(), "the answer does not depend on who else is asked about"


def test_greso_steers_its_base_probabilities_after_the_first_epoch() -> None:
    part = Greso(start=0.5)
    hard = [stat(i, n=8, correct=0) for i in range(10)]
    easy = [stat(i, n=8, correct=8) for i in range(10, 20)]
    part.observe(ctx(0), hard + easy)  # the first epoch: 20 prompts
    assert (part.metrics()["greso_easy_base"], part.metrics()["greso_hard_base"]) == (0.5, 0.5)
    part.observe(ctx(1), [*hard[:2], *[stat(i, n=8, correct=4) for i in range(10)]])
    # Hard 2 of 12 = the target of 2/3 x 1/4; no easy ones.
    assert part.metrics()["greso_hard_base"] == pytest.approx(0.49)
    assert part.metrics()["greso_easy_base"] == pytest.approx(0.51)
    for step in range(2, 80):
        part.observe(ctx(step), hard)
    assert part.metrics()["greso_hard_base"] == pytest.approx(0.05)
    assert part.metrics()["greso_easy_base"] == pytest.approx(0.95)


def test_retired_prompts_come_back_for_re_checks_at_growing_distances() -> None:
    part = Retire(patience=2, recheck_steps=10, growth=2, longest_steps=15)

    def skipped(step: int) -> bool:
        return bool(part.skip(ctx(step), np.array([0]))[0])

    assert not skipped(0)
    part.observe(ctx(0), [stat(0, n=8, correct=8)])
    assert not skipped(1), "one solved visit proves little"
    part.observe(ctx(5), [stat(0, n=8, correct=8)])
    assert part.metrics() == {"retired_prompts": 1.0}
    assert [skipped(s) for s in (6, 14, 15)] == [True, True, False]
    part.observe(ctx(15), [stat(0, n=8, correct=8)])
    assert [skipped(s) for s in (29, 30)] == [True, False], "20 steps, cut to 15"
    part.observe(ctx(30), [stat(0, n=8, correct=7)])
    assert not skipped(31) and part.metrics() == {"retired_prompts": 0.0}


def test_retirement_never_overflows() -> None:
    part = Retire(patience=1, recheck_steps=1, growth=8, longest_steps=100)
    for step in range(2000):
        part.observe(ctx(step), [stat(0, n=2, correct=2)])
    assert part.skip(ctx(2098), np.array([0])).tolist() == [True]
    assert part.skip(ctx(2099), np.array([0])).tolist() == [False]


def test_polaris_drops_between_stages_what_was_nearly_solved() -> None:
    part = StageDrop(threshold=0.9, stages=2, min_count=8)
    assert part.skip(ctx(0), ALL) is None
    part.observe(
        ctx(3, total_steps=10), [stat(0, n=8, correct=8), stat(1, n=10, correct=9), stat(2, n=4, correct=4)]
    )
    assert not np.any(part.skip(ctx(4), ALL)), "the stage is not over"
    part.observe(ctx(4, total_steps=10), [])
    assert np.flatnonzero(part.skip(ctx(5), ALL)).tolist() == [0], (
        ".9 does not exceed .9, and 4 rollouts are too few"
    )
    part.observe(ctx(9, total_steps=10), [stat(2, n=4, correct=4)])
    assert part.metrics() == {"stage_dropped_prompts": 1.0}, "the earlier stage's counts are gone"


@pytest.mark.parametrize("name", ["greso", "retire", "polaris"])
def test_a_run_goes_on_after_a_restore_as_if_nothing_had_happened(name: str) -> None:
    args: dict[str, Any] = {"stages": 3, "threshold": 0.5, "min_count": 2} if name == "polaris" else {}
    store, slot = new_store(), {"name": name, "args": args}
    straight = built(store, skip=slot)
    snapshots = []
    plans = []
    for step in range(30):
        plan = plan_next(straight, step)
        plans.append(plan.prompt_indices.tolist())
        straight.observe(step, stats_of(plan, step))
        snapshots.append(json.dumps([straight.state_dict(), store.state_dict()]))
    assert any(json.loads(s)[0]["parts"]["skip"] for s in snapshots)
    for cut in (0, 9, 10, 22):
        state, statistics = json.loads(snapshots[cut])
        fresh = new_store()
        fresh.load_state_dict(statistics)
        resumed = built(fresh, skip=slot)
        resumed.load_state_dict(state)
        assert json.dumps(resumed.state_dict()) == json.dumps(state)
        for step in range(cut + 1, 30):
            plan = plan_next(resumed, step)
            assert plan.prompt_indices.tolist() == plans[step]
            resumed.observe(step, stats_of(plan, step))


def test_a_skip_saves_rollouts_on_solved_prompts() -> None:
    solved = set(range(10, 20))

    def visits(**slots: Any) -> float:
        stack = built(**slots)
        seen = []
        for step in range(40):
            plan = plan_next(stack, step)
            seen += plan.prompt_indices.tolist()
            stack.observe(
                step,
                [
                    stat(i, n=8, correct=8 if i in solved else 4, step=step)
                    for i in plan.prompt_indices.tolist()
                ],
            )
        return float(np.mean([i in solved for i in seen[80:]]))

    assert visits() == pytest.approx(0.5, abs=0.05)
    assert visits(skip={"name": "retire", "args": {"recheck_steps": 20}}) < 0.2
    assert visits(skip={"name": "greso"}) < 0.3


def test_coins_are_uniform_and_change_with_step_round_name_and_seed() -> None:
    pool = PromptPool.from_prompts(
        [Prompt(id=str(i), text="", token_ids=(1,), answer="") for i in range(50_000)]
    )
    where = np.arange(len(pool))
    base = coin(ctx(1, pool=pool), "a", where)
    assert base.min() >= 0 and base.max() < 1
    assert np.histogram(base, bins=10, range=(0, 1))[0] == pytest.approx(np.full(10, 5000), rel=0.06)
    others = [
        coin(ctx(2, pool=pool), "a", where),
        coin(ctx(1, pool=pool, round=1), "a", where),
        coin(ctx(1, pool=pool, seed=1), "a", where),
        coin(ctx(1, pool=pool), "b", where),
    ]
    for other in others:
        assert abs(np.corrcoef(base, other)[0, 1]) < 0.02
