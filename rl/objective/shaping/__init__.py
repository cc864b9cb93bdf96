"""Reward shaping: rewards changed before the advantages. Raw correctness, which pass rates and verdicts read,
is never touched.

A shaping maps ``(rewards [S], samples, **args)`` to rewards [S]; a new one is one file and one line here.
"""

from collections.abc import Callable

from rl.objective.shapes import PerSample
from rl.objective.shaping.handover import handover
from rl.objective.shaping.overlong import overlong
from rl.objective.shaping.trust import trust
from rollout.user_code import resolve_function

SHAPINGS: dict[str, Callable[..., PerSample]] = {"overlong": overlong, "trust": trust, "handover": handover}


def resolve_shaping(name: str) -> Callable[..., PerSample]:
    """The shaping that ``algorithm.shaping`` names: one of ``SHAPINGS``, or outside code
    (``pkg.module:attr``).

    Raises:
        ValueError: naming the field and the choices.
    """
    return resolve_function("algorithm.shaping", name, SHAPINGS)
