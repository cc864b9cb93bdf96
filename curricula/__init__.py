"""Which prompts, how many rollouts, how long, and which groups train. ``CURRICULA`` names every part."""

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from curricula.base import Curriculum
from curricula.knapsack import Knapsack
from curricula.mixed import MixedOutcomes
from curricula.pool import PromptPool
from curricula.stack import CurriculumStack
from curricula.uniform import EqualAllocator, UniformSampler
from rollout.statistics import StatisticsStore

CURRICULA: dict[str, type[Curriculum]] = {
    "uniform": UniformSampler,
    "equal": EqualAllocator,
    "mixed": MixedOutcomes,
    "knapsack": Knapsack,
}
"""Name in a config -> part. A part outside this repository is named ``pkg.module:attr``."""

SLOTS = ("sampler", "category", "prompts", "skip", "allocator", "length", "shape", "verdict")
"""Order of the hooks. Presets write distinct slots, so that composing two of them keeps both."""

DEFAULTS = {"sampler": "uniform", "allocator": "equal"}


def build_curriculum(
    config: Mapping[str, Any], *, pool: PromptPool, store: StatisticsStore, seed: int, lag: int = 0
) -> CurriculumStack:
    """Build the parts that the slots name, and check that they go together.

    Args:
        config: ``CurriculumConfig.model_dump()``: slot -> ``{"name", "args"}`` or None.
        pool: the training prompts.
        store: takes in every observation.
        seed: of the run.
        lag: pass ``max_staleness``, so that plans do not depend on when observations arrive (see ``CurriculumStack``).

    Raises:
        ValueError: naming the slot, for an unknown name, wrong arguments, or parts that conflict.
    """
    parts = {}
    for slot in SLOTS:
        spec = config.get(slot) or ({"name": DEFAULTS[slot]} if slot in DEFAULTS else None)
        if spec is not None:
            parts[slot] = build_part(slot, spec["name"], spec.get("args") or {})
    return CurriculumStack(parts, pool=pool, store=store, seed=seed, lag=lag)


def build_part(slot: str, name: str, args: Mapping[str, Any]) -> Curriculum:
    """One part by name.

    Raises:
        ValueError: naming the slot.
    """
    cls = _resolve(slot, name)
    try:
        inspect.signature(cls).bind(**args)
    except TypeError as error:
        raise ValueError(f"curriculum.{slot}.args: {name} {error}; it takes {list(inspect.signature(cls).parameters)}") from error
    try:
        return cls(**args)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']} (got {e['input']!r})" for e in error.errors())
        raise ValueError(f"curriculum.{slot}.args: {problems}") from error
    except ValueError as error:
        raise ValueError(f"curriculum.{slot}.args: {error}") from error


def _resolve(slot: str, name: str) -> type[Curriculum]:
    if name in CURRICULA:
        return CURRICULA[name]
    module, _, attribute = name.partition(":")
    if not attribute:
        raise ValueError(f"curriculum.{slot}.name is {name!r}: choose one of {sorted(CURRICULA)} or pkg.module:attr")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"curriculum.{slot}.name is {name!r}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Curriculum)):
        raise ValueError(f"curriculum.{slot}.name is {name!r}: it must be a subclass of curricula.base.Curriculum")
    return found
