"""The Ray actor around a verifier pool."""

from collections.abc import Mapping, Sequence
from typing import Any

import ray

from rewards.processes.pool import VerifierPool
from rl.config.verifiers import VerifiersConfig
from rollout.types import Prompt, RewardResult

MAX_CALLS = 1000
"""At once; the client asks for far fewer."""


class VerifierHost:
    """A :class:`~rewards.processes.pool.VerifierPool` with its arguments; async, so a ping is answered while
    groups are judged."""

    def __init__(self, reward: str, args: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        self._pool = VerifierPool(reward, args, **options)

    def __repr__(self) -> str:
        """The name; Ray writes it at the head of the actor's log files."""
        return "verifier"

    async def start(self) -> None:
        """Start the pool."""
        await self._pool.start()

    async def score(
        self, prompt: Prompt, texts: Sequence[str], truncated: Sequence[bool]
    ) -> tuple[list[RewardResult], dict[str, float]]:
        """[G] results, in order, and the pool's counts."""
        return await self._pool.score(prompt, texts, truncated), self._pool.metrics()

    async def ping(self) -> None:
        """Answers if the actor's event loop runs."""

    async def pids(self) -> list[int]:
        """Return the pids of the verifier processes, for drills."""
        return self._pool.pids

    async def close(self) -> None:
        """Kill the verifiers."""
        await self._pool.close()


def create_verifier_actor(
    config: VerifiersConfig, reward: str, args: Mapping[str, Any], options: Mapping[str, Any]
) -> Any:
    """An actor whose pool is not started yet."""
    placed = {
        "num_cpus": config.actor_cpus,
        "max_restarts": 0,
        "max_concurrency": MAX_CALLS,
        "scheduling_strategy": "SPREAD",
    }
    return ray.remote(VerifierHost).options(**placed).remote(reward, dict(args), dict(options))
