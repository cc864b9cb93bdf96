"""SPEED-RL (arXiv 2506.09016): a small group first, the rest only where it was mixed.

A plan is one order to the engines and cannot wait for its own results, so the two phases are two plans::

    plan s                    plan s + 1 + max_staleness
    screening of a, b, c ──►  continuation of b (mixed) | screening of d, e
                              └────────── sampler ─────┘ └─ next in line ─┘

which is the paper's efficient version (the continuation of one step rides with the screening of the next).
What differs: a screening group and its continuation are two groups, each with its own baseline, and each
trains in the plan it was sampled for, so that no screening waits for a later step and grows stale; the paper
trains on both as one group one step later. The size of a step is fixed, so a continuation gets what the
screenings leave: with a share r of screenings mixed, ``stream.rollouts_per_prompt`` of (screen + r *
continue) / (1 + r) gives continuations of ``continue``.

See docs/methods/allocators.md#speed.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.allocators.proportional import proportional_split
from curricula.allocators.screening import Screening
from curricula.base import Allocation, Ctx, Curriculum
from curricula.drawing.uniform import UniformSampler, equal_split
from curricula.traits import Trait
from rollout.types import RolloutStat

Positive = Annotated[int, Field(ge=1)]


@dataclass(kw_only=True, eq=False)
class SpeedAllocator(Curriculum):
    """``screen`` rollouts for screenings, the rest evenly for continuations.

    Rollouts beyond the continuations' cap go to the screenings; a plan without continuations, such as the
    first, is split evenly. With a sampler other than ``speed_sampler`` a continuation waits until the sampler
    comes back to the prompt.
    """

    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.UNEQUAL_GROUPS})

    screen: Annotated[int, Field(ge=2)] = 4
    """Rollouts of a screening group; one alone is never mixed."""
    cap: Positive = 128
    """Rollouts of any prompt, at most."""

    def __post_init__(self) -> None:
        if self.cap < self.screen:
            raise ValueError(f"speed: cap={self.cap} is below screen={self.screen}")
        self._screening = Screening()

    @property
    def floor(self) -> int:
        """Every prompt gets a screening at least."""
        return self.screen

    def allocate(self, ctx: Ctx, indices: np.ndarray) -> Allocation:
        """Screenings and continuations by what was observed."""
        waiting = self._screening.is_waiting(indices)
        counts = self.split(waiting, budget=ctx.rollout_budget)
        metrics = {
            "speed_continued_ratio": float(waiting.mean()),
            "speed_continued_rollouts_ratio": float(counts[waiting].sum() / ctx.rollout_budget),
        }
        return Allocation(num_rollouts=counts, metrics=metrics)

    def split(self, waiting: np.ndarray, *, budget: int) -> np.ndarray:
        """[K] int64 rollouts in [screen, cap] with sum ``budget``, for prompts that wait for their
        continuation [K].

        Raises:
            ValueError: if the budget lies outside [K * screen, K * cap].
        """
        counts = proportional_split(
            waiting.astype(np.float64), budget=budget, floor=self.screen, cap=self.cap, name="speed"
        )
        return counts if waiting.any() else equal_split(budget, len(waiting))

    def observe(self, ctx: Ctx, stats: Sequence[RolloutStat]) -> None:
        """Note who waits."""
        self._screening.observe(ctx, stats)

    def state_dict(self) -> dict[str, Any]:
        """Who waits."""
        return self._screening.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state_dict`` gave."""
        self._screening.load_state_dict(state)


@dataclass(kw_only=True, eq=False)
class SpeedSampler(Curriculum):
    """First the prompts whose screening in the plan observed last was mixed, then the next in line of a
    shuffled epoch.

    At least one prompt of a plan is new, so that the epoch goes on. A mixed prompt that finds no place stays
    waiting until the next epoch, and is continued then.
    """

    def __post_init__(self) -> None:
        self._screening = Screening()
        self._line = UniformSampler()

    def draw(self, ctx: Ctx, cursor: int, num_prompts: int) -> tuple[np.ndarray, int]:
        """Continuations come once: in the plan itself, not in its refills, nor in place of prompts that were
        skipped."""
        first_draw = ctx.round == 0 and ctx.examined == 0
        back = self._screening.newest()[: num_prompts - 1 if first_draw else 0]
        fresh, cursor = self._line.draw(ctx, cursor, num_prompts - len(back))
        return np.concatenate([back, fresh]), cursor

    def observe(self, ctx: Ctx, stats: Sequence[RolloutStat]) -> None:
        """Note who waits."""
        self._screening.observe(ctx, stats)

    def state_dict(self) -> dict[str, Any]:
        """Who waits."""
        return self._screening.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state_dict`` gave."""
        self._screening.load_state_dict(state)
