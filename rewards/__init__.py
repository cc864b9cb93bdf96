"""Verifiers: each says of one completion text how good it is, and why.

A new reward is one module with a factory (a class or a function that takes keyword arguments and returns a
:class:`~rollout.types.Reward`), a function ``example() -> (Prompt, text)`` whose text must score 1, and one line in
:data:`REWARDS`; the contract tests find it there. Rewards outside this package are named by import path, ``pkg.module:attr``.
"""

import importlib
from collections.abc import Mapping
from typing import Any

from rollout.types import Reward

REWARDS: dict[str, str] = {
    "math": "rewards.maths:MathReward",
    "exact": "rewards.exact:ExactReward",
    "ifeval": "rewards.ifeval.reward:IFEvalReward",
    "reasoning_gym": "rewards.reasoning_gym:ReasoningGymReward",
}
"""Name -> ``module:factory``. Strings, so that a process imports only what it uses."""


def build_reward(name: str, args: Mapping[str, Any] | None = None) -> Reward:
    """Make a reward from its name and keyword arguments.

    Args:
        name: A key of :data:`REWARDS`, or ``pkg.module:attr``, a factory of your own that returns the reward.
        args: Keyword arguments of the factory.

    Raises:
        ValueError: No such name, module or attribute, arguments that do not fit, or a factory that returns nothing callable.
    """
    target = REWARDS.get(name, name)
    if ":" not in target:
        raise ValueError(
            f"reward: {name!r} is unknown; use one of {sorted(REWARDS)}, or the import path of your own, pkg.module:attr"
        )
    factory = _import(target, name)
    try:
        reward = factory(**(args or {}))
    except TypeError as error:
        fix = "attr must be a class or function that takes reward_args and returns the reward"
        raise ValueError(f"reward: {name!r} does not take reward_args {dict(args or {})}: {error}; {fix}") from error
    if not callable(reward):
        raise ValueError(f"reward: {name!r} returned {type(reward).__name__}, which cannot be called; return the reward itself")
    return reward


def _import(target: str, name: str) -> Any:
    module_name, _, attr = target.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        fix = "is it installed, or its folder on PYTHONPATH?"
        raise ValueError(f"reward: {name!r}: cannot import {module_name!r} ({error}); {fix}") from error
    if not callable(getattr(module, attr, None)):
        raise ValueError(f"reward: {name!r}: {module_name!r} has no class or function {attr!r}")
    return getattr(module, attr)
