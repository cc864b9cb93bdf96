"""Metrics of one plan's groups: rewards, pass rates, staleness. Pure functions."""

from collections.abc import Sequence

import numpy as np

from rl.batch.types import TrainingBatch
from rl.run.signal_metrics import signal_metrics
from rl.stream.plans import GroupState, GroupStatus, PlanState
from rollout.types import RolloutGroup


def group_metrics(plan: PlanState) -> dict[str, float]:
    """Metrics of a plan that was just trained, over all its finished groups, kept or not.

    ``reward/unjudged`` counts rollouts; they are in the rollouts and tokens that were sampled, and in nothing
    else.
    """
    done = [g for g in plan.groups if g.status is GroupStatus.FINISHED]
    groups = plan.finished_groups()
    unjudged = [r for g in groups for r in g.unjudged]
    return {
        **_judged_metrics(groups),
        "reward/unjudged": len(unjudged),
        "rollout/rollouts": sum(len(g.sampled) for g in groups),
        "rollout/tokens": sum(len(r.completion.token_ids) for g in groups for r in g.sampled),
        "rollout/groups": len(groups),
        "rollout/groups_dropped": plan.num_dropped,
        "rollout/groups_rolled_over": plan.rolled_over,
        "rollout/refill_rounds": plan.refill_round,
        "rollout/groups_short": plan.missing,
        **{f"rollout/dropped_{reason}": count for reason, count in _reasons(done).items()},
        **staleness_metrics(plan.step, plan.kept()),
        **signal_metrics(groups),
    }


def _judged_metrics(groups: Sequence[RolloutGroup]) -> dict[str, float]:
    """Rewards, pass rate and lengths of what was judged; nothing where nothing was."""
    rollouts = [r for g in groups for r in g.rollouts]
    if not rollouts:
        return {}
    rewards = np.concatenate([g.rewards for g in groups])
    return {
        "reward/mean": float(rewards.mean()),
        # Exactly 0 where all are equal: the mean of sixteen times 0.1 is not 0.1.
        "reward/std": float(rewards.std()) if rewards.min() < rewards.max() else 0.0,
        "reward/pass_rate": sum(g.num_correct for g in groups) / len(rewards),
        "rollout/length_mean_tokens": float(np.mean([len(r.completion.token_ids) for r in rollouts])),
        "rollout/truncated_share": sum(r.completion.truncated for r in rollouts) / len(rollouts),
    }


def batch_metrics(batch: TrainingBatch | None) -> dict[str, float]:
    """Metrics of what reached the learner: rollouts, and the mean of each reward component over them,
    ``reward/NAME``."""
    if batch is None:
        return {"rollout/rollouts_trained": 0}
    means = {f"reward/{name}": float(values.mean()) for name, values in batch.components.items()}
    return {
        **means,
        "rollout/rollouts_trained": len(batch.rewards),
        "reward/trained_mean": float(batch.rewards.mean()),
    }


def _reasons(groups: list[GroupState]) -> dict[str, int]:
    reasons: dict[str, int] = {}
    for group in groups:
        if not group.kept:
            reasons[group.reason] = reasons.get(group.reason, 0) + 1
    return reasons


def at_bound(plan: PlanState, *, bound: int) -> dict[str, float]:
    """Share of the groups trained that were as old as ``stream.max_staleness`` allows; of nothing where it
    is 0, since all are then."""
    groups = [g.group for g in plan.kept() if g.group is not None]
    if not groups or not bound:
        return {}
    old = sum(plan.step - group.min_policy_version >= bound for group in groups)
    return {"buffer/at_bound_share": old / len(groups)}


def staleness_metrics(step: int, groups: list[GroupState]) -> dict[str, float]:
    """Steps between consumption (version ``step``) and each group's oldest token, split where the group was
    finished.

    total = in_flight (weights that changed while it was sampled) + in_queue (weights that changed while it
    waited).
    """
    if not groups:
        return {}
    oldest = np.array([g.group.min_policy_version for g in groups if g.group is not None])
    finished = np.array([g.finished_version for g in groups])
    total = step - oldest
    mixed = [
        r.completion.min_policy_version != r.completion.max_policy_version
        for g in groups
        if g.group is not None
        for r in g.group.rollouts
    ]
    return {
        "buffer/staleness_mean": float(total.mean()),
        "buffer/staleness_max": int(total.max()),
        "buffer/staleness_in_flight_mean": float((finished - oldest).mean()),
        "buffer/staleness_in_queue_mean": float((step - finished).mean()),
        "buffer/mixed_version_share": float(np.mean(mixed)),
    }
