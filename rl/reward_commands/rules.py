"""What the rows of each shipped reward must have, and the limits that suit it. One line a reward; a reward of your own has none."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rewards import rewards_in
from rollout.types import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Defaults are those of a reward that is not listed."""

    required: tuple[str, ...] = ()
    """Fields beside ``completion``."""
    check: str = ""
    """``module:function``; takes a prompt and raises ValueError, naming the field, if no completion of it could be judged."""
    timeout_s: float = 5.0
    memory_mib: int | None = 4096
    """Address space of a verifier process; None where what it starts inherits the limit and needs more."""


RULES: dict[str, Rules] = {
    "math": Rules(required=("answer",)),
    "exact": Rules(required=("answer",)),
    "code": Rules(required=("language", "tests"), check="rewards.code.reward:check_prompt", timeout_s=120.0, memory_mib=None),
    "ifeval": Rules(check="rewards.ifeval.reward:check_prompt"),
    "reasoning_gym": Rules(required=("dataset", "config", "entry", "answer_format")),
}


def rules_of(reward: str) -> Rules:
    """By the reward's name; the defaults for an import path."""
    return RULES.get(reward, Rules())


def limits_of(reward: str, args: Mapping[str, Any]) -> tuple[float, int | None]:
    """``timeout_s`` and ``memory_mib`` that suit a reward and those that its arguments name."""
    parts = [rules_of(name) for name in rewards_in(reward, args)]
    bounds = [part.memory_mib for part in parts if part.memory_mib is not None]
    return max(part.timeout_s for part in parts), max(bounds) if len(bounds) == len(parts) else None


def load_check(rules: Rules) -> Callable[[Prompt], None]:
    """The check that the rules name, or one that accepts every prompt."""
    if not rules.check:
        return lambda prompt: None
    module, _, name = rules.check.partition(":")
    check: Callable[[Prompt], None] = getattr(importlib.import_module(module), name)
    return check
