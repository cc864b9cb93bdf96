"""Composes curriculum parts into plans, and feeds them every observation exactly once.

See docs/methods/stack.md#order-of-the-hooks.
"""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from curricula.base import TRAIN, Allocation, Ctx, Curriculum, FilterDecision, Plan, overrides
from curricula.conflicts.rules import check
from curricula.drawing.walks import Walks
from curricula.drawing.weighted import WeightedOrder
from curricula.measures.effective import difficulty_buckets, effective_ratios
from curricula.measures.prompt_signals import PromptSignals
from curricula.pool import PromptPool
from curricula.traits import Trait
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
        self._parts = dict(parts)
        self._pool, self._store, self._seed, self._lag, self._limit = pool, store, seed, lag, max_tokens
        self._cursor = 0
        self._first_plan = 0
        self._next_plan = 0
        self._next_observed = 0
        self._total_steps = 0
        self._walks = Walks(seed)
        """Of the categories, if a part walks through them."""
        self._num_prompts = 0
        """Of the last plan."""
        self._pending: list[tuple[int, list[RolloutStat], PromptSignals | None]] = []
        self._plan_metrics: dict[int, dict[str, float]] = {}
        self._clocks: dict[int, float] = {}
        """Plan -> the store's budget clock when it was drawn, until its observations are absorbed."""
        self._drawn: dict[int, list[int]] = {}
        """Plan -> prompts drawn by weight for it and its refills, until it is observed: none of them
        twice."""
        self._last_metrics: dict[str, float] = {}
        self.validate()

    def validate(self) -> None:
        """Apply the conflict rules (docs/methods/conflicts.md#conflict-rules), and show every part the pool.

        Raises:
            ValueError: naming the slots that cannot go together. Doubtful combinations are logged as
                warnings.
        """
        for warning in check(self._parts):
            logger.warning("curriculum: %s", warning)
        for slot, part in self._parts.items():
            refuse_pool(slot, part, self._pool)

    def plan(self, step: int, *, total_steps: int, num_prompts: int, rollout_budget: int) -> Plan:
        """The orders of step ``step``: ``num_prompts`` prompts that share ``rollout_budget`` rollouts.

        Raises:
            ValueError: if plans are asked for out of order, or the budget cannot be met within the
                allocator's floors and caps.
        """
        if step != self._next_plan:
            raise ValueError(
                f"plan {step} asked for, plan {self._next_plan} is next: plans come in order, each once"
            )
        self._total_steps, self._num_prompts = total_steps, num_prompts
        self._absorb()
        self._next_plan = step + 1
        self._set_budget(step)
        plan = self._order(self._ctx(step), num_prompts=num_prompts, rollout_budget=rollout_budget)
        self._plan_metrics[step] = plan.metrics
        return plan

    def refill(self, step: int, *, round: int, num_prompts: int, rollout_budget: int) -> Plan:
        """The next prompts in line, in place of groups of plan ``step`` that were dropped; ``round`` counts
        from 1."""
        if round < 1 or step >= self._next_plan:
            raise ValueError(
                f"refill round {round} of plan {step}: rounds count from 1 and the plan comes first"
            )
        return self._order(
            self._ctx(step, round=round), num_prompts=num_prompts, rollout_budget=rollout_budget
        )

    def filter_group(self, group: RolloutGroup) -> FilterDecision:
        """Whether the group trains; the first part that does not say "train" decides."""
        ctx = self._ctx(group.plan_step)
        filters = (part for part in self._parts.values() if overrides(part, "filter_group"))
        decisions = (part.filter_group(ctx, group) for part in filters)
        return next((decision for decision in decisions if decision != TRAIN), TRAIN)

    def shape(self, group: RolloutGroup) -> dict[str, np.ndarray]:
        """Reward components [G] of all parts by name, to be added to the rewards."""
        ctx = self._ctx(group.plan_step)
        components: dict[str, np.ndarray] = {}
        for part in self._parts.values():
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
        answers = (part.token_advantages(self._ctx(step), groups) for part in self._parts.values())
        return next((answer for answer in answers if answer is not None), None)

    @property
    def signal_columns(self) -> tuple[str, ...]:
        """What the parts read of the learner's model (``curricula.measures.prompt_signals.COLUMNS``); mostly
        nothing."""
        return tuple(sorted({column for part in self._parts.values() for column in part.signal_columns}))

    def wanted_signals(self, step: int, stats: Sequence[RolloutStat]) -> np.ndarray:
        """[K] int64, ascending: prompts that the learner is to say ``signal_columns`` of, before plan
        ``step`` is observed.

        ``step`` -1 asks what the parts want before the first plan; the answer goes to ``begin``.
        """
        ctx = self._ctx(step)
        wanted = [part.wanted_signals(ctx, stats) for part in self._parts.values()]
        return np.unique(np.concatenate(wanted)).astype(np.int64)

    def begin(self, signals: PromptSignals) -> None:
        """What the parts asked the learner before the first plan."""
        if self._next_plan != self._first_plan:
            raise ValueError(f"signals of before the first plan, but plan {self._next_plan} is next")
        for part in self._parts.values():
            part.observe(dataclasses.replace(self._ctx(-1), signals=signals), [])

    @property
    def begun(self) -> bool:
        """True once the first plan was drawn."""
        return self._next_plan != self._first_plan

    def begin_at(self, step: int) -> None:
        """Make ``step`` the first plan: the run goes on from there with a curriculum that has seen
        nothing."""
        if self.begun:
            raise ValueError(
                f"plan {self._next_plan} is next: a curriculum that has begun goes on from its state"
            )
        self._first_plan = self._next_plan = self._next_observed = step

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
        if step != self._next_observed or step >= self._next_plan:
            raise ValueError(
                f"plan {step} observed, plan {self._next_observed} is next: in plan order, each once, after"
                " the plan"
            )
        self._next_observed = step + 1
        self._pending.append((step, list(stats), signals))
        self._drawn.pop(step, None)
        ratios = {
            f"curriculum/{key}": value
            for key, value in {**effective_ratios(stats), **difficulty_buckets(stats)}.items()
        }
        self._last_metrics = {**self._plan_metrics.pop(step), **ratios}
        self._absorb()

    def metrics(self) -> dict[str, float]:
        """The last plan observed: how it was made, and its ratios on raw correctness; and what the parts
        report."""
        out = {"epoch": self._cursor / len(self._pool), "observed_prompts": float(self._store.num_rows)}
        for part in self._parts.values():
            out.update(part.metrics())
        return {f"curriculum/{key}": value for key, value in out.items()} | self._last_metrics

    def state_dict(self) -> dict[str, Any]:
        """JSON-able: cursor, counters, observations not yet absorbed, and the parts' own states. Save the
        store as well."""
        return {
            "state_version": STATE_VERSION,
            "pool_size": len(self._pool),
            "cursor": self._cursor,
            "first_plan": self._first_plan,
            "next_plan": self._next_plan,
            "next_observed": self._next_observed,
            "total_steps": self._total_steps,
            "num_prompts": self._num_prompts,
            "walks": self._walks.state_dict(),
            "pending": [
                [step, [_plain(stat) for stat in stats], None if signals is None else signals.state_dict()]
                for step, stats, signals in self._pending
            ],
            "clocks": [[step, clock] for step, clock in self._clocks.items()],
            "drawn": [[step, list(drawn)] for step, drawn in self._drawn.items()],
            "plan_metrics": [[step, dict(metrics)] for step, metrics in self._plan_metrics.items()],
            "last_metrics": dict(self._last_metrics),
            "parts": {slot: part.state_dict() for slot, part in self._parts.items()},
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
        if list(state["parts"]) != list(self._parts):
            raise ValueError(
                f"the checkpoint's curriculum has slots {list(state['parts'])}, this one {list(self._parts)}"
            )
        self._cursor, self._first_plan, self._next_plan = (
            state["cursor"],
            state.get("first_plan", 0),
            state["next_plan"],
        )
        self._next_observed, self._total_steps = state["next_observed"], state["total_steps"]
        self._num_prompts = state["num_prompts"]
        self._walks.load_state_dict(state["walks"])
        self._pending = [
            (
                step,
                [_stat(row) for row in rows],
                None if signals is None else PromptSignals.from_state(signals),
            )
            for step, rows, signals in state["pending"]
        ]
        self._plan_metrics = {step: dict(metrics) for step, metrics in state["plan_metrics"]}
        self._drawn = {step: list(drawn) for step, drawn in state["drawn"]}
        self._clocks = dict(state["clocks"])
        self._last_metrics = dict(state["last_metrics"])
        for slot, part in self._parts.items():
            part.load_state_dict(state["parts"][slot])

    def _ctx(self, step: int, *, round: int = 0, rollout_budget: int = 0) -> Ctx:
        return Ctx(
            step=step,
            total_steps=self._total_steps,
            seed=self._seed,
            pool=self._pool,
            store=self._store,
            round=round,
            rollout_budget=rollout_budget,
            num_prompts=self._num_prompts,
            max_tokens=self._limit,
        )

    def _absorb(self) -> None:
        """Give the store and the parts what the next plan may see; all of it once no plan is left."""
        done = self._next_plan >= self._total_steps
        while self._pending and (done or self._pending[0][0] <= self._next_plan - 1 - self._lag):
            step, stats, signals = self._pending.pop(0)
            clock = self._clocks.pop(step)
            for stat in stats:
                self._store.add(stat, budget_clock=clock)
            for part in self._parts.values():
                part.observe(dataclasses.replace(self._ctx(step), signals=signals), stats)

    def _order(self, ctx: Ctx, *, num_prompts: int, rollout_budget: int) -> Plan:
        if not 1 <= num_prompts <= rollout_budget:
            raise ValueError(
                f"{num_prompts} prompts and {rollout_budget} rollouts: every prompt needs a rollout"
            )
        ctx = dataclasses.replace(ctx, num_prompts=num_prompts)
        indices = self._draw(ctx, num_prompts)
        allocation = self._allocate(dataclasses.replace(ctx, rollout_budget=rollout_budget), indices)
        counts = allocation.num_rollouts
        assert counts.shape == indices.shape and counts.min() >= 1, (
            "the allocator left a prompt without rollouts"
        )
        assert int(counts.sum()) == rollout_budget, (
            f"the allocator spent {int(counts.sum())} rollouts of {rollout_budget}"
        )
        figures = {"group_size_min": float(counts.min()), "group_size_max": float(counts.max())}
        limits, shown = (self._smallest(hook, ctx, indices) for hook in ("length_budget", "shown_budget"))
        figures |= {} if limits is None else {"max_tokens_mean": float(limits.mean())}
        figures |= {} if shown is None else {"length_budget_mean": float(shown.mean())}
        described = {
            key: value for part in self._parts.values() for key, value in part.describe(ctx, indices).items()
        }
        metrics = {
            f"curriculum/{key}": value
            for key, value in {**figures, **described, **allocation.metrics}.items()
        }
        return Plan(
            prompt_indices=indices,
            num_rollouts=counts,
            max_tokens=limits,
            metrics=metrics,
            shown_budgets=shown,
        )

    def _draw(self, ctx: Ctx, num_prompts: int) -> np.ndarray:
        """[num_prompts] next prompts that no part skips; after a whole epoch of skips, the next ones as they
        come."""
        order = self._order_by_weight(ctx)
        chosen: list[np.ndarray] = []
        missing, examined = num_prompts, 0
        while missing and examined < len(self._pool):
            indices = self._next(dataclasses.replace(ctx, examined=examined), missing, order)
            examined += missing
            chosen.append(indices[~self._skipped(ctx, indices)])
            missing -= len(chosen[-1])
        if missing:
            chosen.append(self._next(dataclasses.replace(ctx, examined=examined), missing, order))
        return np.concatenate(chosen)

    def _order_by_weight(self, ctx: Ctx) -> WeightedOrder | None:
        """The order in which prompts come if a part weighs categories or prompts; None leaves it to the
        sampler."""
        category_logits = self._opinion("category_logits", ctx)
        prompt_logits = self._opinion("prompt_logits", ctx, np.arange(len(self._pool)))
        if category_logits is None and prompt_logits is None:
            return None
        return WeightedOrder(
            ctx.rng(f"weighted draw at {self._cursor}"),
            pool=self._pool,
            category_logits=category_logits,
            prompt_logits=prompt_logits,
            exclude=np.array(self._drawn.get(ctx.step, []), dtype=np.int64),
            walks=self._walks
            if any(Trait.WALKS_CATEGORIES in part.traits for part in self._parts.values())
            else None,
        )

    def _next(self, ctx: Ctx, num_prompts: int, order: WeightedOrder | None) -> np.ndarray:
        """[num_prompts] by weight, or the sampler's next ones; moves the cursor."""
        if order is not None:
            indices = order.take(num_prompts)
            self._cursor += num_prompts
            self._drawn.setdefault(ctx.step, []).extend(indices.tolist())
            return indices
        drawn = self._the_one("draw").draw(ctx, self._cursor, num_prompts)
        assert drawn is not None and len(drawn[0]) == num_prompts, (
            "the sampler did not give the prompts it was asked for"
        )
        indices, self._cursor = drawn
        return indices

    def _skipped(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        out = np.zeros(len(indices), dtype=bool)
        for part in self._parts.values():
            skip = part.skip(ctx, indices)
            if skip is not None:
                out |= skip
        return out

    def _allocate(self, ctx: Ctx, indices: np.ndarray) -> Allocation:
        allocation = self._the_one("allocate").allocate(ctx, indices)
        assert allocation is not None, "an allocator must allocate"
        return allocation

    def _smallest(self, hook: str, ctx: Ctx, indices: np.ndarray) -> np.ndarray | None:
        """[K] int64 smallest answer of the parts that have one."""
        answers = [getattr(part, hook)(ctx, indices) for part in self._parts.values()]
        opinions = [answer for answer in answers if answer is not None]
        return np.minimum.reduce(opinions).astype(np.int64) if opinions else None

    def _set_budget(self, step: int) -> None:
        """Tell the store how long completions of this plan may be, before anything reads it; fixed prompts
        stand for the pool."""
        limits = self._smallest(
            "length_budget", self._ctx(step), np.arange(min(len(self._pool), BUDGET_SAMPLE))
        )
        if limits is not None:
            self._store.set_budget(float(limits.mean()))
        self._clocks[step] = self._store.budget_clock

    def _opinion(self, hook: str, *args: Any) -> np.ndarray | None:
        """The answer of the one part that overrides the hook, if there is one."""
        return next(
            (getattr(part, hook)(*args) for part in self._parts.values() if overrides(part, hook)), None
        )

    def _the_one(self, hook: str) -> Curriculum:
        """The part that answers an exclusive hook; ``validate`` made sure there is exactly one."""
        return next(part for part in self._parts.values() if overrides(part, hook))


def _plain(stat: RolloutStat) -> dict[str, Any]:
    """As JSON has it: lists, not tuples."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(stat).items()
    }


def _stat(row: Mapping[str, Any]) -> RolloutStat:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in row.items()
    }
    return RolloutStat(**values)


def refuse_pool(slot: str, part: Curriculum, pool: PromptPool) -> None:
    """Raise ValueError, naming the slot, if the part cannot work with the pool."""
    try:
        part.check_pool(pool)
    except ValueError as error:
        raise ValueError(f"curriculum.{slot}: {error}") from error
