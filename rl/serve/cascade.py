"""One request through a cascade: small models first, larger ones where an answer is not taken.

```
rung 1 ──► accepted (verifier), or all samples agree ──► answer
   └─ else ──► rung 2 ──► ... ──► the last rung's answer stands
```
A request that the reward can judge is verified; otherwise samples must agree. One hard budget holds over all
rungs. ``planner.cascade`` plans what is served here; see docs/methods/strategies.md#cascades.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from planner.cost.flops import ModelShape
from planner.cost.serving import ServingCost
from planner.strategies import MajorityVote, RepeatedSampling
from planner.strategies.base import Attempt, Strategy, Tokens
from planner.strategies.drawing import Drawer, Ledger
from rewards.thinking import after_thinking
from rl.serve.answering import MAX_SEED, Answerer, CascadeFacts, RungFacts, Served, check_planned, sampling_of
from rl.serve.choice import DEFAULT_ROUND, Choice
from rl.serve.errors import RequestError
from rl.serve.judges import Judge
from rl.serve.recording import RecordingPolicy
from rl.serve.requests import Ask, CompletionRequest
from rl.serve.votes import fallback
from rollout.types import Prompt

PRICE_BATCH = 64
"""Sequences in flight, for the price of a token, as in ``t2rl plan serve``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The cost of a model's tokens."""

    shape: ModelShape
    cost: ServingCost | None = None
    """Measured by ``t2rl bench``; without one nothing is said in money."""

    def of(self, prompt: int, prefills: float, lengths: Sequence[int]) -> tuple[float, float | None]:
        """(FLOPs, USD or None) of ``prefills`` prompts and of samples of these lengths."""
        flops = prefills * self.shape.prefill(prompt) + sum(self.shape.decode(prompt, n) for n in lengths)
        if self.cost is None:
            return flops, None
        seconds = prefills * self.cost.prefill_work_s(prompt)
        seconds += sum(n / self.cost.tokens_per_s(PRICE_BATCH, prompt + n / 2) for n in lengths)
        return flops, seconds * self.cost.usd_per_hour / 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """A model of a cascade."""

    name: str
    answerer: Answerer
    price: Price


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One step: who is asked, and how often."""

    voices: tuple[Voice, ...]
    """One, or two that must agree where nothing verifies."""
    samples: int
    """Most samples that a verifier is shown, of each voice; in the last rung also the most that vote."""
    agree: int
    """Samples of each voice that must all give one answer where nothing verifies."""

    def planned(self, verified: bool, last: bool) -> int:
        """Samples of each voice at most."""
        return self.samples if verified or last else self.agree


@dataclass(frozen=True, slots=True, kw_only=True)
class _Query:
    """The request as one voice reads it, and what the voice has drawn for it."""

    prompt: Prompt
    max_tokens: int
    policy: RecordingPolicy
    voice: Voice
    cold: bool
    """Temperature 0: a second sample would be the first one again."""

    def samples(self, planned: int) -> int:
        return 1 if self.cold else planned

    def vote(self, text: str) -> str | None:
        return self.voice.answerer.vote(after_thinking(self.prompt, text))


@dataclass(slots=True)
class _Asked:
    """The state of one request."""

    ask: Ask
    verified: bool
    budget: int
    rng: np.random.Generator
    queries: dict[str, _Query]
    spent: Tokens = field(default_factory=Tokens)

    @property
    def left(self) -> int:
        return self.budget - self.spent.total


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """A rung's: the answer that is taken, or nothing; its samples whatever came of them."""

    taken: tuple[_Query, Attempt] | None
    attempts: list[tuple[_Query, Attempt]]
    facts: RungFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeAnswerer:
    """Answers as ``Answerer`` does, with several models."""

    rungs: tuple[Rung, ...]
    judge: Judge | None = None
    same_tokens: bool = True
    """All models have one vocabulary, so that a prompt may be a list of token ids."""

    def plans(self, ask: Ask) -> bool:
        """Always; RequestError: 400: the request names a strategy of its own."""
        if ask.t2rl.strategy is not None:
            text = (
                f"t2rl.strategy {ask.t2rl.strategy}: a cascade decides by its rungs; leave it out, or"
                " name one of its models"
            )
            raise RequestError(400, text, param="t2rl.strategy")
        return True

    async def answer(self, ask: Ask, request_id: str) -> Served:
        """Rung after rung until an answer is taken, within the budget.

        Raises:
            RequestError: 400: something of the request does not fit.
            EngineLost: an engine died.
            StreamTimeout: engine or verifiers do not answer.
        """
        check_planned(ask, instead="name one of the cascade's models for that")
        asked = self._asked(ask, request_id)
        done: list[_Outcome] = []
        for number, rung in enumerate(self.rungs, 1):
            done.append(await self._rung(asked, rung, number=number, last=number == len(self.rungs)))
            if done[-1].taken is not None:
                break
        return self._served(asked, done)

    def _asked(self, ask: Ask, request_id: str) -> _Asked:
        verified = self.judge is not None and self.judge.can_judge(ask.t2rl) and not self.judge.form_only
        queries = {v.name: self._query(v, ask, request_id) for rung in self.rungs for v in rung.voices}
        alone = [rung.voices[0].name for rung in self.rungs[:-1] if len(rung.voices) == 1]
        if not verified and any(queries[name].cold for name in alone):
            text = (
                f"temperature is 0: all samples of {alone[0]} would agree, and no other model would ever be"
                " asked; give a temperature above 0, or something to verify by (t2rl.answer, t2rl.metadata)"
            )
            raise RequestError(400, text, param="temperature")
        if verified and self.judge is not None:
            self.judge.check(next(iter(queries.values())).prompt, ask.t2rl)
        enough = sum(
            rung.planned(verified, rung is self.rungs[-1])
            * (len(queries[voice.name].prompt.token_ids) + queries[voice.name].max_tokens)
            for rung in self.rungs
            for voice in rung.voices
        )
        first = queries[self.rungs[0].voices[0].name]
        budget = first.voice.answerer.chooser.budget(ask.t2rl, len(first.prompt.token_ids), enough)
        rng = np.random.default_rng(None if ask.seed is None else ask.seed % MAX_SEED)
        return _Asked(ask, verified, budget, rng, queries)

    def _query(self, voice: Voice, ask: Ask, request_id: str) -> _Query:
        if not self.same_tokens and isinstance(ask, CompletionRequest) and not isinstance(ask.prompt, str):
            text = "prompt: the models of this cascade have different tokens; send the text"
            raise RequestError(400, text, param="prompt")
        answerer = voice.answerer
        ((text, ids),) = answerer.encoder.encode(ask)
        return _Query(
            prompt=answerer.prompt(ask, request_id, text, ids, category=ask.t2rl.category or "default"),
            max_tokens=answerer.chooser.max_tokens(ask, len(ids)),
            policy=RecordingPolicy(answerer.policy_for(ask)),
            voice=voice,
            cold=sampling_of(ask, answerer.chooser.defaults).temperature == 0,
        )

    async def _rung(self, asked: _Asked, rung: Rung, *, number: int, last: bool) -> _Outcome:
        taken, drawn, votes = None, [], list[str | None]()
        spent, flops, usd = Tokens(), 0.0, list[float | None]()
        for query in (asked.queries[voice.name] for voice in rung.voices):
            before = len(query.policy.attempts)
            tokens, answer = await self._draw(asked, rung, query, last=last)
            attempts = query.policy.attempts[before:]
            drawn += [(query, attempt) for attempt in attempts]
            votes += [query.vote(attempt.text) for attempt in attempts]
            for total in (spent, asked.spent):
                total.prefill += tokens.prefill
                total.decode += tokens.decode
            prompt = len(query.prompt.token_ids)
            price = query.voice.price.of(
                prompt, tokens.prefill / prompt, [attempt.tokens for attempt in attempts]
            )
            flops += price[0]
            usd.append(price[1])
            if answer is not None:
                taken = query, next(attempt for attempt in attempts if attempt.text == answer)
                break
        gate = "verifier" if asked.verified else "vote" if last else "agreement"
        wanted = sum(asked.queries[voice.name].samples(rung.agree) for voice in rung.voices)
        if gate == "agreement" and len(votes) == wanted and None not in votes and len(set(votes)) == 1:
            taken = drawn[0]
        facts = RungFacts(
            rung=number,
            models=tuple(voice.name for voice in rung.voices),
            gate=gate,
            samples=len(drawn),
            prompt_tokens=spent.prefill,
            completion_tokens=spent.decode,
            taken=taken is not None,
            flops=flops,
            usd=None if None in usd else sum(one for one in usd if one is not None),
        )
        return _Outcome(taken=taken, attempts=drawn, facts=facts)

    async def _draw(
        self, asked: _Asked, rung: Rung, query: _Query, *, last: bool
    ) -> tuple[Tokens, str | None]:
        """Tokens of a voice's samples, and the text that the verifier accepts or the last vote settles on."""
        k = query.samples(rung.planned(asked.verified, last))
        if asked.verified or last:
            common = {"k": k, "batch": min(k, DEFAULT_ROUND), "max_tokens": query.max_tokens}
            strategy: Strategy = MajorityVote(**common, answer_of=query.vote)
            if asked.verified:
                strategy = RepeatedSampling(**common)
            judge = self.judge.verifier if asked.verified and self.judge is not None else None
            result = await strategy.run(query.prompt, query.policy, judge, asked.left, asked.rng)
            return result.tokens, result.answer if result.accepted else None
        ledger = Ledger(asked.left)
        drawer = Drawer(
            query=query.prompt,
            policy=query.policy,
            ledger=ledger,
            max_tokens=query.max_tokens,
            min_tokens=1,
            rng=asked.rng,
        )
        await drawer.draw(k)
        return ledger.spent, None

    def _served(self, asked: _Asked, done: list[_Outcome]) -> Served:
        """The answer that was taken; else the most frequent one of the last rung that the budget let speak,
        which is never none: a budget that holds no sample was refused."""
        number = max(i for i, outcome in enumerate(done) if outcome.attempts)
        taken = done[-1].taken
        if taken is None:
            query = done[number].attempts[0][0]
            drawn = [attempt for _, attempt in done[number].attempts]
            taken = query, fallback(drawn, query.vote, asked.rng)
        query, chosen = taken
        last = self.rungs[-1]
        k = sum(len(rung.voices) * rung.planned(asked.verified, rung is last) for rung in self.rungs)
        return Served(
            text=chosen.text,
            truncated=chosen.truncated,
            choice=Choice(
                strategy="cascade",
                k=k,
                round_samples=DEFAULT_ROUND,
                max_tokens=query.max_tokens,
                budget=asked.budget,
                category=query.prompt.category,
            ),
            samples=sum(outcome.facts.samples for outcome in done),
            accepted=done[-1].taken is not None,
            fallback=done[-1].taken is None,
            tokens=asked.spent,
            cascade=CascadeFacts(
                rung=number + 1,
                model=query.voice.name,
                rungs=tuple(outcome.facts for outcome in done),
            ),
        )
