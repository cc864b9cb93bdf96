"""Decide which answers count as the same in a vote: the final answer is taken where the reward would look for
it."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from planner.strategies.base import Attempt
from planner.strategies.majority import winner_of
from rewards.final_answers import AnswerOf, answer_of

__all__ = ["AnswerOf", "answer_of", "fallback"]


def fallback(attempts: Sequence[Attempt], vote: AnswerOf, rng: np.random.Generator) -> Attempt:
    """The first sample with the most frequent answer, ties at random; without any answer the first sample
    that says something."""
    answers = [vote(attempt.text) for attempt in attempts]
    winner = winner_of(dict(Counter(answer for answer in answers if answer is not None)), rng)
    if winner is not None:
        return attempts[answers.index(winner)]
    return next((attempt for attempt in attempts if attempt.text.strip()), attempts[0])
