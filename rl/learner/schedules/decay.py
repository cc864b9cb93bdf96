"""How the last phase of ``wsd`` and ``power`` falls: 1 at 0, 0 at 1."""

import math
from collections.abc import Callable

DECAYS: dict[str, Callable[[float], float]] = {
    "linear": lambda x: 1 - x,
    "cosine": lambda x: (1 + math.cos(math.pi * x)) / 2,
    # Haegele et al. 2024 (arXiv 2405.18392): better than the line for short decays.
    "sqrt": lambda x: 1 - math.sqrt(x),
}
