"""From the components of a sample to its reward value: weights, schedules and gates, as a pure function of
the step's share.

The verifier process computes components only once; what depends on the step is this arithmetic, which the
controller does when a group is finished. A group that is drawn again belongs to the same plan, so a resumed
run gives it the same value.
"""

import math
from collections.abc import Mapping

from rewards.rubric.spec import Gate, Weight


def is_open(gate: Gate | None, components: Mapping[str, float]) -> bool:
    """True without a gate; a gate whose component is absent is shut."""
    return gate is None or components.get(gate.component, -math.inf) >= gate.at_least


def weighted_value(components: Mapping[str, float], weights: Mapping[str, Weight], progress: float) -> float:
    """Sum of weight times component over what is there and whose gate is open.

    Args:
        components: Unweighted, by name; a component that was not applicable is absent.
        weights: By name; components without one do not count.
        progress: Share of the run that is over, 0 to 1.

    Example: components {math: 1, format: 0, length: -.5}, weights 1, .2 and .1, math gated by format: 0 + 0 -
    .05.
    """
    return math.fsum(
        weight.at(progress) * components[name]
        for name, weight in weights.items()
        if name in components and is_open(weight.gate, components)
    )
