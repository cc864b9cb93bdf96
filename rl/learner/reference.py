"""The reference policy: the base that the run started from, for the KL term."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from rl.config.algorithm import KlConfig
from rl.config.learner import LearnerConfig
from rl.learner.micro_batch import MicroBatch

ReferencePolicy = Callable[[MicroBatch, float], torch.Tensor]
"""``(micro-batch, temperature) -> [T] log-probs`` under no_grad."""


def build_reference(
    engine: Any, model_path: str, kl: KlConfig | None, learner: LearnerConfig, *, trust: bool = False
) -> ReferencePolicy | None:
    """None without a KL term; else a frozen copy, sharded like the policy at ZeRO-3 and whole on every rank
    below, or the engine's base with its adapter off."""
    if kl is None:
        return None
    if kl.policy == "adapter_off" or (kl.policy == "auto" and learner.lora is not None):
        return _adapter_off(engine)
    return _frozen_copy(engine, model_path, learner, trust=trust)


def _frozen_copy(engine: Any, model_path: str, learner: LearnerConfig, *, trust: bool) -> ReferencePolicy:
    from rl.learner.deepspeed_setup import freeze
    from rl.learner.model import load_model

    plain = learner.model_copy(update={"lora": None, "gradient_checkpointing": False})
    model = freeze(load_model(model_path, plain, trust=trust, frozen=True), plain)
    model.sequence_group = engine.module.sequence_group

    def logprobs(micro: MicroBatch, temperature: float) -> torch.Tensor:
        return model(*micro.for_logprobs(temperature))

    return logprobs


def _adapter_off(engine: Any) -> ReferencePolicy:
    def logprobs(micro: MicroBatch, temperature: float) -> torch.Tensor:
        with adapters_off(engine.module):
            return engine.module(*micro.for_logprobs(temperature))

    return logprobs


@contextmanager
def adapters_off(model: nn.Module) -> Iterator[None]:
    """Inside the block PEFT's layers compute what their base layers do."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    # The flag alone: enable_adapters() also switches requires_grad, which the optimizer's groups must not
    # see.
    for layer in layers:
        layer._disable_adapters = True
    try:
        yield
    finally:
        for layer in layers:
            layer._disable_adapters = False
