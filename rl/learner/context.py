"""The settings and the progress of a rank, and the measurements of a training batch with the weights at its
start."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from rl.config.algorithm import AlgorithmConfig, KlConfig, SharedCriticConfig
from rl.config.learner import LearnerConfig
from rl.learner.settings import Recorded
from rl.objective.likelihood import resolve_likelihood


@dataclass(slots=True, kw_only=True)
class Progress:
    """State that a rank carries from batch to batch beside its engines; the same on every rank, and part of a
    checkpoint."""

    kl_coefficient: float
    batches: int = 0

    def saved(self, kl: KlConfig | None) -> dict[str, float]:
        """As counters of a checkpoint."""
        return {**asdict(self), "kl_configured": 0.0 if kl is None else kl.coefficient}

    def restore(self, counters: Mapping[str, Any], kl: KlConfig | None) -> None:
        """Go on from what ``saved`` gave. The coefficient is the config's, or where an adaptive one begins;
        only what adapted it since goes on, if it began there too."""
        self.batches = int(counters["batches"])
        adapted = float(counters["kl_coefficient"])
        if kl is None or kl.adaptive is None or adapted == 0:
            return
        if counters.get("kl_configured", kl.coefficient) == kl.coefficient:
            self.kl_coefficient = adapted


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """Settings that do not change from batch to batch."""

    config: LearnerConfig
    algorithm: AlgorithmConfig
    rank: int
    """Which part of every batch this rank gets."""
    world_size: int
    """How many parts there are."""
    max_tokens: int
    copies: int = 1
    """Ranks with the same part, which share its sequences."""
    counted: bool = True
    """True on the one of those ranks that counts."""
    records: Recorded = "none"
    """Figures of its samples in a step's result."""

    gradient_scale: float = field(init=False)
    """Makes DeepSpeed's average over the parts a sum; each copy contributes the whole loss, and DeepSpeed
    adds them up."""
    shared_critic: bool = field(init=False)
    """The policy's trunk carries a value head."""
    trains_without_advantage: bool = field(init=False)
    """A sample of advantage 0 still has a gradient."""
    needs_proximal: bool = field(init=False)
    """The loss reads the log-probs at the start of the batch."""

    def __post_init__(self) -> None:
        """Derive what follows from the rest."""
        algorithm, kl = self.algorithm, self.algorithm.kl
        shared_critic = isinstance(algorithm.critic, SharedCriticConfig)
        corrected = (
            algorithm.importance.name != "none"
            or algorithm.token_band is not None
            or algorithm.sequence_band is not None
        )
        derived = {
            "gradient_scale": self.world_size / self.copies,
            "shared_critic": shared_critic,
            "trains_without_advantage": resolve_likelihood(algorithm.likelihood.name).without_advantage
            or (kl is not None and kl.place == "loss")
            or shared_critic,
            "needs_proximal": algorithm.reference == "proximal" or corrected,
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Measurements with the weights at the start of the batch; [N] float32 on the host, N = all tokens of the
    batch, prompts included."""

    reference_logprobs: torch.Tensor | None
    """Under the reference policy, the same on every rank; None without one."""
    values: torch.Tensor | None
    """The critic's, the same on every rank; None without one."""
    kl_coefficient: float
    """Weight of the KL to the reference policy, as of this batch."""
