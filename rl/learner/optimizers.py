"""Optimizers: AdamW, or DeepSpeed's Muon with AdamW beside it. A new one is a function and a line in
``OPTIMIZERS``."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from rl.config.learner import LearnerConfig, Muon
from rl.learner.value_head import ValueHead
from rollout.user_code import resolve_function


def muon_parameters(model: nn.Module) -> set[nn.Parameter]:
    """The hidden matrices: every 2-D parameter that is neither of an embedding nor of an output head,
    adapters included."""
    kept_out = {p for module in _embeddings_and_heads(model) for p in module.parameters()}
    return {p for p in model.parameters() if len(whole_shape(p)) == 2 and p not in kept_out}


def whole_shape(parameter: nn.Parameter) -> tuple[int, ...]:
    """Return the shape of the whole parameter, which under ZeRO-3 lies in parts on the ranks."""
    return tuple(getattr(parameter, "ds_shape", parameter.shape))


def _embeddings_and_heads(model: nn.Module) -> Iterator[nn.Module]:
    for module in model.modules():
        if isinstance(module, nn.Embedding | ValueHead):
            yield module
        output_embeddings = getattr(module, "get_output_embeddings", None)
        head = output_embeddings() if output_embeddings is not None else None
        if head is not None:
            yield head


def _adamw_groups(parameters: list[nn.Parameter], config: LearnerConfig) -> list[dict[str, Any]]:
    if not config.weight_decay:
        return [{"params": parameters}]
    matrices = {
        "params": [p for p in parameters if len(whole_shape(p)) >= 2],
        "weight_decay": config.weight_decay,
    }
    vectors = {"params": [p for p in parameters if len(whole_shape(p)) < 2]}
    return [g for g in (matrices, vectors) if g["params"]]


def adamw(model: nn.Module, config: LearnerConfig) -> torch.optim.Optimizer:
    """torch's fused AdamW, which needs no compiler, also when offloaded."""
    return torch.optim.AdamW(
        _adamw_groups(_trainable(model), config),
        lr=config.lr,
        betas=config.betas,
        eps=config.eps,
        weight_decay=0.0,
        fused=True,
    )


def muon(model: nn.Module, config: LearnerConfig) -> torch.optim.Optimizer:
    """Jordan et al. 2024 (kellerjordan.github.io/posts/muon) in DeepSpeed's version, which knows ZeRO's
    partitions.

    AdamW's groups come first, so that the rate reported as the learner's is ``lr`` wherever there are any.
    """
    if config.device == "cpu":
        # DeepSpeed compiles Muon's kernels when the module is imported, which on CPU would take a C++
        # compiler.
        import torch._dynamo

        torch._dynamo.config.disable = True
    from deepspeed.runtime.zero.muon.muon_optimizer import MuonWithAuxAdam

    settings = config.optimizer
    assert isinstance(settings, Muon)
    hidden, trainable = muon_parameters(model), _trainable(model)
    parameter: Any
    for parameter in model.parameters():
        parameter.use_muon = parameter in hidden  # what ZeRO reads
    rest = _adamw_groups([p for p in trainable if p not in hidden], config)
    adam = {"lr": config.lr, "betas": config.betas, "eps": config.eps}
    own = {"lr": settings.muon_lr, "momentum": settings.momentum, "weight_decay": config.weight_decay}
    groups = [{**adam, **group, "use_muon": False} for group in rest if group["params"]]
    groups.append({"params": [p for p in trainable if p in hidden], "use_muon": True, **own})
    return MuonWithAuxAdam(groups, adam_optimizer=torch.optim.AdamW, adam_optimizer_kwargs={"fused": True})


def _trainable(model: nn.Module) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.requires_grad]


OptimizerFactory = Callable[[nn.Module, LearnerConfig], torch.optim.Optimizer]

OPTIMIZERS: dict[str, OptimizerFactory] = {"adamw": adamw, "muon": muon}


def resolve_optimizer(name: str) -> OptimizerFactory:
    """The factory that ``learner.optimizer`` names: one of ``OPTIMIZERS``, or outside code
    (``pkg.module:attr``).

    Raises:
        ValueError: naming the field and the choices.
    """
    return resolve_function("learner.optimizer", name, OPTIMIZERS)


def make_optimizer(model: nn.Module, config: LearnerConfig) -> torch.optim.Optimizer:
    """The optimizer over the trainable parameters, weight decay on matrices only."""
    return resolve_optimizer(config.optimizer.name)(model, config)
