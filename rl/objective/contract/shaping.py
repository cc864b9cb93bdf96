"""The contract of a reward shaping: ``(rewards [S], samples, **args) -> rewards [S]``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from rl.objective.contract.world import (
    MIXED,
    SILENT,
    World,
    backwards_within_groups,
    close,
    per_token,
    reordered,
    tensors_of,
    unchanged,
)
from rl.objective.samples import Samples
from rollout.contract import require


@dataclass(frozen=True, kw_only=True)
class AskedShaping:
    """A shaping with its arguments."""

    shape: Callable[..., torch.Tensor]
    args: Mapping[str, Any]

    @property
    def world(self) -> World:
        """Updates with every text among the arguments as a reward component."""
        return World(
            components=tuple(value for value in self.args.values() if isinstance(value, str) and value)
        )

    def __call__(self, samples: Samples) -> torch.Tensor:
        """[S] rewards, checked for shape, type and range."""
        shaped = self.shape(samples.rewards, samples, **self.args)
        rewards = per_token(shaped, len(samples.rewards), name="rewards")
        require(
            rewards.dtype == samples.rewards.dtype,
            f"rewards: dtype {rewards.dtype}; give back that of the rewards, {samples.rewards.dtype}",
        )
        return rewards


def well_shaped(asked: AskedShaping) -> None:
    """Updates of many groups, of one and of one sample, at the beginning and the end of a run."""
    for groups in (MIXED, SILENT, SILENT[:1]):
        for progress in (0.0, 1.0):
            asked(replace(asked.world.samples(groups), progress=progress))


def pure(asked: AskedShaping) -> None:
    """Asked twice, it answers the same and leaves its input alone: pass rates read correctness, never the
    shaped reward."""
    samples = asked.world.samples(MIXED)
    before = tensors_of(samples)
    first = asked(samples).clone()
    unchanged(lambda: tensors_of(samples), before)
    require(torch.equal(first, asked(samples)), "asked twice about one update, it answers twice")


def order(asked: AskedShaping) -> None:
    """Neither a sample's place in its group nor the other groups change its reward."""
    samples = asked.world.samples(MIXED)
    turned = backwards_within_groups(samples)
    whole = asked(samples)
    require(
        close(asked(reordered(samples, turned)), whole[turned]), "a reward depends on the place in the group"
    )
    kept = samples.segment_ids != 1
    other = replace(samples, rewards=torch.where(kept, samples.rewards, samples.rewards * 2 + 1))
    require(close(asked(other)[kept], whole[kept]), "rewards of one group change those of another")


CHECKS: dict[str, Callable[[AskedShaping], None]] = {
    "one finite number a sample": well_shaped,
    "same update, same answer": pure,
    "place and other groups are nothing": order,
}
"""Name -> check, in the order to run them."""
