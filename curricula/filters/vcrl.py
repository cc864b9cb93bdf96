"""VCRL: train where outcomes vary most, and come back there from a memory bank.

See docs/methods/filters.md#vcrl.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.base import TRAIN, Ctx, Curriculum, FilterDecision
from curricula.filters.mixed import ALL_CORRECT, ALL_WRONG
from curricula.traits import Trait
from rollout.types import RolloutGroup, RolloutStat

Share = Annotated[float, Field(ge=0, le=1)]
LOW_VARIANCE = FilterDecision(action="drop", reason="low_variance")
NOT_BANKED = -50.0
"""Log-weight of prompts outside the bank: drawn only when the bank has nothing left, and then all alike."""


def normalised_variance(correct: int, size: int) -> float:
    """``sigma^2 / sigma^2_max`` in [0, 1] for k right of G: unbiased variance k (G - k) / (G (G - 1)) over
    its largest value.

    Example: G = 8, k = 0..8: 0, .4375, .75, .9375, 1, .9375, .75, .4375, 0. A group of one has none.
    """
    largest = (size // 2) * (size - size // 2)
    return correct * (size - correct) / largest if size > 1 else 0.0


@dataclass(kw_only=True)
class VCRL(Curriculum):
    """Variance-based curriculum (arXiv 2509.19803): groups below the threshold are dropped, those above enter
    the bank.

    Refill rounds draw from the bank, in proportion to each prompt's variance averaged over its visits; with
    ``stream.refill_rounds=0`` there is no refill and the bank is idle. Thresholds and momentum are from
    secondary notes, and so is that there are two; the switch between them at half the run is our choice.
    """

    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.DROPS_MIXED_GROUPS, Trait.DROPS_ALL_WRONG})

    threshold: Annotated[float, Field(gt=0, le=1)] = 0.3
    late_threshold: Annotated[float, Field(gt=0, le=1)] = 0.8
    late_from: Share = 0.5
    """Share of the run after which ``late_threshold`` holds."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Weight of a banked prompt's earlier variance against its latest."""
    bank_size: Annotated[int, Field(ge=1)] = 4096
    """Prompts in the bank at most; the least varied leave first."""

    def __post_init__(self) -> None:
        self._bank: dict[str, float] = {}

    def filter_group(self, ctx: Ctx, group: RolloutGroup) -> FilterDecision:
        """By raw correctness."""
        if normalised_variance(group.num_correct, len(group.rollouts)) >= self._threshold(ctx):
            return TRAIN
        if group.mixed:
            return LOW_VARIANCE
        return ALL_CORRECT if group.num_correct else ALL_WRONG

    def prompt_logits(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray | None:
        """[K] log-variance of banked prompts in refills; no opinion on the plan itself, or with an empty
        bank."""
        if ctx.round == 0 or not self._bank:
            return None
        table = np.full(len(ctx.pool), NOT_BANKED)
        banked = [ctx.store.index_of(prompt_id) for prompt_id in self._bank]
        table[banked] = np.log(list(self._bank.values()))
        return table[indices]

    def observe(self, ctx: Ctx, stats: Sequence[RolloutStat]) -> None:
        """Average new variances in, and put out what fell below the threshold."""
        for stat in stats:
            latest = normalised_variance(stat.num_correct, stat.num_rollouts)
            before = self._bank.get(stat.prompt_id, latest)
            self._bank[stat.prompt_id] = self.momentum * before + (1 - self.momentum) * latest
        floor = self._threshold(ctx)
        kept = sorted(
            ((p, v) for p, v in self._bank.items() if v >= floor), key=lambda item: (-item[1], item[0])
        )
        self._bank = dict(kept[: self.bank_size])

    def metrics(self) -> dict[str, float]:
        """Size of the bank."""
        return {"vcrl_bank_prompts": float(len(self._bank))}

    def state_dict(self) -> dict[str, Any]:
        """The bank."""
        return {"bank": [[prompt_id, value] for prompt_id, value in self._bank.items()]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the bank."""
        self._bank = dict(state["bank"])

    def _threshold(self, ctx: Ctx) -> float:
        return self.late_threshold if ctx.step >= self.late_from * ctx.total_steps else self.threshold
