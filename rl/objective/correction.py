"""Off-policy correction: the tokens came from the sampler, the loss is about the learner. Independent parts,
all constants.

Everything here reads the mismatch ``log p(start of the batch) - log p(sampler)``, token by token, so a
sequence whose tokens came from several policy versions needs nothing special: each token's sampler is the
version that sampled it.
"""

from dataclasses import dataclass

import torch

from rl.config.algorithm import AlgorithmConfig, CappedImportance
from rl.objective.sequences import sequence_mean, sequence_sum
from rl.objective.shapes import PerToken, TokenFlags, TokenIds


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """The factors that the token losses are multiplied by."""

    weight: PerToken | None
    """[T] importance weight; None = 1."""
    kept: TokenFlags | None
    """[T] False outside a band; None = all."""

    def apply(self, token_loss: PerToken) -> PerToken:
        """[T] weighted losses, a constant 0 where not kept."""
        if self.weight is not None:
            token_loss = token_loss * self.weight
        # where() instead of a product: a token outside the band may have an infinite loss, and 0 * inf is
        # NaN.
        return token_loss if self.kept is None else torch.where(self.kept, token_loss, 0.0)


@torch.no_grad()
def correction(
    mismatch: PerToken, sequence: TokenIds, usable: TokenFlags, config: AlgorithmConfig
) -> Correction:
    """Importance weights and band masks of a micro-batch; ``mismatch`` [T] in nats."""
    mismatch = mismatch.clamp(-config.max_log_ratio, config.max_log_ratio)
    weight = IMPORTANCE[config.importance.name](mismatch, sequence, usable, config)
    kept = None
    if config.token_band is not None:
        kept = inside(mismatch.exp(), config.token_band)
    if config.sequence_band is not None:
        whole = inside(sequence_mean(mismatch, sequence, usable).exp(), config.sequence_band)
        kept = whole if kept is None else kept & whole
    return Correction(weight=weight, kept=kept)


def no_importance(
    mismatch: PerToken, sequence: TokenIds, usable: TokenFlags, config: AlgorithmConfig
) -> None:
    """Every token counts as it was sampled."""


def token_importance(
    mismatch: PerToken, sequence: TokenIds, usable: TokenFlags, config: AlgorithmConfig
) -> PerToken:
    """[T] ``min(exp(mismatch), cap)`` (Espeholt et al. 2018, arXiv 1802.01561, rho-bar): biased, of low
    variance."""
    assert isinstance(config.importance, CappedImportance)
    return mismatch.exp().clamp(max=config.importance.cap)


def sequence_importance(
    mismatch: PerToken, sequence: TokenIds, usable: TokenFlags, config: AlgorithmConfig
) -> PerToken:
    """[T] ``min(exp(sum of the sequence's mismatch), cap)``: the weight of the whole answer, unbiased but for
    the cap."""
    assert isinstance(config.importance, CappedImportance)
    limit = config.max_log_ratio
    return (
        sequence_sum(mismatch, sequence, usable).clamp(-limit, limit).exp().clamp(max=config.importance.cap)
    )


def inside(ratio: PerToken, band: tuple[float, float]) -> TokenFlags:
    """[T] True where ``low <= ratio <= high``. With token weights this is IcePop's M(k): the ratio inside the
    band, 0 outside."""
    low, high = band
    return (ratio >= low) & (ratio <= high)


IMPORTANCE = {"none": no_importance, "token": token_importance, "sequence": sequence_importance}
