"""Write down what a run does, one call per event: metrics, trained groups, trace, progress, evaluations."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from curricula.measures.tally import tally
from rl.batch.types import StepResult, TrainingBatch
from rl.records.jsonl import JsonlWriter
from rl.records.metrics import MetricsWriter
from rl.records.progress import ProgressDisplay
from rl.records.trace import TraceWriter
from rl.records.trackers.threads import Trackers
from rl.run.advice import AdviceDesk
from rl.run.cost_meter import CostMeter
from rl.run.state import RunState
from rl.run.step_metrics import batch_metrics, group_metrics
from rl.run.tracked import sample_rows
from rl.stream.plans import GroupState, PlanState
from rl.weights.sync import SyncReport

logger = logging.getLogger(__name__)
FIGURES_INLINE = 1024
"""Rollouts of a step whose figures take a few milliseconds."""


@dataclass(slots=True)
class StepRecord:
    """A stopwatch for one turn of the learner loop."""

    step: int
    wait_s: float = 0.0
    """Learner idle: waiting for the batch."""
    train_s: float = 0.0
    publish_s: float = 0.0
    save_s: float = 0.0
    evaluate_s: float = 0.0
    """Not part of the step: whether and how often a run is evaluated must not change what its training is
    said to cost."""
    figures: dict[str, float] = field(default_factory=dict)
    """Figures that the parts of the run reported right after the step, before new weights let the next plan
    out."""
    sync: SyncReport | None = None
    """The push that settled in this turn: of the version before, unless an evaluation waited for this one."""
    started: float = field(default_factory=time.time)
    """By the wall clock, for the trace alone: seconds are counted by a clock that nobody sets."""
    _began: float = field(default_factory=time.monotonic)
    _last: float = field(default_factory=time.monotonic)

    def lap(self) -> float:
        """Seconds since the last lap."""
        now = time.monotonic()
        elapsed, self._last = now - self._last, now
        return elapsed

    @property
    def elapsed_s(self) -> float:
        """Seconds since the turn began, an evaluation left out."""
        return time.monotonic() - self._began - self.evaluate_s


@dataclass(slots=True, kw_only=True)
class Recorder:
    """Fans one step's facts out to everything that keeps or shows them."""

    metrics: MetricsWriter
    groups: JsonlWriter
    choices: JsonlWriter
    """The curriculum's choices, one ``curricula.measures.tally`` row a step."""
    trace: TraceWriter
    tracker: Trackers
    progress: ProgressDisplay
    sources: Sequence[Callable[[], Mapping[str, float]]]
    """Parts of the run that report figures of their own: curriculum, fleet, service, verifiers."""
    evaluate: Callable[[int], Awaitable[None]]
    """Evaluates the version that every engine serves."""
    due: Callable[[int], bool] = lambda version: False
    """Does a version's turn to be evaluated come after its step?"""
    beside: bool = False
    """Evaluations have engines of their own, so training does not wait for weights to arrive."""
    of_plan: Sequence[Callable[[PlanState], Mapping[str, float]]] = ()
    """Figures that are computed from the plan that was just trained."""
    advice: AdviceDesk = field(default_factory=AdviceDesk)
    cost: CostMeter | None = None
    samples: int = 0
    """Rollouts that trackers show at a time."""
    samples_every: int = 1
    """Steps between showing them."""

    def begin(self) -> None:
        """Training begins; what was done before it is no cost of a step."""
        if self.cost is not None:
            self.cost.begin()

    def figures(self) -> dict[str, float]:
        """Return what every source reports now."""
        return {key: value for source in self.sources for key, value in source().items()}

    def evaluation_due(self, version: int) -> bool:
        """True every ``evaluation.every`` steps, and where a suite's own cadence says so."""
        return self.due(version)

    def trained(self, plan: PlanState, *, applied: bool) -> None:
        """Log every group that went into the weights, and what was chosen, before anything else can happen to
        them."""
        self.choices.write({"step": plan.step, "refill_rounds": plan.refill_round, **tally(plan.stats())})
        self.groups.write(*(_trained_row(plan.step, group, applied=applied) for group in plan.kept()))

    async def step(
        self,
        record: StepRecord,
        *,
        plan: PlanState,
        batch: TrainingBatch | None,
        result: StepResult,
        state: RunState,
    ) -> None:
        """One row for one optimizer step; the figures of many rollouts are computed in a thread."""
        elapsed = record.elapsed_s
        state.totals.train_s += elapsed
        many = sum(len(group.sampled) for group in plan.finished_groups()) > FIGURES_INLINE
        of_groups = await asyncio.to_thread(group_metrics, plan) if many else group_metrics(plan)
        row = batch_metrics(batch) | of_groups | result.metrics
        row |= record.figures
        for figures in self.of_plan:
            row |= figures(plan)
        row |= {
            "time/step_s": elapsed,
            "time/learner_wait_s": record.wait_s,
            "time/train_s": record.train_s,
            "time/publish_s": record.publish_s,
            "time/save_s": record.save_s,
            "time/evaluate_s": record.evaluate_s,
            "time/learner_idle_share": record.wait_s / elapsed if elapsed else 0.0,
            "rollout/tokens_per_s": row["rollout/tokens"] / elapsed if elapsed else 0.0,
            "rollout/total_tokens": state.totals.rollout_tokens,
            "learner/applied": float(result.applied),
        }
        if record.sync is not None:
            row |= {"sync/push_s": record.sync.push_s, "sync/version": record.sync.version}
            if record.sync.carried_bytes is not None:
                row["sync/carried_bytes"] = float(record.sync.carried_bytes)
            if record.sync.probe_gap is not None:
                row["sync/probe_gap"] = record.sync.probe_gap
        if self.cost is not None:
            row |= self.cost.step(
                plan=plan,
                result=result,
                elapsed_s=elapsed,
                learner_s=record.train_s + record.publish_s + record.save_s,
                train_s=record.train_s,
                probed="sync/probe_gap" in row,
            )
        row |= self.advice.step(record.step, row)
        self.metrics.write(record.step, row)
        if self.samples and self.tracker.wanted and record.step % self.samples_every == 0:
            self.tracker.samples(record.step, sample_rows(plan, self.samples))
        self.tracker.log(record.step, row)
        self.trace.complete("learner", f"wait {record.step}", record.started, record.started + record.wait_s)
        train_start = record.started + record.wait_s
        self.trace.complete("learner", f"train {record.step}", train_start, train_start + record.train_s)
        self.progress.update(record.step + 1, row)

    def __enter__(self) -> "Recorder":
        """Everything is closed at the end of the block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Close. Where an error ends the block, a failure to close is logged and does not take its place."""
        try:
            self.close()
        except OSError as failure:
            if error is None:
                raise
            logger.warning("closing the records: %s", failure)

    def close(self) -> None:
        """Flush everything."""
        with ExitStack() as closing:
            for close in (
                self.metrics.close,
                self.groups.close,
                self.choices.close,
                self.advice.close,
                self.trace.close,
                self.tracker.finish,
            ):
                closing.callback(close)


def _trained_row(step: int, state: GroupState, *, applied: bool) -> dict[str, Any]:
    assert state.group is not None
    return {
        "step": step,
        "group_id": state.request.group_id,
        "prompt_id": state.prompt.id,
        "num_rollouts": len(state.group.rollouts),
        "issues": state.issues,
        "applied": applied,
    }
