"""A learner rank's parts, put together; needs the process group."""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from rl.config.algorithm import SeparateCriticConfig, SharedCriticConfig
from rl.learner.checkpoint_engine import BackgroundCheckpointEngine
from rl.learner.context import Progress, StepContext
from rl.learner.critic import SeparateCritic, build_separate_critic
from rl.learner.deepspeed_setup import initialize_engine
from rl.learner.masters import dither_weights
from rl.learner.model import load_model
from rl.learner.models import Models
from rl.learner.publishing import WeightPublisher
from rl.learner.reference import build_reference
from rl.learner.sequence_parallel import SequenceParallel
from rl.learner.settings import RankSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class RankParts:
    """The engines of a rank and what hangs on them."""

    models: Models
    context: StepContext
    progress: Progress
    publisher: WeightPublisher
    sequences: SequenceParallel | None
    """The ranks that share each sequence; None where none do."""


def build_parts(settings: RankSettings) -> RankParts:
    """Load the models, build the engines. Collective."""
    config, copies = settings.config, settings.config.sequence_parallel
    # The same seed on every rank, because fresh adapters must start equal: ZeRO-3 keeps each rank's own shard
    # of them.
    seed_everything(settings.seed)
    shared_critic = isinstance(settings.algorithm.critic, SharedCriticConfig)
    model = load_model(settings.model_path, config, value_head=shared_critic, trust=settings.trust)
    if dithers_weights(settings):
        dither_weights(model, seed=settings.seed, rank=settings.rank if config.zero_stage == 3 else 0)
    sequences = SequenceParallel(model.causal_lm, config) if copies > 1 else None
    engine = initialize_engine(
        model, config, total_updates=_policy_updates(settings), sequences=sequences, seed=settings.seed
    )
    engine.checkpoint_engine = BackgroundCheckpointEngine()
    critic = _build_critic(settings, engine, sequences)
    kl = settings.algorithm.kl
    reference = build_reference(engine, settings.model_path, kl, config, trust=settings.trust)
    publisher = WeightPublisher(
        model.causal_lm,
        gather=config.zero_stage == 3,
        is_writer=settings.rank == 0,
        adapter=config.lora is not None and config.lora.pushes_adapter,
        in_bf16=settings.serves_bf16,
    )
    context = StepContext(
        config=config,
        algorithm=settings.algorithm,
        rank=settings.rank // copies,
        world_size=settings.world_size // copies,
        max_tokens=settings.max_tokens,
        copies=copies,
        counted=settings.rank % copies == 0,
        records=settings.records,
    )
    seed_everything(settings.seed * 1000 + settings.rank)
    return RankParts(
        models=Models(engine=engine, critic=critic, reference=reference),
        context=context,
        progress=Progress(kl_coefficient=0.0 if kl is None else kl.coefficient),
        publisher=publisher,
        sequences=sequences,
    )


def dithers_weights(settings: RankSettings) -> bool:
    """True if the weights themselves are rounded on their way to the engines: bf16's own masters begin in
    ``initialize_engine``, and adapters alone are not rounded where it matters."""
    config = settings.config
    adapter = config.lora is not None and config.lora.pushes_adapter
    return config.dither and settings.serves_bf16 and config.dtype != "bfloat16" and not adapter


def _policy_updates(settings: RankSettings) -> int:
    """Updates of the policy in the whole run: while a critic of its own warms up, the policy takes no step,
    and neither does its schedule."""
    critic = settings.algorithm.critic
    waiting = critic.warmup_steps if isinstance(critic, SeparateCriticConfig) else 0
    return max(settings.total_steps - waiting, 1) * settings.config.updates_per_batch


def _build_critic(
    settings: RankSettings, engine: Any, sequences: SequenceParallel | None
) -> SeparateCritic | None:
    """A critic of its own, whose files the ``engine``'s writer writes; None where none is asked for."""
    asked = settings.algorithm.critic
    if not isinstance(asked, SeparateCriticConfig):
        return None
    critic = build_separate_critic(
        settings.model_path,
        asked,
        settings.config,
        total_updates=settings.total_steps * settings.config.updates_per_batch,
        sequences=sequences,
        trust=settings.trust,
    )
    critic.engine.checkpoint_engine = engine.checkpoint_engine
    return critic


def seed_everything(seed: int) -> None:
    """Seed Python's, numpy's and torch's generators."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
