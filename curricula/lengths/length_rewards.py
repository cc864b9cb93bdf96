"""The worth of a completion's length: pure functions of lengths in tokens.

See docs/methods/lengths.md#train-long-think-short.
"""

import re

import numpy as np

from rewards.thinking import opened_by
from rollout.types import Prompt

ANSWER = ("<answer>", "</answer>")


def triangular(lengths: np.ndarray, target: float) -> np.ndarray:
    """[G] in [0, 1]: rises linearly to 1 at ``target``, falls to 0 at twice that (arXiv 2508.08940).

    Example: target 100: 0, 50, 100, 150, 200, 201 tokens give 0, .5, 1, .5, 0, 0.
    """
    return np.minimum(lengths / target, falling(lengths, target))


def falling(lengths: np.ndarray, target: float) -> np.ndarray:
    """[G] in [0, 1]: 1 up to ``target``, then falls linearly to 0 at twice that (the same paper's
    flat-then-decay band).

    Example: target 100: 0, 50, 100, 150, 200, 201 tokens give 1, 1, 1, .5, 0, 0.
    """
    return np.clip(2 - lengths / target, 0.0, 1.0)


def relative_to_group(lengths: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """[G] in [-.5, .5]: ``.5 - (len - min) / (max - min)``, at most 0 for wrong answers, 0 if all are equally
    long.

    Kimi k1.5 (arXiv 2501.12599, section 2.3.3). Example: lengths 100, 200, 300, 500, the first two right: .5,
    .25, 0, -.5.
    """
    shortest, longest = lengths.min(), lengths.max()
    if shortest == longest:
        return np.zeros(len(lengths))
    credit = 0.5 - (lengths - shortest) / (longest - shortest)
    return np.where(correct, credit, np.minimum(credit, 0.0))


def overlong(lengths: np.ndarray, *, limit: int, buffer_share: float) -> np.ndarray:
    """[G] in [-1, 0]: 0 up to ``(1 - buffer_share) * limit``, then falls linearly to -1 at the limit.

    DAPO (arXiv 2503.14476, eq. 13). Example: limit 100, share .2: 80, 90, 100 tokens give 0, -.5, -1.
    """
    buffer = buffer_share * limit
    return -np.clip((lengths - (limit - buffer)) / buffer, 0.0, 1.0)


def well_formed(prompt: Prompt, text: str) -> float:
    """Half for exactly one thinking, between the prompt's tags, half for exactly one
    ``<answer>...</answer>``. A thinking may be opened by the prompt."""
    whole = prompt.thinking_tags[0] + text if opened_by(prompt) else text
    pairs = (tuple(map(re.escape, prompt.thinking_tags)), ANSWER)
    return sum(
        len(re.findall(f"{opening}.*?{closing}", whole, re.DOTALL)) == 1 for opening, closing in pairs
    ) / len(pairs)
