"""From finished groups to what the learner trains on: rewards shaped, rollouts chosen. The finished groups stay as they are.

::

    finished group ──► curriculum.shape (whole group) ──► annotate ──► Verdict.indices ──► training batch
          └──► verdict, statistics, pass rates: raw correctness of all rollouts
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from rl.stream.plans import GroupState
from rollout.types import RolloutGroup

Shape = Callable[[RolloutGroup], Mapping[str, np.ndarray]]
Annotate = Callable[[list[RolloutGroup]], list[RolloutGroup]]


def trained_groups(kept: Sequence[GroupState], *, shape: Shape, annotate: Annotate) -> list[RolloutGroup]:
    """The groups of a batch, in the order of ``kept``.

    Args:
        kept: finished groups whose verdict was to train.
        shape: reward components of a group, [G] each.
        annotate: what the objective wants to know of a batch's groups; it keeps their order, and may put demonstrations in.
    """
    groups = annotate([shaped(state.group, shape(state.group)) for state in kept if state.group is not None])
    return [subset(group, state.indices) for group, state in zip(groups, kept, strict=True)]


def shaped(group: RolloutGroup, components: Mapping[str, np.ndarray]) -> RolloutGroup:
    """The components [G] added to each rollout's reward value, and kept beside its other components; correctness is as it was."""
    if not components:
        return group
    rollouts = []
    for place, rollout in enumerate(group.rollouts):
        extra = {name: float(values[place]) for name, values in components.items()}
        result = rollout.result
        clash = extra.keys() & result.components.keys()
        if clash:
            raise ValueError(f"the curriculum and the task's reward both have a reward component {sorted(clash)[0]!r}: rename one")
        result = replace(result, value=result.value + sum(extra.values()), components={**result.components, **extra})
        rollouts.append(replace(rollout, result=result))
    return replace(group, rollouts=tuple(rollouts))


def subset(group: RolloutGroup, indices: Sequence[int] | None) -> RolloutGroup:
    """The rollouts at ``indices``, arrays [G, ...] of ``aux`` along with them; None = all. A demonstration is left whole."""
    if indices is None or group.aux.get("demonstration"):
        return group
    size, places = len(group.rollouts), list(indices)
    assert places and 0 <= min(places) <= max(places) < size, f"Verdict.indices {places} of a group of {size}"
    aux = {
        name: value[places] if isinstance(value, np.ndarray) and len(value) == size else value for name, value in group.aux.items()
    }
    return replace(group, rollouts=tuple(group.rollouts[i] for i in places), aux=aux)
