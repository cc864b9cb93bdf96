"""A run's trackers, and the rollouts that they show."""

from collections.abc import Sequence
from typing import Any

from rl.config.schema import Config
from rl.records.jsonl import read_jsonl
from rl.records.rundir import RunDir
from rl.records.trackers import TRACKERS
from rl.records.trackers.base import TrackedRun
from rl.records.trackers.threads import Trackers
from rl.stream.plans import PlanState
from rollout.user_code import resolve_function


def open_trackers(config: Config, run: RunDir, *, attempt: int, restored_step: int) -> Trackers:
    """The trackers of an attempt; they open in threads of their own.

    Raises:
        ValueError: One of your own is not there.
    """
    rows = read_jsonl(run.metrics) if run.metrics.is_file() else []
    settings = config.tracker
    chosen = {
        name: (
            resolve_function("tracker", name, TRACKERS),
            TrackedRun(
                directory=run.path,
                name=run.path.name,
                config=config.model_dump(mode="json"),
                settings=settings.settings_of(name),
                attempt=attempt,
                restored_step=restored_step,
                rows_before=sum("step" in row and row["attempt"] < attempt for row in rows),
            ),
        )
        for name in settings.use
    }
    return Trackers(chosen)


def sample_rows(plan: PlanState, count: int) -> list[dict[str, Any]]:
    """``count`` finished rollouts of a plan, evenly from the lowest reward to the highest, those without a
    verdict left out; the keys are columns of ``RUN/rollouts``."""
    found = [
        (g.group.prompt, rollout)
        for g in plan.groups
        if g.group is not None
        for rollout in g.group.rollouts
        if rollout.result.judged
    ]
    found.sort(key=lambda one: one[1].result.value)
    return [
        {
            "step": plan.step,
            "prompt_id": prompt.id,
            "category": prompt.category,
            "prompt": prompt.text,
            "completion": rollout.text,
            "reward": rollout.result.value,
            "correct": rollout.result.correct,
            "reason": rollout.result.reason,
            "length": len(rollout.completion.token_ids),
        }
        for prompt, rollout in (found[place] for place in spread(len(found), count))
    ]


def spread(available: int, count: int) -> Sequence[int]:
    """Up to ``count`` places among ``available``, the first and the last among them."""
    if count >= available:
        return range(available)
    if count == 1:
        return (available - 1,)
    return [round(i * (available - 1) / (count - 1)) for i in range(count)]
