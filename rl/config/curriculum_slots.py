"""The curriculum's slots as they are built: the config's, and the sampler of a mixture's weights."""

from collections.abc import Iterator
from typing import Any

from rl.config.task_mixture import MixtureTaskConfig
from rl.config.tree import ConfigTree

CHOOSING = ("sampler", "category", "prompts")
"""Slots that say which prompts come."""


def curriculum_slots(config: ConfigTree) -> dict[str, Any]:
    """Slot -> ``{name, args}`` or None, for ``curricula.build_curriculum``."""
    slots = config.curriculum.model_dump()
    shares = config.task.shares if isinstance(config.task, MixtureTaskConfig) else {}
    if shares and not _taken(config):
        slots["sampler"] = {"name": "shares", "args": {"weights": shares}}
    return slots


def weights_problems(config: ConfigTree) -> Iterator[str]:
    """Two that would choose the parts."""
    taken = _taken(config)
    if isinstance(config.task, MixtureTaskConfig) and config.task.weights and taken:
        yield (
            f"task.weights: curriculum.{taken[0]} says which prompts come, so the weights would not be read;"
            " leave one of the two out (curriculum=mixture has shares of categories)"
        )


def _taken(config: ConfigTree) -> list[str]:
    return [slot for slot in CHOOSING if getattr(config.curriculum, slot) is not None]
