"""The final answer of a completion as text, for whoever counts which completions say the same."""

import re
from collections.abc import Callable, Mapping
from typing import Any

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


def _general(text: str) -> str | None:
    found = extract_answer(text)
    return _canonical(found.text) if found is not None else _canonical(final_text(NO_PROMPT, text))


def _canonical(text: str | None) -> str | None:
    return _SPACE.sub(" ", text).strip().casefold() or None if text else None
