"""Composes curriculum parts into plans, and feeds them every observation exactly once.

::

    plan(s) ──► absorb what plan s may see ──► draw prompts ──► allocate rollouts, limit lengths ──► Plan
    observe(s) ──► backlog ──► (a later plan) ──► statistics store and parts

See docs/methods/stack.md#order-of-the-hooks.
"""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from curricula.base import TRAIN, Ctx, Curriculum, FilterDecision, Plan
from curricula.conflicts.rules import check
from curricula.drawing.prompt_draw import PromptDraw
from curricula.measures.plan_metrics import PlanMetrics, prefixed
from curricula.measures.prompt_signals import PromptSignals
from curricula.parts import Parts
from curricula.pool import PromptPool
from curricula.progress import Backlog, Counters, Observation
from rollout.statistics import StatisticsStore
from rollout.types import RolloutGroup, RolloutStat

logger = logging.getLogger(__name__)
STATE_VERSION = 4
BUDGET_SAMPLE = 256
"""Prompts whose mean length budget says how far the budget moved."""


class CurriculumStack:
    """Which prompts, how many rollouts each, how long, and which groups train: one answer from several parts.

    Plans come in order, and so do observations, each plan's once; plan ``s`` may be asked for before plan ``s
    - 1`` was observed. The store is not part of the state: save it beside the stack.
    """

    def __init__(
        self,
        parts: Mapping[str, Curriculum],
        *,
        pool: PromptPool,
        store: StatisticsStore,
        seed: int,
        lag: int = 0,
        max_tokens: int = 64,
    ) -> None:
        """Parts by slot; order is the order of the hooks.

        Args:
            parts: slot -> part, e.g. ``{"sampler": UniformSampler(), "allocator": Knapsack()}``.
            pool: the training prompts.
            store: takes in every observation; read by the parts.
            seed: of the run.
            lag: plan s sees the observations of plans <= s - 1 - lag only, however early others arrive. Pass
                ``max_staleness``, so that the plans of an asynchronous run do not depend on timing.
            max_tokens: the run's completion limit.
        """
        self._parts = Parts(parts)
        self._pool, self._store, self._seed, self._lag, self._limit = pool, store, seed, lag, max_tokens
        self._counters, self._backlog = Counters(), Backlog()
        self._prompts = PromptDraw(self._parts, pool, seed=seed)
        self._metrics = PlanMetrics()
        self.validate()

    def validate(self) -> None:
        """Apply the conflict rules (docs/methods/conflicts.md#conflict-rules), and show every part the pool.

        Raises:
            ValueError: naming the slots that cannot go together. Doubtful combinations are logged as
                warnings.
        """
        for warning in check(self._parts.slots):
            logger.warning("curriculum: %s", warning)
        for slot, part in self._parts.slots.items():
            refuse_pool(slot, part, self._pool)

    def plan(self, step: int, *, total_steps: int, num_prompts: int, rollout_budget: int) -> Plan:
        """The orders of step ``step``: ``num_prompts`` prompts that share ``rollout_budget`` rollouts.

        Raises:
            ValueError: if plans are asked for out of order, or the budget cannot be met within the
                allocator's floors and caps.
        """
        counters = self._counters
        if step != counters.next_plan:
            raise ValueError(
                f"plan {step} asked for, plan {counters.next_plan} is next: plans come in order, each once"
            )
        counters.total_steps, counters.num_prompts = total_steps, num_prompts
        self._absorb()
        counters.next_plan = step + 1
        self._set_budget(step)
        plan = self._make_plan(self._ctx(step), num_prompts=num_prompts, rollout_budget=rollout_budget)
        self._metrics.planned[step] = plan.metrics
        return plan

    def refill(self, step: int, *, round: int, num_prompts: int, rollout_budget: int) -> Plan:
        """The next prompts in line, in place of groups of plan ``step`` that were dropped; ``round`` counts
        from 1."""
        if round < 1 or step >= self._counters.next_plan:
            raise ValueError(
                f"refill round {round} of plan {step}: rounds count from 1 and the plan comes first"
            )
        ctx = self._ctx(step, round=round)
        return self._make_plan(ctx, num_prompts=num_prompts, rollout_budget=rollout_budget)

    def filter_group(self, group: RolloutGroup) -> FilterDecision:
        """Whether the group trains; the first part that does not say "train" decides."""
        ctx = self._ctx(group.plan_step)
        decisions = (part.filter_group(ctx, group) for part in self._parts.having("filter_group"))
        return next((decision for decision in decisions if decision != TRAIN), TRAIN)

    def shape(self, group: RolloutGroup) -> dict[str, np.ndarray]:
        """Reward components [G] of all parts by name, to be added to the rewards."""
        ctx = self._ctx(group.plan_step)
        components: dict[str, np.ndarray] = {}
        for part in self._parts:
            for name, values in part.shape(ctx, group).items():
                if name in components or values.shape != (len(group.rollouts),):
                    what = (
                        "is given twice"
                        if name in components
                        else f"has shape {values.shape} for {len(group.rollouts)} rollouts"
                    )
                    raise ValueError(
                        f"curriculum: reward component {name!r} {what}; one value for each rollout, from one"
                        " part"
                    )
                components[name] = values
        return components

    def token_advantages(self, step: int, groups: Sequence[RolloutGroup]) -> list[list[np.ndarray]] | None:
        """Token-level credit for the batch of ``step``, from the one part that gives it; None leaves it to
        the estimator."""
        answers = (part.token_advantages(self._ctx(step), groups) for part in self._parts)
        return next((answer for answer in answers if answer is not None), None)

    @property
    def gives_credit(self) -> bool:
        """True if a part may give token advantages, for which it sees whole batches."""
        return any(self._parts.having("token_advantages"))

    @property
    def signal_columns(self) -> tuple[str, ...]:
        """Return what the parts read of the learner's model (``curricula.measures.prompt_signals.COLUMNS``);
        mostly nothing."""
        return tuple(sorted({column for part in self._parts for column in part.signal_columns}))

    def wanted_signals(self, step: int, stats: Sequence[RolloutStat]) -> np.ndarray:
        """[K] int64, ascending: prompts that the learner is to say ``signal_columns`` of, before plan
        ``step`` is observed.

        ``step`` -1 asks what the parts want before the first plan; the answer goes to ``begin``.
        """
        ctx = self._ctx(step)
        wanted = [part.wanted_signals(ctx, stats) for part in self._parts]
        return np.unique(np.concatenate(wanted)).astype(np.int64)

    def begin(self, signals: PromptSignals) -> None:
        """Take what the parts asked the learner before the first plan."""
        if self.begun:
            raise ValueError(f"signals of before the first plan, but plan {self._counters.next_plan} is next")
        for part in self._parts:
            part.observe(dataclasses.replace(self._ctx(-1), signals=signals), [])

    @property
    def begun(self) -> bool:
        """True once the first plan was drawn."""
        return self._counters.begun

    def begin_at(self, step: int) -> None:
        """Make ``step`` the first plan: the run goes on from there with a curriculum that has seen
        nothing."""
        if self.begun:
            raise ValueError(
                f"plan {self._counters.next_plan} is next: a curriculum that has begun goes on from its state"
            )
        self._counters.begin_at(step)

    def observe(
        self, step: int, stats: Sequence[RolloutStat], *, signals: PromptSignals | None = None
    ) -> None:
        """All finished groups of plan ``step``, refills, kept and dropped ones included; once per plan, in
        plan order.

        Args:
            step: the plan.
            stats: one statistic a group.
            signals: the learner's answer to ``wanted_signals``, by the weights that the plan's batch led to;
                as late as the groups.

        Raises:
            ValueError: if a plan is observed out of order: counting it twice, or never, would bias every
                estimate.
        """
        self._counters.count_observed(step)
        self._backlog.add(Observation(step, list(stats), signals))
        self._prompts.close_plan(step)
        self._metrics.observe(step, stats)
        self._absorb()

    def metrics(self) -> dict[str, float]:
        """The last plan observed: how it was made, and its ratios on raw correctness; and what the parts
        report."""
        out = {"epoch": self._prompts.epochs, "observed_prompts": float(self._store.num_rows)}
        for part in self._parts:
            out.update(part.metrics())
        return prefixed(out) | self._metrics.last

    def state_dict(self) -> dict[str, Any]:
        """JSON-able: cursor, counters, observations not yet absorbed, and the parts' own states. Save the
        store as well."""
        return {
            "state_version": STATE_VERSION,
            "pool_size": len(self._pool),
            **self._counters.state_dict(),
            **self._prompts.state_dict(),
            **self._backlog.state_dict(),
            **self._metrics.state_dict(),
            "parts": self._parts.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore; the next plans are those of a run that was never interrupted, if the store is restored
        too.

        Raises:
            ValueError: if the pool or the parts are not those of the checkpoint.
        """
        if state["state_version"] != STATE_VERSION:
            raise ValueError(
                f"curriculum state of version {state['state_version']}: this build reads {STATE_VERSION}"
            )
        if state["pool_size"] != len(self._pool):
            raise ValueError(
                f"the checkpoint's pool has {state['pool_size']} prompts, this one {len(self._pool)}"
            )
        self._parts.load_state_dict(state["parts"])
        for holder in (self._counters, self._prompts, self._backlog, self._metrics):
            holder.load_state_dict(state)

    def _ctx(self, step: int, *, round: int = 0, rollout_budget: int = 0) -> Ctx:
        return Ctx(
            step=step,
            total_steps=self._counters.total_steps,
            seed=self._seed,
            pool=self._pool,
            store=self._store,
            round=round,
            rollout_budget=rollout_budget,
            num_prompts=self._backlog.num_prompts(step) or self._counters.num_prompts,
            max_tokens=self._limit,
        )

    def _absorb(self) -> None:
        """Give the store and the parts what the next plan may see; all of it once no plan is left."""
        done = self._counters.next_plan >= self._counters.total_steps
        newest = None if done else self._counters.next_plan - 1 - self._lag
        for (step, stats, signals), clock in self._backlog.release(newest):
            for stat in stats:
                self._store.add(stat, budget_clock=clock)
            for part in self._parts:
                part.observe(dataclasses.replace(self._ctx(step), signals=signals), stats)

    def _set_budget(self, step: int) -> None:
        """Tell the store how long completions of this plan may be, before anything reads it; fixed prompts
        stand for the pool."""
        sample = np.arange(min(len(self._pool), BUDGET_SAMPLE))
        limits = self._parts.smallest("length_budget", self._ctx(step), sample)
        if limits is not None:
            self._store.set_budget(float(limits.mean()))
        self._backlog.stamp(step, self._store.budget_clock, num_prompts=self._counters.num_prompts)

    def _make_plan(self, ctx: Ctx, *, num_prompts: int, rollout_budget: int) -> Plan:
        if not 1 <= num_prompts <= rollout_budget:
            raise ValueError(
                f"{num_prompts} prompts and {rollout_budget} rollouts: every prompt needs a rollout"
            )
        ctx = dataclasses.replace(ctx, num_prompts=num_prompts)
        indices = self._prompts.choose(ctx, num_prompts)
        asked = dataclasses.replace(ctx, rollout_budget=rollout_budget)
        allocation = self._parts.only("allocate").allocate(asked, indices)
        assert allocation is not None, "an allocator must allocate"
        counts = allocation.num_rollouts
        assert counts.shape == indices.shape and counts.min() >= 1, (
            "the allocator left a prompt without rollouts"
        )
        assert int(counts.sum()) == rollout_budget, (
            f"the allocator spent {int(counts.sum())} rollouts of {rollout_budget}"
        )
        limits, shown = (
            self._parts.smallest(hook, ctx, indices) for hook in ("length_budget", "shown_budget")
        )
        figures = {"group_size_min": float(counts.min()), "group_size_max": float(counts.max())}
        figures |= {} if limits is None else {"max_tokens_mean": float(limits.mean())}
        figures |= {} if shown is None else {"length_budget_mean": float(shown.mean())}
        for part in self._parts:
            figures |= part.describe(ctx, indices)
        return Plan(
            prompt_indices=indices,
            num_rollouts=counts,
            max_tokens=limits,
            metrics=prefixed({**figures, **allocation.metrics}),
            shown_budgets=shown,
        )


def refuse_pool(slot: str, part: Curriculum, pool: PromptPool) -> None:
    """Raise ValueError, naming the slot, if the part cannot work with the pool."""
    try:
        part.check_pool(pool)
    except ValueError as error:
        raise ValueError(f"curriculum.{slot}: {error}") from error
