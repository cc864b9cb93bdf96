"""Rules of each shipped reward: what its rows must have, and the limits that suit it. One line a reward; a
reward of your own has none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rewards import build_reward, rewards_in
from rollout.types import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Defaults are those of a reward that is not listed."""

    required: tuple[str, ...] = ()
    """Fields beside ``completion``."""
    timeout_s: float = 5.0
    memory_mib: int | None = 4096
    """Address space of a verifier process; None where what it starts inherits the limit and needs more."""


RULES: dict[str, Rules] = {
    "math": Rules(required=("answer",)),
    "exact": Rules(required=("answer",)),
    "code": Rules(required=("language", "tests"), timeout_s=120.0, memory_mib=None),
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


def check_of(name: str, args: Mapping[str, Any]) -> Callable[[Prompt], None]:
    """Return what the reward itself says of a prompt before a run: what it misses of it, and what is not
    installed.

    Raises:
        ValueError: The reward cannot be built.
    """
    check: Callable[[Prompt], None] = getattr(build_reward(name, args), "check", lambda prompt: None)
    return check
