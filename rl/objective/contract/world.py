"""Small updates with rewards that are written out, on which the contracts ask a part."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from rl.objective.samples import Samples, Tokens
from rollout.contract import require
from rollout.types import RolloutAux

Groups = Sequence[Sequence[float]]
"""Rewards, group by group."""

MIXED: Groups = (
    (1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0),
    (0.25, -1.0, 0.5, 3.0, 0.75),
    (1.0, 0.0),
    (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0),
)
"""Groups that say something, of unequal size; rewards of 0 and 1, and graded ones."""
SILENT: Groups = ((1.0,), (0.0,), (0.1,) * 16, (1.0, 1.0, 1.0), (0.0, 0.0))
"""Groups of one, and groups of equal rewards."""
MAX_TOKENS = 8


@dataclass(frozen=True, kw_only=True)
class World:
    """How updates are made for one part."""

    num_budgets: int = 0
    """Thinking budgets of ``aux.budget_scores``; 0 = none."""
    components: tuple[str, ...] = ()
    """Reward components that the update has."""

    def samples(self, groups: Groups, *, length: int | None = None) -> Samples:
        """One update. Lengths and components follow from a sample's place, so that samples differ in them.

        Args:
            groups: rewards of each group.
            length: of every sample; 1 to 5 by place unless told.
        """
        rewards = torch.tensor([value for group in groups for value in group])
        count = len(rewards)
        lengths = torch.arange(count) * 3 % 5 + 1 if length is None else torch.full((count,), length)
        sizes = torch.tensor([len(group) for group in groups])
        scores = rewards[:, None].expand(-1, self.num_budgets).clone() if self.num_budgets else None
        return Samples(
            rewards=rewards,
            correct=rewards >= 1,
            segment_ids=torch.arange(len(groups)).repeat_interleave(sizes),
            lengths=lengths,
            truncated=lengths == MAX_TOKENS,
            demonstration=torch.zeros(count, dtype=torch.bool),
            components={name: torch.arange(count) * 7 % 4 / 4.0 for name in self.components},
            aux=RolloutAux(budget_scores=scores),
            progress=0.25,
            max_tokens=MAX_TOKENS,
        )


def tokens_of(samples: Samples, *, kl: bool = False, flat_values: bool = False) -> Tokens:
    """The loss tokens of the samples; a critic's value is there in case that the part reads one.

    Args:
        samples: of the update.
        kl: whether every token pays a KL penalty.
        flat_values: whether the critic says the same everywhere.
    """
    owner = torch.arange(len(samples.rewards)).repeat_interleave(samples.lengths)
    plain = Tokens(sample=owner)
    values = torch.full((len(owner),), 0.5)
    if not flat_values:
        values = values + 0.05 * plain.position + 0.1 * samples.lengths[owner]
    return replace(plain, values=values, kl=torch.full((len(owner),), 0.01) if kl else None)


def reordered(samples: Samples, order: torch.Tensor) -> Samples:
    """The same samples in another order [S]."""
    return replace(
        samples,
        rewards=samples.rewards[order],
        correct=samples.correct[order],
        segment_ids=samples.segment_ids[order],
        lengths=samples.lengths[order],
        truncated=samples.truncated[order],
        demonstration=samples.demonstration[order],
        components={name: values[order] for name, values in samples.components.items()},
        aux=samples.aux.map(lambda values: values[order]),
    )


def backwards_within_groups(samples: Samples) -> torch.Tensor:
    """[S] an order that turns every group round and leaves the groups where they are."""
    places = torch.arange(len(samples.rewards))
    return torch.cat([places[samples.segment_ids == group].flip(0) for group in range(samples.num_groups)])


def per_token(values: object, length: int, *, name: str) -> torch.Tensor:
    """``values`` as a finite float tensor [length] without a gradient; else the contract is broken."""
    require(
        isinstance(values, torch.Tensor), f"{name}: got {type(values).__name__}; give a tensor [{length}]"
    )
    assert isinstance(values, torch.Tensor)
    require(tuple(values.shape) == (length,), f"{name}: shape {tuple(values.shape)}; give ({length},)")
    require(values.is_floating_point(), f"{name}: dtype {values.dtype}; give floats")
    bad = torch.nonzero(~torch.isfinite(values)).flatten().tolist()
    require(not bad, f"{name}: not finite at {bad}: {[values[place].item() for place in bad]}")
    return values


def unchanged(make: Callable[[], dict[str, torch.Tensor]], before: dict[str, torch.Tensor]) -> None:
    """Raise ContractBroken if the tensors are no longer what they were; ``make`` gives those of now."""
    for name, values in make().items():
        same = values.shape == before[name].shape and torch.equal(values, before[name])
        require(same, f"{name} was changed in place: others read it, so work on a copy")


def tensors_of(samples: Samples) -> dict[str, torch.Tensor]:
    """Copies of what the samples hold, by name."""
    named = {
        name: getattr(samples, name)
        for name in ("rewards", "correct", "segment_ids", "lengths", "truncated", "demonstration")
    }
    return {
        name: values.clone()
        for name, values in {**named, **samples.components, **samples.aux.to_dict()}.items()
    }


def close(a: torch.Tensor, b: torch.Tensor, *, tolerance: float = 1e-5) -> bool:
    """Equal but for rounding."""
    return a.shape == b.shape and torch.allclose(a.double(), b.double(), rtol=tolerance, atol=tolerance)
