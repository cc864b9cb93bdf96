"""The verifiers of a run: a pool in this process, or the same pool on Ray actors of its own.

On one machine the pool stays in the controller's process: its verifiers are processes anyway, and a group
costs one message instead of two. On a cluster, where the controller's machine has too few cores for them,
``verifiers.placement=ray`` puts them elsewhere.
"""

from collections.abc import Mapping
from typing import Any

from rewards.processes.pool import VerifierPool
from rl.config.schema import Config
from rl.scorers.reward_model.scorer import Verifiers
from rl.scorers.rules import limits_of


def make_verifiers(config: Config, reward: str, args: Mapping[str, Any]) -> Verifiers:
    """Return the verifiers that the section asks for, not yet started; limits that it leaves open are those
    that suit the reward."""
    options = pool_options(config, reward, args)
    if config.verifiers.placement == "local":
        return VerifierPool(reward, args, **options)
    from rl.scorers.verifiers.actor import create_verifier_actor
    from rl.scorers.verifiers.client import RayVerifiers

    return RayVerifiers(
        config.verifiers, lambda: create_verifier_actor(config.verifiers, reward, args, options)
    )


def pool_options(config: Config, reward: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments of :class:`~rewards.processes.pool.VerifierPool`."""
    timeout_s, memory_mib = limits_of(reward, args)
    asked = config.verifiers
    return {
        "num_workers": asked.workers,
        "timeout_s": (
            min(timeout_s, config.stream.group_timeout_s / 2) if asked.timeout_s is None else asked.timeout_s
        ),
        "start_timeout_s": asked.start_timeout_s,
        "memory_mib": memory_mib if asked.memory_mib is None else asked.memory_mib or None,
        "recycle_after": asked.recycle_after,
        "recycle_mib": asked.recycle_mib,
        "cache": asked.cache,
        "on_timeout": asked.on_timeout,
    }
