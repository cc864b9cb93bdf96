"""GAIN-RL's signal: how far the hidden states of a prompt point the same way (arXiv 2506.02281). Pure numpy.

|grad_W L|_F^2 = sum_ij <x_i, x_j> <d_i, d_j> for the inputs x and output gradients d of a layer's tokens, so
that tokens whose inputs are parallel add up to a large gradient. The inputs come from one prefill; in a run
the learner does it (``rl.learner.prompt_signals``).

See docs/methods/prompts.md#gain-rl.
"""

import numpy as np


def concentration(hidden: np.ndarray) -> float:
    """Mean cosine over all ordered pairs of different tokens; hidden [T, H], T >= 2.

    The diagonal is left out: it is 1 whatever the tokens are.
    """
    if len(hidden) < 2:
        raise ValueError(f"hidden states of {len(hidden)} tokens have no pair to compare: pass two or more")
    total = _units(hidden).sum(axis=0)
    return float((total @ total - len(hidden)) / (len(hidden) * (len(hidden) - 1)))


def angle_signal(
    hidden: np.ndarray, *, template: np.ndarray, question: np.ndarray, w_inter: float = 1.0
) -> float:
    """C_intra + w_inter * C_inter: mean cosine among question tokens, and between them and the template's.

    Args:
        hidden: [T, H] inputs of the last layer's up-projection, one row for each token of the prompt.
        template: [T] bool or indices of the system and template tokens.
        question: [T] bool or indices of the question's tokens, two or more. The released code finds both by
            slicing at the length of one model's template; here they are named.
        w_inter: 1 in the paper's description, 8 in its code.

    Raises:
        ValueError: if there is no pair of question tokens, or no template token.
    """
    shared, own = hidden[template], hidden[question]
    if not len(shared):
        raise ValueError(
            "no template tokens: pass the positions of the system prompt and the chat template, or use"
            " concentration()"
        )
    inter = float(_units(own).mean(axis=0) @ _units(shared).mean(axis=0))
    return concentration(own) + w_inter * inter


def _units(hidden: np.ndarray) -> np.ndarray:
    """[T, H] rows of norm 1, in float64."""
    rows = np.asarray(hidden, dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
