"""No dropout in reinforcement learning.

Engines sample without it; the old policy, the reference and the probe are computed without it. With it in the
loss alone, the ratio of a first on-policy update is not 1: tokens are clipped, and the gradient follows a
model that nobody samples from.
"""

import re
from typing import Any

from torch import nn

RANDOM_FIELD = re.compile(r"dropout|pdrop|layer_?drop|drop_path|jitter_noise")
"""Config fields of transformers' models that make a forward pass in training mode random: dropout, skipped
layers, router noise."""


def silence_config(config: Any) -> dict[str, float]:
    """Set every such field of a model's config, and of the configs inside it, to 0; returns what they
    were."""
    found: dict[str, float] = {}
    for name, value in list(vars(config).items()):
        if hasattr(value, "to_dict") and hasattr(value, "model_type"):
            found |= silence_config(value)
        elif (
            RANDOM_FIELD.search(name)
            and isinstance(value, float | int)
            and not isinstance(value, bool)
            and value
        ):
            found[name] = float(value)
            setattr(config, name, type(value)(0))
    return found


def silence_layers(model: nn.Module) -> None:
    """The same for layers that are built with a probability of their own, as modules from outside
    transformers may be."""
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.p = 0.0


def dropout_note(found: dict[str, float]) -> list[str]:
    """Return a note on a base that had some."""
    if not found:
        return []
    named = ", ".join(f"{name}={value:g}" for name, value in sorted(found.items()))
    return [
        f"the base's {named} is off in this run: the policy that trains is the one that is sampled, which has"
        " none"
    ]
