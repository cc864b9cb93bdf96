"""One request from prompt to answer."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from planner.strategies.base import Attempt, Policy, Result, Tokens
from rewards.thinking import after_thinking
from rl.config.thinking_tags import DEFAULT
from rl.engines.decode import EnginePolicy
from rl.serve.choice import Choice, Chooser, Defaults
from rl.serve.errors import RequestError
from rl.serve.prompts import Encoder
from rl.serve.recording import RecordingPolicy
from rl.serve.requests import Ask, CompletionRequest
from rl.serve.sequences import Sampler, StoppingPolicy
from rl.serve.votes import AnswerOf, fallback
from rl.tasks.values import without_nulls
from rollout.requests import MIN_TEMPERATURE
from rollout.types import Prompt, SamplingConfig

MAX_SEED = 2**64


@dataclass(frozen=True, slots=True, kw_only=True)
class RungFacts:
    """One rung of a cascade, as a request went through it."""

    rung: int
    """From 1."""
    models: tuple[str, ...]
    gate: str
    """``verifier``, ``agreement``, or ``vote`` in the last rung of a request that nothing verifies."""
    samples: int
    prompt_tokens: int
    completion_tokens: int
    taken: bool
    flops: float
    usd: float | None
    """None where no measured cost with a price was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeFacts:
    """Who answered, and what every rung took."""

    rung: int
    model: str
    rungs: tuple[RungFacts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """An answer and what it took."""

    text: str
    truncated: bool
    choice: Choice
    samples: int
    accepted: bool
    """The verifier accepted the answer; without one: the vote was settled. Never of best_of_n and
    weighted_vote."""
    fallback: bool
    """The strategy had no answer, and the most frequent one stands in for it."""
    tokens: Tokens
    cascade: CascadeFacts | None = None

    @property
    def stopped_early(self) -> bool:
        """Fewer samples than planned, because the answer was there."""
        return self.accepted and self.samples < self.choice.k


@dataclass(frozen=True, slots=True, kw_only=True)
class Answerer:
    """Everything that requests share: engines, judge, plan, tokenizer."""

    policy: EnginePolicy
    sampler: Sampler
    chooser: Chooser
    encoder: Encoder
    vote: AnswerOf
    """The vote on what follows the thinking."""
    thinking_tags: tuple[str, str] = DEFAULT

    async def answer(self, ask: Ask, request_id: str) -> Served:
        """Draw, judge, stop, choose, within the budget.

        Raises:
            RequestError: 400: something of the request does not fit.
            EngineLost: its engine died.
            StreamTimeout: engine or verifiers do not answer.
        """
        check_planned(ask)
        ((text, ids),) = self.encoder.encode(ask)
        choice = self.chooser.choose(ask, len(ids))
        prompt = self.prompt(ask, request_id, text, ids, category=choice.category)
        recording = RecordingPolicy(self.policy_for(ask))
        rng = np.random.default_rng(None if ask.seed is None else ask.seed % MAX_SEED)
        judge = self._judge(choice, ask, prompt)

        def vote(text: str) -> str | None:
            return self.vote(after_thinking(prompt, text))

        result = await choice.build(vote).run(prompt, recording, judge, choice.budget, rng)
        return self._served(result, recording.attempts, choice, vote, rng)

    def plans(self, ask: Ask) -> bool:
        """See ``Chooser.plans``."""
        return self.chooser.plans(ask)

    def prompt(self, ask: Ask, request_id: str, text: str, ids: tuple[int, ...], *, category: str) -> Prompt:
        """The request as policies and rewards read it."""
        hints = ask.t2rl
        return Prompt(
            id=hints.id or request_id,
            text=text,
            token_ids=ids,
            answer="" if hints.answer is None else str(hints.answer),
            category=category,
            metadata=without_nulls(hints.metadata or {}),
            thinking_tags=self.thinking_tags,
        )

    def _judge(self, choice: Choice, ask: Ask, prompt: Prompt) -> Any:
        judge = self.chooser.judge
        if judge is None or choice.strategy == "majority":
            return None
        judge.check(prompt, ask.t2rl)
        return judge.verifier if choice.strategy == "repeated_sampling" else judge.scorer

    def policy_for(self, ask: Ask) -> Policy:
        """The engines under the request's sampling and stop texts."""
        sampling = sampling_of(ask, self.chooser.defaults)
        if ask.stops:
            return StoppingPolicy(sampler=self.sampler, sampling=sampling, stops=ask.stops)
        return replace(self.policy, sampling=sampling)

    def _served(
        self,
        result: Result,
        attempts: list[Attempt],
        choice: Choice,
        vote: AnswerOf,
        rng: np.random.Generator,
    ) -> Served:
        """``attempts`` is never empty: a budget that holds no sample was refused."""
        if result.answer is None:
            chosen = fallback(attempts, vote, rng)
        else:
            chosen = next(attempt for attempt in attempts if attempt.text == result.answer)
        return Served(
            text=chosen.text,
            truncated=chosen.truncated,
            choice=choice,
            samples=result.samples,
            accepted=result.accepted,
            fallback=result.answer is None,
            tokens=result.tokens,
        )


def sampling_of(ask: Ask, defaults: Defaults) -> SamplingConfig:
    """Temperature and top-p of a request.

    Raises:
        RequestError: 400: a temperature that engines would silently raise.
    """
    temperature = defaults.temperature if ask.temperature is None else ask.temperature
    if 0 < temperature < MIN_TEMPERATURE:
        raise RequestError(
            400,
            f"temperature is {temperature}: use 0, or at least {MIN_TEMPERATURE}",
            param="temperature",
        )
    return SamplingConfig(temperature=temperature, top_p=defaults.top_p if ask.top_p is None else ask.top_p)


PLAIN_INSTEAD = (
    'send t2rl={"strategy": "none"} for samples as they are drawn, or start the service with --strategy none'
)


def check_planned(ask: Ask, *, instead: str = PLAIN_INSTEAD) -> None:
    """RequestError: 400: a field that only samples as they are drawn have; ``instead``: how to get them."""
    asked = {
        "n": ask.samples > 1,
        "logprobs": ask.logprobs is not None and ask.logprobs is not False,
        "echo": isinstance(ask, CompletionRequest) and bool(ask.echo),
        "prompt": isinstance(ask, CompletionRequest)
        and len(ask.prompt) > 1
        and isinstance(ask.prompt, list)
        and not isinstance(ask.prompt[0], int),
    }
    for name in (name for name, found in asked.items() if found):
        raise RequestError(
            400,
            f"{name}: this request gets one answer, planned and chosen among several samples; {instead}",
            param=name,
        )
