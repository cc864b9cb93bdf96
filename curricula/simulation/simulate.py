"""Drives a curriculum stack through a run as the controller does, with a simulated learner in place of
engines and optimizer."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from curricula.base import Plan
from curricula.measures.effective import effective_ratios
from curricula.measures.prompt_signals import PromptSignals
from curricula.measures.tally import tally
from curricula.simulation.learners import SimulatedLearner
from curricula.simulation.outcomes import Outcomes
from curricula.simulation.signals import simulated_signals
from curricula.stack import CurriculumStack
from rollout.types import RolloutGroup, RolloutStat


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The figures of a run's ``run`` and ``stream`` sections that a curriculum feels."""

    steps: int
    prompts_per_step: int
    rollouts_per_prompt: int
    max_staleness: int = 0
    """Plan s is drawn and sampled when version s - max_staleness is out."""
    refill_rounds: int = 0


@dataclass(slots=True)
class _Open:
    """A plan whose groups are finished and that was not trained yet."""

    stats: list[RolloutStat] = field(default_factory=list)
    drawn: dict[int, int] = field(default_factory=dict)
    trained: list[RolloutStat] = field(default_factory=list)
    """Kept groups, with the rollouts that the filters chose."""


class Simulation:
    """One run: plans ahead of the learner by ``max_staleness``, filters, refills, one update and one
    observation a step."""

    def __init__(
        self,
        stack: CurriculumStack,
        *,
        outcomes: Outcomes,
        learner: SimulatedLearner,
        schedule: Schedule,
        num_prompts: int,
        first_step: int = 0,
    ) -> None:
        """Parts that were built for the same pool of ``num_prompts`` prompts; the stack's ``lag`` is the
        schedule's staleness.

        ``first_step`` is the next plan of a stack that was restored.
        """
        self.stack, self.learner, self.schedule = stack, learner, schedule
        self._outcomes = outcomes
        self._everything = np.arange(num_prompts)
        self._open: dict[int, _Open] = {}
        self._version = first_step
        if stack.signal_columns and first_step == 0:
            stack.begin(self._signals(-1, []))

    def run(self, *, on_step: Callable[[dict[str, Any]], None] = lambda row: None) -> list[dict[str, Any]]:
        """All steps; one row each (see ``step``), also given to ``on_step`` as it comes."""
        rows = []
        for row in self.rows():
            on_step(row)
            rows.append(row)
        return rows

    def rows(self) -> Iterable[dict[str, Any]]:
        """The same, one at a time."""
        while self._version < self.schedule.steps:
            yield self.step()

    def step(self) -> dict[str, Any]:
        """Train the next plan.

        Returns:
            Counts and ratios over all its groups, refills, kept and dropped ones included, and
            ``curricula.measures.tally``; ``trained_effective_ratio`` is the share of mixed groups' rollouts
            among those trained on; ``pool_pass_rate`` is the learner's over the whole pool, before the step;
            ``metrics`` is what the stack logs.
        """
        step = self._version
        for ahead in range(
            step + len(self._open), min(step + self.schedule.max_staleness + 1, self.schedule.steps)
        ):
            self._plan(ahead)
        refills = self._refill(step)
        done = self._open.pop(step)
        mean_rate = float(self._rates(self._everything).mean())
        if done.trained:
            self.learner.update(done.trained)
        self._version = step + 1
        self.stack.observe(
            step, done.stats, signals=self._signals(step, done.stats) if self.stack.signal_columns else None
        )
        return self._row(step, done, refills=refills) | {"pool_pass_rate": mean_rate}

    def _signals(self, step: int, stats: Sequence[RolloutStat]) -> PromptSignals:
        wanted = self.stack.wanted_signals(step, stats)
        return simulated_signals(
            self._outcomes.pool.prompts, wanted, version=self._version, columns=self.stack.signal_columns
        )

    def _plan(self, step: int) -> None:
        stream = self.schedule
        budget = stream.prompts_per_step * stream.rollouts_per_prompt
        plan = self.stack.plan(
            step, total_steps=stream.steps, num_prompts=stream.prompts_per_step, rollout_budget=budget
        )
        self._open[step] = _Open()
        self._finish(step, plan)

    def _refill(self, step: int) -> int:
        """Replace dropped groups while rounds are left (as the controller's ``_whole``); returns the
        rounds."""
        stream, plan, refilled = self.schedule, self._open[step], 0
        for round_ in range(1, stream.refill_rounds + 1):
            missing = sum(not stat.kept for stat in plan.stats) - refilled
            if missing <= 0:
                return round_ - 1
            refilled += missing
            budget = missing * stream.rollouts_per_prompt
            self._finish(
                step, self.stack.refill(step, round=round_, num_prompts=missing, rollout_budget=budget)
            )
        return stream.refill_rounds

    def _finish(self, step: int, plan: Plan) -> None:
        """Sample the plan's groups under the newest weights, and judge them."""
        state = self._open[step]
        groups = self._outcomes.groups(
            plan,
            step=step,
            position=len(state.stats),
            rates=self._rates(plan.prompt_indices),
            version=self._version,
            progress=self._version / self.schedule.steps,
            drawn=state.drawn,
        )
        for group in groups:
            decision = self.stack.filter_group(group)
            stat = RolloutStat.of(group, kept=decision.action == "train", reason=decision.reason)
            state.stats.append(stat)
            if stat.kept:
                state.trained.append(
                    stat if decision.indices is None else _subset(stat, group, decision.indices)
                )

    def _rates(self, indices: np.ndarray) -> np.ndarray:
        return self.learner.pass_rates(indices, progress=self._version / self.schedule.steps)

    def _row(self, step: int, done: _Open, *, refills: int) -> dict[str, Any]:
        trained = sum(stat.num_rollouts for stat in done.trained)
        mixed = sum(stat.num_rollouts for stat in done.trained if 0 < stat.num_correct < stat.num_rollouts)
        return {
            "step": step,
            **effective_ratios(done.stats),
            "trained_effective_ratio": mixed / trained if trained else 0.0,
            "rollouts_generated": sum(stat.num_rollouts for stat in done.stats),
            "rollouts_trained": trained,
            "tokens_generated": sum(stat.num_tokens for stat in done.stats),
            "refill_rounds": refills,
            **tally(done.stats),
            "metrics": self.stack.metrics(),
        }


def _subset(stat: RolloutStat, group: RolloutGroup, indices: Sequence[int]) -> RolloutStat:
    """Return what the learner sees of a group of which some rollouts train."""
    correct = sum(group.rollouts[i].result.correct for i in indices)
    return replace(stat, num_rollouts=len(indices), num_correct=correct)
