"""Completions that a reward must call right: what a good policy would write for a prompt whose reference
answer is known."""

from rewards.thinking import opened_by
from rollout.types import Prompt, Reward

GOLD = "gold_completion"
"""Key of a prompt's metadata: a right completion given by whoever made the data."""


def gold_texts(reward: Reward, prompt: Prompt, *, finished: bool = True) -> list[str]:
    """Natural phrasings of the right answer, all of which the reward should take; none where nobody can say.

    The data's own ``gold_completion``, else the reward's ``gold_texts(prompt)``, a method that rewards may
    have. With ``finished``, a thinking that the prompt opened is ended first.
    """
    given = prompt.metadata.get(GOLD)
    asked = getattr(reward, "gold_texts", None)
    texts = (
        [given]
        if isinstance(given, str) and given.strip()
        else list(asked(prompt))
        if asked is not None
        else []
    )
    return (
        [f"It follows.{prompt.thinking_tags[1]}\n{text}" for text in texts]
        if finished and opened_by(prompt)
        else texts
    )


def boxed(answer: str) -> str:
    """In the box that many policies end with."""
    return rf"The answer is \boxed{{{answer}}}."


def committed(answer: str) -> list[str]:
    """A short answer in the forms that set it apart from the rest."""
    return [boxed(answer), f"#### {answer}", f"<answer>{answer}</answer>"]


def in_words(answer: str) -> list[str]:
    """A short answer as it is usually given, in a sentence too; formulas there stand between dollars."""
    shown = f"${answer}$" if any(sign in answer for sign in "\\^_") and "$" not in answer else answer
    return [*committed(answer), f"The answer is {shown}."]
