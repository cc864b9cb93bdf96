"""Find a completion's final text: without its thinking, and inside its answer tags if it has any."""

import re
from itertools import pairwise

from rewards.thinking import after_thinking
from rollout.types import Prompt

_TAG = re.compile(r"<(/?)answer>", re.IGNORECASE)


def final_text(prompt: Prompt, text: str) -> str:
    """The inside of the last ``<answer>...</answer>`` after the thinking, or all that follows the thinking;
    stripped.

    Nothing if the thinking never ends, or if an ``<answer>`` is opened last and never closed: what stood in
    an earlier one was withdrawn.

    Example: ``"<think>5?</think> So <answer> 4 </answer>"`` gives ``"4"``.
    """
    rest = after_thinking(prompt, text)
    if opens_answer(rest):
        return ""
    tags = list(_TAG.finditer(rest))
    for opening, closing in reversed(list(pairwise(tags))):
        if closing[1] and not opening[1]:
            return rest[opening.end() : closing.start()].strip()
    return rest.strip()


def opens_answer(text: str) -> bool:
    """True if its last answer tag opens: it was cut off inside, and what stood in an earlier one was
    withdrawn."""
    tags = _TAG.findall(text)
    return bool(tags) and not tags[-1]


def is_tagged(prompt: Prompt, text: str) -> bool:
    """True if the final text stands in answer tags: then it ended before the completion did."""
    return final_text(prompt, text) != after_thinking(prompt, text).strip()
