"""The answers that a prompt accepts: one, or any of several."""

from collections.abc import Sequence

from rollout.types import Prompt

KEY = "answers"
"""Where a prompt's metadata hold several accepted answers."""


def accepted_answers(prompt: Prompt) -> Sequence[str]:
    """``metadata.answers`` if there are several, else the reference answer; null among them is absent."""
    several = prompt.metadata.get(KEY)
    if not isinstance(several, list | tuple):
        return [prompt.answer]
    return [str(answer) for answer in several if answer is not None] or [prompt.answer]
