"""Watches verdicts as they come: names every kind of failure once, at once, and ends a run whose reward
judges nothing."""

import logging
from collections.abc import Sequence

from rollout.types import Failure, Prompt, RewardResult

logger = logging.getLogger(__name__)
MOST_KINDS = 10
"""Kinds of failure that are named; what follows is counted only."""


class BrokenReward(ValueError):
    """Not one verdict of the first batch: the reward is wrong, and nothing could be trained on."""


class RewardWatch:
    """One for a run, whoever asks for verdicts.

    Args:
        name: Of the reward.
        first_batch: Verdicts in which at least one sample must have been judged.
    """

    def __init__(self, name: str, *, first_batch: int) -> None:
        self._name, self._first_batch = name, first_batch
        self._known: set[str] = set()
        self._seen = 0
        self._works = False

    def see(self, prompt: Prompt, results: Sequence[RewardResult]) -> None:
        """Take in a group's verdicts.

        Raises:
            BrokenReward: None of the first ``first_batch`` samples could be judged.
        """
        for result in results:
            if not result.judged:
                self._say(prompt, result)
        if self._works:
            return
        self._works = any(result.judged for result in results)
        self._seen += len(results)
        if not self._works and self._seen >= self._first_batch:
            reason = next(result.reason for result in results)
            raise BrokenReward(
                f"task.reward: {self._name} could judge none of the first {self._seen} samples, so there is"
                f" nothing to train on: {reason}. Mend the reward; t2rl rewards score tries it on a file of"
                " completions"
            )

    def _say(self, prompt: Prompt, result: RewardResult) -> None:
        kind = _kind(result)
        applies = result.failure is not Failure.NOT_APPLICABLE
        if kind in self._known or not applies or len(self._known) > MOST_KINDS:
            return
        self._known.add(kind)
        if len(self._known) > MOST_KINDS:
            logger.warning(
                "the reward fails in more than %d ways; further ones are counted only (reward/unjudged)",
                MOST_KINDS,
            )
            return
        logger.warning(
            "task.reward: %s could not judge a sample of prompt %s, which is left out: %s (the first of its"
            " kind; reward/unjudged counts them)",
            self._name,
            prompt.id,
            result.reason,
        )


def _kind(result: RewardResult) -> str:
    """Where the reward raised, ``error: TYPE at PLACE`` whatever the message; other reasons as they are."""
    raised = result.failure in (Failure.ERROR, Failure.SANDBOX)
    return ": ".join(result.reason.split(": ", 2)[:2]) if raised else result.reason
