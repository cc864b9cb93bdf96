"""Which prompts, how many rollouts, how long, and which groups train. ``CURRICULA`` names every part."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from curricula.allocators.cures import CuresAllocator, CuresSampler
from curricula.allocators.knapsack import Knapsack
from curricula.allocators.speed import SpeedAllocator, SpeedSampler
from curricula.base import Curriculum, overrides
from curricula.categories.cooldown import Cooldown
from curricula.categories.dump import UpperConfidence
from curricula.categories.mixture import Mixture
from curricula.categories.sec import SelfEvolving
from curricula.categories.skill_it import SkillIt
from curricula.drawing.shares import SharesSampler
from curricula.drawing.uniform import EqualAllocator, UniformSampler
from curricula.filters.balanced import Balanced
from curricula.filters.dynamic_sampling import DynamicSampling
from curricula.filters.greso import Greso
from curricula.filters.mixed import MixedOutcomes
from curricula.filters.pods import Pods
from curricula.filters.retire import Retire
from curricula.filters.stage_drop import StageDrop
from curricula.filters.vcrl import VCRL
from curricula.lengths.dynamic_budget import DynamicBudget
from curricula.lengths.kimi_length import KimiLength
from curricula.lengths.overlong import Overlong
from curricula.lengths.staged_length import StagedLength
from curricula.lengths.train_long_think_short import TrainLongThinkShort
from curricula.pool import PromptPool
from curricula.prompts.cyclical import Cyclical
from curricula.prompts.dots import DifficultyTargeted
from curricula.prompts.easy_to_hard import EasyToHard
from curricula.prompts.gain import GainOrder
from curricula.prompts.pcl import IntermediatePrompts
from curricula.prompts.prioritized import Prioritized
from curricula.prompts.stat import SkillTargeted
from curricula.stack import CurriculumStack, refuse_pool
from curricula.traits import check_traits
from rollout.statistics import StatisticsStore
from rollout.types import Prompt
from rollout.user_code import load_attribute

CURRICULA: dict[str, type[Curriculum]] = {
    "uniform": UniformSampler,
    "shares": SharesSampler,
    "equal": EqualAllocator,
    "mixed": MixedOutcomes,
    "knapsack": Knapsack,
    "cures": CuresAllocator,
    "speed": SpeedAllocator,
    "speed_sampler": SpeedSampler,
    "sec": SelfEvolving,
    "dump": UpperConfidence,
    "skill_it": SkillIt,
    "cooldown": Cooldown,
    "mixture": Mixture,
    "cures_sampler": CuresSampler,
    "prioritized": Prioritized,
    "dots": DifficultyTargeted,
    "pcl": IntermediatePrompts,
    "gain": GainOrder,
    "stat": SkillTargeted,
    "cyclical": Cyclical,
    "easy_to_hard": EasyToHard,
    "balanced": Balanced,
    "dynamic_sampling": DynamicSampling,
    "vcrl": VCRL,
    "pods": Pods,
    "greso": Greso,
    "retire": Retire,
    "polaris": StageDrop,
    "train_long_think_short": TrainLongThinkShort,
    "dynamic_budget": DynamicBudget,
    "staged_length": StagedLength,
    "kimi_length": KimiLength,
    "overlong": Overlong,
}
"""Name in a config -> part. A part outside this repository is named ``pkg.module:attr``."""

SLOTS = ("sampler", "category", "prompts", "skip", "allocator", "length", "shape", "verdict", "downsample")
"""Order of the hooks. Presets write distinct slots, so that composing two of them keeps both."""

DEFAULTS = {"sampler": "uniform", "allocator": "equal"}


def build_curriculum(
    config: Mapping[str, Any],
    *,
    pool: PromptPool,
    store: StatisticsStore,
    seed: int,
    lag: int = 0,
    max_tokens: int = 64,
) -> CurriculumStack:
    """Build the parts that the slots name, and check that they go together.

    Args:
        config: ``CurriculumConfig.model_dump()``: slot -> ``{"name", "args"}`` or None.
        pool: the training prompts.
        store: takes in every observation.
        seed: of the run.
        lag: pass ``max_staleness``, so that plans do not depend on when observations arrive (see
            ``CurriculumStack``).
        max_tokens: the run's completion limit, which length budgets are part of.

    Raises:
        ValueError: naming the slot, for an unknown name, wrong arguments, or parts that conflict.
    """
    return CurriculumStack(_parts(config), pool=pool, store=store, seed=seed, lag=lag, max_tokens=max_tokens)


def check_prompts(config: Mapping[str, Any], prompts: Sequence[Prompt], *, prompts_per_step: int) -> None:
    """Find out before any actor starts whether the parts can work with the task's prompts.

    Raises:
        ValueError: naming the slot or field, and the fix.
    """
    parts = _parts(config)
    weigh = any(
        overrides(part, hook) for part in parts.values() for hook in ("category_logits", "prompt_logits")
    )
    if weigh and prompts_per_step > len(prompts):
        raise ValueError(
            f"stream.prompts_per_step: {prompts_per_step} prompts cannot be drawn by weight without repeats"
            f" from {len(prompts)}; lower it to {len(prompts)} at most, or use the uniform sampler"
        )
    asking = {slot: part for slot, part in parts.items() if overrides(part, "check_pool")}
    pool = PromptPool.from_prompts(prompts) if asking else None
    for slot, part in asking.items():
        assert pool is not None
        refuse_pool(slot, part, pool)


def _parts(config: Mapping[str, Any]) -> dict[str, Curriculum]:
    """Every slot's part, in the order of the hooks."""
    specs = {
        slot: config.get(slot) or ({"name": DEFAULTS[slot]} if slot in DEFAULTS else None) for slot in SLOTS
    }
    return {
        slot: build_part(slot, spec["name"], spec.get("args") or {})
        for slot, spec in specs.items()
        if spec is not None
    }


def build_part(slot: str, name: str, args: Mapping[str, Any]) -> Curriculum:
    """One part by name.

    Raises:
        ValueError: naming the slot.
    """
    cls = _resolve(slot, name)
    try:
        inspect.signature(cls).bind(**args)
    except TypeError as error:
        raise ValueError(
            f"curriculum.{slot}.args: {name} {error}; it takes {list(inspect.signature(cls).parameters)}"
        ) from error
    try:
        part = cls(**args)
    except ValidationError as error:
        raise ValueError(
            f"curriculum.{slot}.args: {'; '.join(_reworded(e) for e in error.errors())}"
        ) from error
    except ValueError as error:
        raise ValueError(f"curriculum.{slot}.args: {error}") from error
    try:
        check_traits(part)
    except ValueError as error:
        raise ValueError(f"curriculum.{slot}.name is {name!r}: {error}") from error
    return part


def _reworded(error: Mapping[str, Any]) -> str:
    """One pydantic error; what a part found by itself in the part's own words."""
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    return f"{'.'.join(str(place) for place in error['loc'])}: {error['msg']} (got {error['input']!r})"


def _resolve(slot: str, name: str) -> type[Curriculum]:
    if name in CURRICULA:
        return CURRICULA[name]
    if ":" not in name:
        raise ValueError(
            f"curriculum.{slot}.name is {name!r}: choose one of {sorted(CURRICULA)}, path/to/file.py:attr or"
            " pkg.module:attr"
        )
    try:
        found = load_attribute(name)
    except (ImportError, AttributeError, SyntaxError) as error:
        raise ValueError(f"curriculum.{slot}.name is {name!r}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Curriculum)):
        raise ValueError(
            f"curriculum.{slot}.name is {name!r}: it must be a subclass of curricula.base.Curriculum"
        )
    return found
