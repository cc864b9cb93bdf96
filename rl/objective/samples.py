"""One update's samples and their loss tokens, as the advantage estimators see them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch

from rl.objective.shapes import PerSample, PerUpdateToken, SampleFlags, SegmentIds, UpdateTokenIds
from rollout.types import RolloutAux


@dataclass(frozen=True, kw_only=True)
class Samples:
    """The samples of one update, the same on every rank."""

    rewards: PerSample
    """[S]."""
    correct: SampleFlags
    """[S] raw correctness."""
    segment_ids: SegmentIds
    """[S] group of each sample, 0, 1, ... without gaps."""
    lengths: SegmentIds
    """[S] loss tokens with a usable log-prob."""
    truncated: SampleFlags
    """[S] reached the completion limit."""
    demonstration: SampleFlags
    """[S] True where the sample was shown, not sampled; such a sample is a group of its own."""
    components: Mapping[str, PerSample] = field(default_factory=dict)
    """Reward component -> [S]."""
    aux: RolloutAux[torch.Tensor] = field(default_factory=RolloutAux)
    """[S, ...] more about each sample."""
    progress: float = 0.0
    """Share of the run that is over, 0 to 1."""
    max_tokens: int
    """Completion limit."""

    @cached_property
    def num_groups(self) -> int:
        """Groups of the update."""
        return int(self.segment_ids.max()) + 1 if len(self.segment_ids) else 0


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """The loss tokens of those samples, in order of samples and positions; the same on every rank."""

    sample: UpdateTokenIds
    """[U] index into ``Samples``, non-decreasing."""
    kl: PerUpdateToken | None = None
    """[U] penalty in nats of KL, times the coefficient; with ``kl.place=reward`` only."""
    values: PerUpdateToken | None = None
    """[U] the critic's estimate before each token, under its weights at the start of the batch."""

    @cached_property
    def position(self) -> UpdateTokenIds:
        """[U] place of each token among the loss tokens of its sample, from 0."""
        index = torch.arange(len(self.sample))
        first = torch.ones(len(self.sample), dtype=torch.bool)
        first[1:] = self.sample[1:] != self.sample[:-1]
        return index - index[first][first.long().cumsum(0) - 1]
