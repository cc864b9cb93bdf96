"""A stand-in for a model's hidden states in a simulation, where there is none."""

import functools
import zlib
from collections.abc import Sequence

import numpy as np

from curricula.measures.prompt_signals import PromptSignals
from rollout.types import Prompt

CODE = 8
"""Numbers that stand for a category; as many again are a prompt's own."""


def simulated_signals(
    prompts: Sequence[Prompt], indices: np.ndarray, *, version: int, columns: Sequence[str]
) -> PromptSignals:
    """Columns on prompts [K], ascending.

    ``hidden`` [K, 2 * CODE + 1] holds a code of the category, the difficulty, and noise of the prompt's own:
    a head can learn rates by category and level from it, and nothing finer. ``intra`` is metadata "angle",
    else noise; ``inter`` is 0.
    """
    some = [prompts[i] for i in indices]
    made = {
        "hidden": np.array([_hidden(p) for p in some], dtype=np.float32).reshape(len(some), 2 * CODE + 1),
        "intra": np.array([float(p.metadata.get("angle", _code(p.id)[0])) for p in some]),
        "inter": np.zeros(len(some)),
    }
    return PromptSignals(version=version, indices=indices, columns={name: made[name] for name in columns})


def _hidden(prompt: Prompt) -> np.ndarray:
    return np.concatenate(
        [_code(f"category {prompt.category}"), [float(prompt.difficulty)], _code(prompt.id)]
    )


@functools.lru_cache(maxsize=1 << 16)
def _code(text: str) -> np.ndarray:
    """[CODE] normal numbers that the text alone decides."""
    return np.random.default_rng(zlib.crc32(text.encode())).standard_normal(CODE)
