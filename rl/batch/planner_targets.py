"""Planner -> objective -> statistics -> planner: every prompt trains on pass@k of the k that it would get
when served.

::

    finished groups ──► StatisticsStore ──► Planner.train_targets ──► k and lambda ──► aux of the next batches
           ▲                                (every few steps)                                    │
           └──────────────────── rollouts of the policy that they trained ◄──────────────────────┘

See docs/methods/passk_training.md#the-loop.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from planner.planner import Planner
from planner.planner import PlannerConfig as Assumptions
from planner.training.targets import TargetConfig, TrainTargets
from planner.verifiers.file import read_verifier
from planner.verifiers.verifier import VerifierSpec
from rl.config.algorithm import PlannerConfig
from rollout.statistics import StatisticsStore
from rollout.types import RolloutGroup

logger = logging.getLogger(__name__)


class PlannerLoop:
    """The planner beside a run. Plans between two steps, so that a checkpoint holds exactly what the next
    batches are told.

    Args:
        config: ``algorithm.advantage.planner``.
        store: The run's statistics; the curriculum feeds them.
        group_size: Rollouts of a prompt, unless the curriculum says otherwise.
        steps: Of the run.
    """

    def __init__(self, config: PlannerConfig, store: StatisticsStore, *, group_size: int, steps: int) -> None:
        self._config = config
        self._store = store
        self._group_size = group_size
        self._steps = steps
        given = VerifierSpec(fpr=config.verifier_fpr, tpr=config.verifier_tpr)
        verifier = given if config.verifier_file is None else read_verifier(Path(config.verifier_file))
        self.planner = Planner(store, config=Assumptions(targets=_target_config(config)), verifier=verifier)
        self._k: dict[str, int] = {}
        self._price = 0.0
        self._abandoned = 0.0
        self._version = 0
        self._bias: dict[int, float] = {}
        """Step -> predicted minus met pass rate of its batch, until its row is written."""

    def advance(self, version: int) -> None:
        """The policy has now been trained ``version`` steps, and the store has seen their groups: plan again
        if it is time."""
        self._version = version
        config = self._config
        # here, not when a batch asks: between two steps the state is a checkpoint's
        self.planner.posteriors.refresh()
        if (
            version < config.warmup_steps
            or (version - config.warmup_steps) % config.every
            or not self._store.num_rows
        ):
            return
        found = self.planner.train_targets(
            config.budget_tokens,
            level=config.level,
            group_size=self._group_size,
            progress=version / self._steps,
        )
        self._take(found)

    def _take(self, found: TrainTargets) -> None:
        self._k = {key: target.k for key, target in found.targets.items()}
        self._abandoned = float(found.share_abandoned)
        self._price = float(found.price) if math.isfinite(found.price) else 0.0
        if not math.isfinite(found.price):  # of a purchase that nobody made
            logger.warning(
                "planner_loop: planner.budget_tokens buys no sample of any category; tokens have no price"
                " until it does. Raise it above the mean length of a completion"
            )

    def annotate(self, groups: Sequence[RolloutGroup]) -> list[RolloutGroup]:
        """Each group with ``aux``: ``pass_k`` [G], ``token_price`` [G] and ``posterior`` [G, 2] of before
        it."""
        prompts = [group.prompt for group in groups]
        beliefs = self.planner.posteriors.of_prompts([p.id for p in prompts], [p.category for p in prompts])
        met = [group.num_correct / len(group.rollouts) for group in groups]
        if groups:
            predicted = np.mean(beliefs.a / (beliefs.a + beliefs.b))
            self._bias[groups[0].plan_step] = float(predicted - np.mean(met))
        return [
            _annotated(group, pass_k=self.k_of(group), token_price=self._charged, posterior=(a, b))
            for group, a, b in zip(groups, beliefs.a, beliefs.b, strict=True)
        ]

    def k_of(self, group: RolloutGroup) -> int:
        """Target of a group: its prompt's or its category's, 1 before the first plan that knows it."""
        return self._k.get(group.prompt.id if self._config.level == "prompt" else group.prompt.category, 1)

    @property
    def _charged(self) -> float:
        """lambda, value per token."""
        return (
            self._price
            if self._config.length_price and self._version >= self._config.price_warmup_steps
            else 0.0
        )

    def metrics(self) -> dict[str, float]:
        """Targets and price as they stand; a figure for each category where there are few."""
        values = np.array(list(self._k.values()) or [1])
        out = {
            "planner/k_mean": float(values.mean()),
            "planner/k_max": float(values.max()),
            "planner/token_price": self._price,
            "planner/abandoned_share": self._abandoned,
        }
        if self._config.level == "category":
            out |= {f"planner/k/{key}": float(k) for key, k in self._k.items()}
        return out

    def bias(self, step: int) -> dict[str, float]:
        """By how much the pass rates that batch ``step`` was planned with were above those it met."""
        return {"planner/posterior_bias": self._bias.pop(step)} if step in self._bias else {}

    def state_dict(self) -> dict[str, Any]:
        """JSON-able, exact; the statistics are saved by themselves."""
        own = {
            "k": dict(self._k),
            "price": self._price,
            "abandoned": self._abandoned,
            "version": self._version,
        }
        return {"planner": self.planner.state_dict(), **own}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state_dict`` gave, after the statistics."""
        self.planner.load_state_dict(state["planner"])
        self._k, self._price = dict(state["k"]), state["price"]
        self._abandoned, self._version = state["abandoned"], state["version"]


def _annotated(group: RolloutGroup, **values: float | tuple[float, float]) -> RolloutGroup:
    """The values, the same for every rollout, in its ``aux``."""
    size = len(group.rollouts)
    return replace(
        group, aux=replace(group.aux, **{name: np.array([value] * size) for name, value in values.items()})
    )


def _target_config(config: PlannerConfig) -> TargetConfig:
    return TargetConfig(
        keep=config.keep,
        dead_band=config.dead_band,
        k_max=config.k_max,
        quantile=config.quantile,
        retry_every=config.retry_every,
        anneal=config.anneal,
    )
