"""Decode strategies on the rollout workers: a policy over whatever generates groups, a verifier over the
reward pool.

The same engines, requests and rewards as in training and evaluation; nothing is sampled or judged in another
way.
"""

import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from planner.strategies.base import Attempt
from rl.stream.plans import request_seeds
from rl.stream.waiting import wait_for
from rollout.types import Completion, FinishReason, GroupRequest, GroupScorer, Prompt, SamplingConfig

DECODE_GROUP_IDS = 1 << 62
"""Decode groups are numbered from here, so that they never meet a plan's, an evaluation's or an answer's."""


class DecodeInterrupted(RuntimeError):
    """A completion was aborted from outside: the query is to be asked again."""


@dataclass(slots=True, kw_only=True)
class EnginePolicy:
    """A ``planner.strategies.base.Policy`` over rollout workers.

    Example: ``generate`` of one engine, or of a fleet with its timeout bound::

        EnginePolicy(generate=engine.generate, decode=prepared.decode(),
        sampling=SamplingConfig(max_tokens=64)) EnginePolicy(generate=partial(fleet.generate, timeout_s=60),
        ...)
    """

    generate: Callable[[GroupRequest], Awaitable[Sequence[Completion]]]
    decode: Callable[[Sequence[Sequence[int]]], list[str]]
    sampling: SamplingConfig
    """Temperature and top-p; the strategy sets ``max_tokens``."""
    caches_prompts: bool = False
    """True only if the engine keeps prompts in its prefix cache between calls: then a later round does not
    pay for them."""
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(DECODE_GROUP_IDS))

    async def sample(
        self, prompt: Prompt, n: int, *, max_tokens: int, seed: int, prefix: Sequence[int] = ()
    ) -> list[Attempt]:
        """[n] completions; the same seed gives the same ones under the same weights.

        Raises:
            DecodeInterrupted: one was aborted.
            EngineLost: its engine died.
        """
        request = GroupRequest(
            group_id=next(self._numbers),
            prompt_token_ids=(*prompt.token_ids, *prefix),
            seeds=request_seeds(seed, 0, n),
            sampling=replace(self.sampling, max_tokens=max_tokens),
        )
        completions = await self.generate(request)
        if any(c.finish_reason is FinishReason.ABORTED for c in completions):
            raise DecodeInterrupted(f"group {request.group_id} (prompt {prompt.id}) was interrupted")
        ids = [tuple(int(t) for t in c.token_ids) for c in completions]
        texts = self.decode([[*prefix, *tokens] for tokens in ids])
        return [
            Attempt(text=text, tokens=len(tokens), truncated=completion.truncated, token_ids=tokens)
            for text, tokens, completion in zip(texts, ids, completions, strict=True)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardVerifier:
    """A ``planner.strategies.base.Verifier`` over the reward pool: accepted is what the reward calls
    correct."""

    scorer: GroupScorer
    timeout_s: float = 60.0

    async def accepts(self, prompt: Prompt, attempts: Sequence[Attempt]) -> list[bool]:
        """[n] verdicts; a verifier that hangs rejects its own sample.

        Raises:
            StreamTimeout: the pool itself does not answer.
        """
        scoring = self.scorer.score(prompt, [a.text for a in attempts], [a.truncated for a in attempts])
        results = await wait_for(scoring, self.timeout_s, f"rewards of prompt {prompt.id}")
        return [result.correct for result in results]
