"""Verifiers and reward model side by side, as one scorer."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from rl.config.reward_model import RewardModelConfig
from rl.scorers.reward_model.client import RewardModelClient
from rollout.types import Failure, GroupScorer, Prompt, RewardResult

NOT_SCORED = RewardResult.unjudged("no score of the reward model", Failure.NO_SCORE)


class Verifiers(GroupScorer, Protocol):
    """The methods of a scorer that a session needs beyond scoring."""

    async def start(self) -> None:
        """Ready to score when it returns."""
        ...

    async def close(self) -> None:
        """Give everything back; idempotent."""
        ...

    def metrics(self) -> dict[str, float]:
        """Counts so far."""
        ...


class ModelScorer:
    """The verifiers' results, each with the model's score as one more component.

    The value stays the verifiers'; what the score adds to it depends on the step, and is
    ``rl.scorers.reward_weights``'s to say. A group that the model did not score is not judged: its values
    would be of another scale than those of all other groups.
    """

    def __init__(self, verifiers: Verifiers, model: RewardModelClient, component: str) -> None:
        self.verifiers, self.model, self._component = verifiers, model, component

    async def start(self) -> None:
        """Start both."""
        await asyncio.gather(self.verifiers.start(), self.model.start())

    async def close(self) -> None:
        """Stop both."""
        await asyncio.gather(self.verifiers.close(), self.model.close())

    def metrics(self) -> dict[str, float]:
        """Return the metrics of both."""
        return {**self.verifiers.metrics(), **self.model.metrics()}

    async def score(
        self, prompt: Prompt, texts: Sequence[str], truncated: Sequence[bool]
    ) -> list[RewardResult]:
        """[G] results, in order.

        Raises:
            RewardModelDead: No restart is left.
        """
        results, scores = await asyncio.gather(
            self.verifiers.score(prompt, texts, truncated), self.model.score(prompt.text, texts)
        )
        if scores is None:
            return [NOT_SCORED for _ in results]
        return [
            replace(result, components={**result.components, self._component: score})
            for result, score in zip(results, scores, strict=True)
        ]


def with_reward_model(verifiers: Verifiers, config: RewardModelConfig | None) -> Verifiers:
    """The verifiers alone where no model is configured."""
    if config is None:
        return verifiers
    from rl.scorers.reward_model.actor import create_reward_model_actor

    return ModelScorer(
        verifiers, RewardModelClient(config, lambda: create_reward_model_actor(config)), config.component
    )


def verifiers_of(scorer: Verifiers) -> Verifiers:
    """Without the model: evaluations read correctness, which is the verifiers' alone."""
    return scorer.verifiers if isinstance(scorer, ModelScorer) else scorer
