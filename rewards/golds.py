"""Completions that a reward must call right: what a good policy would write for a prompt whose reference answer is known."""

from rewards.thinking import opened_by
from rollout.types import Prompt, Reward

GOLD = "gold_completion"
"""Key of a prompt's metadata: a right completion given by whoever made the data."""


def gold_texts(reward: Reward, prompt: Prompt, *, finished: bool = True) -> list[str]:
    """Natural phrasings of the right answer, of which the reward must take at least one; none where nobody can say.

    The data's own ``gold_completion``, else the reward's ``gold_texts(prompt)``, a method that rewards may have. With
    ``finished``, a thinking that the prompt opened is ended first.
    """
    given = prompt.metadata.get(GOLD)
    asked = getattr(reward, "gold_texts", None)
    texts = [given] if isinstance(given, str) and given.strip() else list(asked(prompt)) if asked is not None else []
    return [f"It follows.{prompt.thinking_tags[1]}\n{text}" for text in texts] if finished and opened_by(prompt) else texts


def in_words(answer: str) -> list[str]:
    """A short answer as it is usually given."""
    return [rf"The answer is \boxed{{{answer}}}.", f"#### {answer}", f"<answer>{answer}</answer>", f"The answer is {answer}."]
