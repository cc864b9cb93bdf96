"""Where the settings of T2RL 0.1.0 went: a file or an override that still names one is told."""

from collections.abc import Sequence

MOVED = {
    "learner.muon_lr": "learner.optimizer.muon_lr",
    "learner.muon_momentum": "learner.optimizer.momentum",
    "learner.min_lr_ratio": "learner.schedule.min_lr_ratio",
    "learner.schedule_decay_share": "learner.schedule.decay_share",
    "learner.schedule_decay_shape": "learner.schedule.decay_shape",
    "learner.schedule_exponent": "learner.schedule.exponent",
    "learner.schedule_phi": "learner.schedule.phi",
    "learner.sequence_parallel": "learner.packing.sequence_parallel",
    "learner.offload_optimizer": "learner.offload.optimizer",
    "learner.offload_parameters": "learner.offload.parameters",
    "learner.offload_path": "learner.offload.path",
    "algorithm.clip_low": "algorithm.mask.clip_low",
    "algorithm.clip_high": "algorithm.mask.clip_high or algorithm.likelihood.clip_high",
    "algorithm.dual_clip": "algorithm.mask.dual_clip",
    "algorithm.importance_cap": "algorithm.importance.cap",
    "algorithm.mirror_tau": "algorithm.likelihood.tau",
    "algorithm.pass_k": "algorithm.advantage.k",
    "algorithm.planner": "algorithm.advantage.planner",
    "algorithm.budgets": "algorithm.advantage.budgets",
    "algorithm.gae": "algorithm.advantage",
    "algorithm.critic.kind": "algorithm.advantage.critic.name",
    "algorithm.critic": "algorithm.advantage.critic",
    "algorithm.kl.target": "algorithm.kl.adaptive.target",
    "algorithm.kl.horizon": "algorithm.kl.adaptive.horizon",
}
"""Old dotted name, of a field or of a section with all in it -> the new one; ``a or b`` where it depends."""


def moved_to(path: Sequence[str]) -> str | None:
    """The new place of an old field, with what stood below a section that moved as a whole; None for other
    fields."""
    for length in range(len(path), 0, -1):
        new = MOVED.get(".".join(path[:length]))
        if new is not None:
            return " or ".join(".".join([place, *path[length:]]) for place in new.split(" or "))
    return None
