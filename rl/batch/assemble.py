"""From finished groups to what the learner trains on: rewards shaped, rollouts chosen. The finished groups
stay as they are.

::

    finished group ──► curriculum.shape (whole group) ──► annotate ──► decision.indices ──► training batch
          └──► filter, statistics, pass rates: raw correctness of all rollouts
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from rl.batch.types import TrainingBatch
from rl.stream.plans import GroupState
from rollout.types import RolloutGroup

Shape = Callable[[RolloutGroup], Mapping[str, np.ndarray]]
Credit = Callable[[Sequence[RolloutGroup]], Sequence[Sequence[np.ndarray]] | None]
Annotate = Callable[[list[RolloutGroup]], list[RolloutGroup]]
JOINED_INLINE = 100_000
"""Tokens of a batch that a few milliseconds join."""


def trained_groups(
    kept: Sequence[GroupState], *, shape: Shape, credit: Credit, annotate: Annotate
) -> list[RolloutGroup]:
    """The groups of a batch, in the order of ``kept``; groups that ``annotate`` adds (answers at thinking
    budgets) are left whole.

    Args:
        kept: finished groups that the filters let train.
        shape: reward components of a group, [G] each.
        credit: advantages of every token that was sampled, for each rollout of each group; None leaves them
            to the estimator.
        annotate: what the objective wants to know of a batch's groups; it may put demonstrations in their
            places, and add groups.
    """
    whole = [shaped(state.group, shape(state.group)) for state in kept if state.group is not None]
    indices = {state.request.group_id: state.indices for state in kept}
    groups = [
        subset(group, indices.get(group.group_id)) for group in annotate(credited(whole, credit(whole)))
    ]
    tables = [group.aux.token_advantages for group in groups]
    width = next((table.shape[1] for table in tables if table is not None), None)
    return groups if width is None else [_with_credit(group, width) for group in groups]


async def joined(step: int, groups: list[RolloutGroup], *, progress: float) -> TrainingBatch:
    """``TrainingBatch.from_groups``, in a thread where the event loop would stand still for long."""
    tokens = sum(len(rollout.completion.token_ids) for group in groups for rollout in group.rollouts)
    join = partial(TrainingBatch.from_groups, step, groups, progress=progress)
    return join() if tokens <= JOINED_INLINE else await asyncio.to_thread(join)


def _with_credit(group: RolloutGroup, width: int) -> RolloutGroup:
    """A group that took another's place, or was added, has no credit, but the batch needs its rows."""
    if group.aux.token_advantages is not None:
        return group
    none = np.zeros((len(group.rollouts), width))
    return replace(group, aux=replace(group.aux, token_advantages=none))


def credited(
    groups: Sequence[RolloutGroup], credit: Sequence[Sequence[np.ndarray]] | None
) -> list[RolloutGroup]:
    """Each group with ``aux.token_advantages`` [G, longest of the batch], 0 behind a rollout's last token;
    as they are for None.

    Raises:
        ValueError: a rollout did not get one advantage for each of its sampled tokens.
    """
    if credit is None:
        return list(groups)
    width = max((len(values) for of_group in credit for values in of_group), default=0)
    made = []
    for group, of_group in zip(groups, credit, strict=True):
        table = np.zeros((len(group.rollouts), width))
        for place, (rollout, values) in enumerate(zip(group.rollouts, of_group, strict=True)):
            if len(values) != int(rollout.completion.loss_mask.sum()):
                raise ValueError(
                    f"token_advantages: {len(values)} for a rollout with"
                    f" {int(rollout.completion.loss_mask.sum())} tokens"
                )
            table[place, : len(values)] = values
        made.append(replace(group, aux=replace(group.aux, token_advantages=table)))
    return made


def shaped(group: RolloutGroup, components: Mapping[str, np.ndarray]) -> RolloutGroup:
    """The components [G] added to each rollout's reward value, and kept beside its other components;
    correctness is as it was."""
    if not components:
        return group
    rollouts = []
    for place, rollout in enumerate(group.rollouts):
        extra = {name: float(values[place]) for name, values in components.items()}
        result = rollout.result
        clash = extra.keys() & result.components.keys()
        if clash:
            raise ValueError(
                f"the curriculum and the task's reward both have a reward component {sorted(clash)[0]!r}:"
                " rename one"
            )
        result = replace(
            result, value=result.value + sum(extra.values()), components={**result.components, **extra}
        )
        rollouts.append(replace(rollout, result=result))
    return replace(group, rollouts=tuple(rollouts))


def subset(group: RolloutGroup, indices: Sequence[int] | None) -> RolloutGroup:
    """The rollouts at ``indices``, the rows of ``aux`` along with them; None = all. A demonstration is
    left whole."""
    if indices is None or group.demonstration:
        return group
    size, places = len(group.rollouts), list(indices)
    assert places and 0 <= min(places) <= max(places) < size, f"indices {places} of a group of {size}"
    return replace(
        group, rollouts=tuple(group.rollouts[i] for i in places), aux=group.aux.map(lambda rows: rows[places])
    )
