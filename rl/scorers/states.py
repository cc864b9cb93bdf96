"""States of the verifiers and the reward model of a run, for ``RUN/status.json``."""

from rewards.processes.pool import VerifierPool
from rl.records.status import ActorState
from rl.scorers.reward_model.scorer import ModelScorer, Verifiers


def scorer_actors(scorer: Verifiers) -> list[ActorState]:
    """One state for each verifier process of a pool here, each verifier actor, and the reward model."""
    if isinstance(scorer, ModelScorer):
        return [*scorer_actors(scorer.verifiers), scorer.model.actor()]
    if isinstance(scorer, VerifierPool):
        return [
            ActorState(
                name=f"verifier-{i}",
                kind="verifier",
                state="live",
                detail="a process of the controller",
                pid=pid,
            )
            for i, pid in enumerate(scorer.pids)
        ]
    actors = getattr(scorer, "actors", None)
    return [] if actors is None else list(actors())
