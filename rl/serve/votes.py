"""Decide which answers count as the same in a vote: the final answer is taken where the reward would look for
it."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from planner.strategies.base import Attempt
from planner.strategies.majority import winner_of
from rewards.components.final_text import final_text
from rewards.maths.extract import extract_answer
from rollout.types import Prompt

AnswerOf = Callable[[str], str | None]

NO_PROMPT = Prompt(id="", text="", token_ids=(), answer="")
"""A vote is by what the completion says alone."""
_SPACE = re.compile(r"\s+")


def answer_of(reward: str | None, args: Mapping[str, Any]) -> AnswerOf:
    """The vote of a completion under this reward; None from it is no vote.

    ``math``: what its extraction finds. ``reasoning_gym``: likewise. Others, or none: a committed answer
    (box, ``####``, answer tags), else what "the answer is", else the last number or formula, else what
    follows the thinking. Spaces and capitals make no difference.
    """
    if reward == "math":
        extraction = args.get("extraction", "lenient")
        return lambda text: _canonical(found.text) if (found := extract_answer(text, extraction)) else None
    if reward == "reasoning_gym":
        from rewards.reasoning_gym import EXTRACTIONS

        extract = EXTRACTIONS[args.get("extraction", "hash")]
        return lambda text: _canonical(extract(text))
    return _general


def fallback(attempts: Sequence[Attempt], vote: AnswerOf, rng: np.random.Generator) -> Attempt:
    """The first sample with the most frequent answer, ties at random; without any answer the first sample
    that says something."""
    answers = [vote(attempt.text) for attempt in attempts]
    winner = winner_of(dict(Counter(answer for answer in answers if answer is not None)), rng)
    if winner is not None:
        return attempts[answers.index(winner)]
    return next((attempt for attempt in attempts if attempt.text.strip()), attempts[0])


def _general(text: str) -> str | None:
    found = extract_answer(text)
    return _canonical(found.text) if found is not None else _canonical(final_text(NO_PROMPT, text))


def _canonical(text: str | None) -> str | None:
    return _SPACE.sub(" ", text).strip().casefold() or None if text else None
