"""A policy that remembers what it sampled for one request, so that there is an answer where nothing was
accepted."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from planner.strategies.base import Attempt, Policy
from rollout.types import Prompt


@dataclass(slots=True)
class RecordingPolicy:
    """Passes on and writes down; one object for one request."""

    inner: Policy
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def caches_prompts(self) -> bool:
        """As the policy inside."""
        return self.inner.caches_prompts

    async def sample(
        self, prompt: Prompt, n: int, *, max_tokens: int, seed: int, prefix: Sequence[int] = ()
    ) -> Sequence[Attempt]:
        """See ``Policy.sample``."""
        drawn = await self.inner.sample(prompt, n, max_tokens=max_tokens, seed=seed, prefix=prefix)
        self.attempts.extend(drawn)
        return drawn
