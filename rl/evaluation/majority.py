"""maj@k of a problem's completions: how often a vote of k of them is right."""

from collections.abc import Callable, Sequence

from planner.estimators.majority import maj_at_k
from rewards.final_answers import AnswerOf
from rollout.types import RolloutGroup

RIGHT = object()
"""The vote of every completion that the reward accepts: 1/2 and 0.5 are one answer where they are right."""


def majority_of(
    answer_of: AnswerOf, ks: Sequence[int], *, seed: int
) -> Callable[[RolloutGroup], dict[str, object]]:
    """A function of a group: ``{"majority": {k: maj@k}}`` for those of ``ks`` that its judged completions
    reach; none for one completion, which has no vote.

    Right completions vote together, wrong ones by the text of their final answer, and one without an answer
    takes a place and has no vote.
    """

    def columns(group: RolloutGroup) -> dict[str, object]:
        votes = [RIGHT if r.result.correct else answer_of(r.text) for r in group.rollouts]
        reached = [k for k in ks if 2 < k <= len(votes)]
        return (
            {"majority": {str(k): maj_at_k(votes, RIGHT, k, seed=seed) for k in reached}} if reached else {}
        )

    return columns
