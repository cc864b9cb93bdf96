"""Cosine hand-over from one reward component to another over the run: structure first, correctness later.

See docs/methods/objectives.md#hand-over.
"""

import math

from rl.objective.samples import Samples
from rl.objective.shapes import PerSample


def handover(
    rewards: PerSample,
    samples: Samples,
    *,
    first: str,
    second: str = "",
    start: float = 1.0,
    end: float = 0.0,
) -> PerSample:
    """[S] ``w * first + (1 - w) * second`` with w falling from ``start`` to ``end`` on half a cosine
    (Datarus, arXiv 2508.13382).

    The names are reward components; an empty ``second`` is the reward itself. Over progress 0, 1/4, 1/2, 3/4,
    1 and with the defaults w is 1, .8536, .5, .1464, 0.
    """
    weight = end + (start - end) * (1 + math.cos(math.pi * samples.progress)) / 2
    late = samples.components[second] if second else rewards
    return (weight * samples.components[first] + (1 - weight) * late).to(rewards.dtype)
