"""Stabilisation masks: which tokens keep their gradient. A new one is one file and one line here.

A mask maps ``(ratio [T], advantages [T], config)`` to a bounded ratio [T]: the ratio itself, with its
gradient, where the token keeps it, and a constant bound where it does not. So the bounded ratio gives the
value of PPO's surrogate as well, and ``bounded == ratio`` says which tokens are kept.
"""

from collections.abc import Callable

from rl.config.algorithm import AlgorithmConfig
from rl.objective.masks.clip import clip
from rl.objective.masks.dual_clip import dual_clip
from rl.objective.masks.none import no_mask
from rl.objective.shapes import PerToken

MaskFunction = Callable[[PerToken, PerToken, AlgorithmConfig], PerToken]

MASKS: dict[str, MaskFunction] = {"none": no_mask, "clip": clip, "dual_clip": dual_clip}
