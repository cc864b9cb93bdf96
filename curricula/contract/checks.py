"""The checks, one function each: they take a maker of fresh parts and raise if the contract is broken."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from curricula.base import Curriculum, overrides
from curricula.contract.answers import CHECKS, check_answer, check_figures
from curricula.contract.watched import same, state_text, watched
from curricula.contract.world import (
    STEPS,
    Choices,
    budgets,
    drive,
    flat_pool,
    mixed_pool,
    restored,
    saved,
    stack_around,
)
from curricula.simulation.rows import SimulatedPool
from rollout.contract import ContractBroken, require

Make = Callable[[], Curriculum]
MIDWAY = STEPS // 2
LAG = 2
STAGES = (0, 1, MIDWAY)
"""Steps after which allocators are asked for all kinds of budgets."""


def opinions(make: Make, pool: SimulatedPool) -> None:
    """It overrides at least one hook, and two instances share no state."""
    part = make()
    require(
        any(overrides(part, hook) for hook in CHECKS),
        f"it overrides none of {', '.join(CHECKS)}: nothing would ever change",
    )
    require(same(state_text(part), state_text(make())), "two fresh instances begin in different states")


def pure_hooks(make: Make, pool: SimulatedPool) -> None:
    """Asked twice, hooks answer the same, in the right shapes, and change nothing; metrics are numbers."""
    used: set[str] = set()
    part = watched(make(), used)
    stack, _ = stack_around(part, pool)
    chosen = drive(stack, pool, steps=STEPS)
    check_figures("metrics", part.metrics())
    unused = {hook for hook in CHECKS if overrides(part, hook)} - used
    require(not unused, f"{', '.join(sorted(unused))} was never asked: check the name and the arguments")
    _alike(
        chosen,
        _plain_run(make, pool),
        "a run whose hooks are asked twice decides otherwise than one whose hooks are asked once",
    )


def deterministic(make: Make, pool: SimulatedPool) -> None:
    """The same seed gives the same choices; nothing else plays a part."""
    first = _plain_run(make, pool)
    np.random.random(7)
    _alike(
        first,
        _plain_run(make, pool),
        "two runs with one seed choose differently: use ctx.rng(name), not a generator of your own",
    )


def resumes(make: Make, pool: SimulatedPool) -> None:
    """State written as JSON midway and loaded into a fresh part gives the same state again, and the same rest
    of the run."""
    whole, _ = stack_around(make(), pool, lag=LAG)
    drive(whole, pool, steps=STEPS)
    first, store = stack_around(make(), pool, lag=LAG)
    drive(first, pool, steps=MIDWAY)
    text = saved(first, store)
    second = restored(make, pool, text, lag=LAG)
    require(
        same(second.state_dict(), first.state_dict()),
        "load_state_dict(state_dict()) does not give the same state again",
    )
    second.choices = first.choices
    drive(second, pool, steps=STEPS, first=MIDWAY)
    _alike(
        whole.choices,
        second.choices,
        "a run resumed midway chooses otherwise: keep what you need in state_dict",
    )


def budget(make: Make, pool: SimulatedPool) -> None:
    """Every budget between floor and cap is met to the rollout; one outside is refused with a ValueError, not
    bent."""
    if not overrides(make(), "allocate"):
        return
    for stage in STAGES:
        part = make()
        floor, cap = int(getattr(part, "floor", 1)), getattr(part, "cap", None)
        stack, _ = stack_around(part, pool)
        drive(stack, pool, steps=stage, rollouts=max(8, floor))
        for count in (1, 3, 20):
            for rollouts in budgets(count, floor=floor, cap=cap):
                indices = np.arange(count) * 2
                ctx = replace(stack._ctx(stage, rollout_budget=rollouts), num_prompts=count)
                answer = part.allocate(ctx, indices)
                check_answer("allocate", ctx, (indices,), answer)
                counts = answer.num_rollouts if answer is not None else np.zeros(count)
                require(
                    bool((counts >= floor).all()),
                    f"allocate went below its floor of {floor}: {counts.tolist()}",
                )
                require(
                    cap is None or bool((counts <= cap).all()),
                    f"allocate went above its cap of {cap}: {counts.tolist()}",
                )


def bare_pools(make: Make, pool: SimulatedPool) -> None:
    """It works where all prompts are solved, where none is, and where plans take half of a tiny pool."""
    for small in (flat_pool(1.0), flat_pool(0.0), mixed_pool(size=6, categories=2)):
        part = watched(make(), set())
        try:
            part.check_pool(stack_around(make(), small)[0]._pool)
        except ValueError:
            continue  # it says beforehand that it cannot work with such a pool
        drive(stack_around(part, small)[0], small, steps=STEPS)
        check_figures("metrics", part.metrics())


def _plain_run(make: Make, pool: SimulatedPool) -> Choices:
    stack, _ = stack_around(make(), pool)
    return drive(stack, pool, steps=STEPS)


def _alike(a: Choices, b: Choices, text: str) -> None:
    for name in ("plans", "decisions", "metrics"):
        for place, (x, y) in enumerate(zip(getattr(a, name), getattr(b, name), strict=False)):
            if not same(x, y):
                raise ContractBroken(f"{text} (first in {name}, entry {place})")
        require(len(getattr(a, name)) == len(getattr(b, name)), f"{text} (number of {name})")


ALL: dict[str, Callable[[Make, SimulatedPool], None]] = {
    "has an opinion": opinions,
    "hooks are pure and well shaped": pure_hooks,
    "same seed, same choices": deterministic,
    "resumes exactly": resumes,
    "budgets conserved": budget,
    "works on bare pools": bare_pools,
}
"""Name -> check, in the order to run them."""
