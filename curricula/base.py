"""Curriculum parts: a set of optional hooks over a columnar pool, and the plan they add up to.

Hooks are pure functions of (state, context): asked twice, they answer the same, and only ``observe`` may
change state. So a resumed run repeats the decisions of one that was never interrupted. A part overrides the
hooks it has an opinion on and leaves the others neutral.

See docs/methods/stack.md#rules-for-parts.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from curricula.measures.prompt_signals import PromptSignals
from curricula.pool import PromptPool
from curricula.traits import Trait
from rollout.statistics import StatisticsStore
from rollout.types import RolloutGroup, RolloutStat


@dataclass(frozen=True, slots=True, kw_only=True)
class Ctx:
    """The facts that a hook may look at."""

    step: int
    """The plan that the question belongs to."""
    total_steps: int
    seed: int
    pool: PromptPool
    store: StatisticsStore
    round: int = 0
    """0 for the plan itself, r for its r-th refill."""
    rollout_budget: int = 0
    """Rollouts to hand out, in ``allocate`` only."""
    num_prompts: int = 0
    """Prompts that the plan or refill wants, in the hooks that choose and weigh them."""
    examined: int = 0
    """Prompts drawn for this plan or refill before the present draw: more than none only where a part skipped
    some."""

    max_tokens: int = 64
    """The run's completion limit: what a length budget is part of."""
    signals: PromptSignals | None = None
    """In ``observe`` only: the learner's answer to ``wanted_signals`` of this plan, of the weights that the
    plan's batch led to."""

    def rng(self, name: str) -> np.random.Generator:
        """A fresh generator, fixed by (seed, step, round, name)."""
        return np.random.default_rng([self.seed, self.step, self.round, zlib.crc32(name.encode())])


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterDecision:
    """Whether a finished group reaches the optimiser, and why not."""

    action: Literal["train", "drop"] = "train"
    reason: str = ""
    """'' for "train"."""
    indices: tuple[int, ...] | None = None
    """Which rollouts to train on; None = all."""


TRAIN = FilterDecision()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Allocation:
    """How many rollouts each prompt gets."""

    num_rollouts: np.ndarray
    """[K] int64, summing to the budget."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Figures that the allocator wants logged, keys without the ``curriculum/`` prefix."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """Orders for one step, or for one refill of it."""

    prompt_indices: np.ndarray
    """[K] int64 into the pool. A prompt may occur twice where one epoch ends and the next begins."""
    num_rollouts: np.ndarray
    """[K] int64 >= 1, summing to the rollout budget."""
    max_tokens: np.ndarray | None
    """[K] int64 completion tokens at most; None = the sampling config's."""
    metrics: dict[str, float]
    shown_budgets: np.ndarray | None = None
    """[K] int64 tokens to name in prompts that say their budget; None = no part has one."""


class Curriculum:
    """Base of every part: neutral hooks, no state.

    Shapes: P prompts of the pool, C categories, K prompts asked about, G rollouts of a group. The conflict
    rules that the traits below speak of are in docs/methods/conflicts.md#conflict-rules.
    """

    @property
    def traits(self) -> frozenset[Trait]:
        """Return what the rules about parts that go together ask (``curricula.traits``); a class attribute
        where it does not depend on the arguments."""
        return frozenset()

    @property
    def signal_columns(self) -> tuple[str, ...]:
        """Which of ``curricula.measures.prompt_signals.COLUMNS`` it reads; a run without such a part never
        asks the learner."""
        return ()

    def check_pool(self, pool: PromptPool) -> None:
        """Refuse a pool that the part cannot work with, before anything is drawn.

        Raises:
            ValueError: naming the argument or the column, and the fix.
        """

    def draw(self, ctx: Ctx, cursor: int, num_prompts: int) -> tuple[np.ndarray, int] | None:
        """The next ``num_prompts`` indices [K] after ``cursor``, and the new cursor. One part of a stack
        does."""
        return None

    def category_logits(self, ctx: Ctx) -> np.ndarray | None:
        """[C] log-weights of the categories. At most one part of a stack weighs them."""
        return None

    def prompt_logits(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray | None:
        """[K] log-weights of prompts [K]. At most one part of a stack weighs them."""
        return None

    def skip(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray | None:
        """[K] bool, True for prompts to pass over this time."""
        return None

    def allocate(self, ctx: Ctx, indices: np.ndarray) -> Allocation | None:
        """Rollouts for each of prompts [K], summing to ``ctx.rollout_budget``. Exactly one part of a stack
        allocates."""
        return None

    def length_budget(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray | None:
        """[K] int64 completion tokens at most; the smallest opinion holds."""
        return None

    def shown_budget(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray | None:
        """[K] int64 tokens that prompts with ``{budget}`` in their template are to name; the smallest opinion
        holds."""
        return None

    def shape(self, ctx: Ctx, group: RolloutGroup) -> Mapping[str, np.ndarray]:
        """Named reward components [G], added to the reward; never touches correctness."""
        return {}

    def filter_group(self, ctx: Ctx, group: RolloutGroup) -> FilterDecision:
        """Whether a finished group trains, by raw correctness; the first part that does not say "train"
        decides."""
        return TRAIN

    def token_advantages(self, ctx: Ctx, groups: Sequence[RolloutGroup]) -> list[list[np.ndarray]] | None:
        """Credit that replaces the estimator's: for each group, for each rollout, one advantage for each
        token it sampled."""
        return None

    def describe(self, ctx: Ctx, indices: np.ndarray) -> Mapping[str, float]:
        """Figures on prompts [K] that a plan chose, for the log, keys without the ``curriculum/`` prefix:
        what decided, and why."""
        return {}

    def wanted_signals(self, ctx: Ctx, stats: Sequence[RolloutStat]) -> np.ndarray:
        """[K] int64 prompts that the learner is to say its ``signal_columns`` of, just before plan
        ``ctx.step`` is observed.

        Asked once more with step -1, before the first plan, where the answer is observed without groups.
        """
        return np.zeros(0, dtype=np.int64)

    def observe(self, ctx: Ctx, stats: Sequence[RolloutStat]) -> None:
        """Finished groups of plan ``ctx.step`` (kept, dropped) after the store took them in: the only hook
        with side effects."""

    def metrics(self) -> dict[str, float]:
        """Return what the part wants logged, keys without the ``curriculum/`` prefix."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """JSON-able; load then save is the identity."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state_dict`` gave."""
        if state:
            raise ValueError(
                f"{type(self).__name__} has no state, but the checkpoint holds {sorted(state)} for it"
            )


def overrides(part: Curriculum, hook: str) -> bool:
    """True if the part has an opinion on the hook."""
    return getattr(type(part), hook) is not getattr(Curriculum, hook)
