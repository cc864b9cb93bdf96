"""One sampled sequence as it comes: its text, where it stops, and its tokens with their log-probs."""

import itertools
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import numpy as np

from planner.strategies.base import Attempt
from rl.engines.decode import DECODE_GROUP_IDS
from rl.serve.merging import merged
from rl.serve.text import Decode, StopTexts, TextStream
from rl.stream.plans import request_seeds
from rollout.streaming import ScoredTokens, StreamRequest, TokenDelta
from rollout.types import FinishReason, GroupRequest, Prompt, SamplingConfig

STREAM_GROUP_IDS = DECODE_GROUP_IDS + (1 << 61)
"""Groups of single sequences are numbered from here, so that they never meet those of rounds."""

LEAST_LOGPROB = -9999.0
"""Stands for minus infinity (a token outside of top-p), which JSON does not have; vLLM's number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token of a text."""

    text: str
    offset: int
    """Characters before it, the texts of single tokens laid end to end."""
    logprob: float | None
    """Nats; None of a prompt's first token."""
    top: tuple[tuple[str, float], ...]
    """The likeliest tokens in its place, best first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """The news of a sequence."""

    text: str
    tokens: tuple[Token, ...] = ()
    """Empty where no log-probs are wanted."""
    token_ids: tuple[int, ...] = ()
    """Sampled; a stop text, and what came after it, included."""
    finish: FinishReason | None = None
    cut: bool = False
    """It ended at a stop text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceAsk:
    """One sequence to draw."""

    prompt_ids: tuple[int, ...]
    seed: int
    sampling: SamplingConfig
    stops: tuple[str, ...] = ()
    logprobs: int | None = None
    """Likeliest tokens beside each; None: no log-probs."""
    echo: bool = False
    """The prompt comes first."""
    sampled: bool = True
    """False: only the prompt; the one token that engines sample at least is left out."""


@dataclass(slots=True, kw_only=True)
class Sampler:
    """Sequences of engines that stream, as pieces of text.

    Args:
        stream: Engines; closing the iterator takes the group off them.
        decode: Token ids to the text that callers read.
        token_text: Ids to texts of single tokens, special ones included.
    """

    stream: Callable[[StreamRequest], AsyncGenerator[list[TokenDelta], None]]
    decode: Decode
    token_text: Decode
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(STREAM_GROUP_IDS))

    async def pieces(self, ask: SequenceAsk) -> AsyncGenerator[Piece, None]:
        """Pieces until the sequence ends; EngineLost if its engine dies."""
        group = GroupRequest(
            group_id=next(self._numbers),
            prompt_token_ids=ask.prompt_ids,
            seeds=(ask.seed,),
            sampling=ask.sampling,
        )
        scored = ask.echo and ask.logprobs is not None
        request = StreamRequest(
            group=group, top_logprobs=ask.logprobs or 0, prompt_logprobs=ask.logprobs if scored else None
        )
        reader = _Reader(self, ask)
        async with aclosing(self.stream(request)) as news:
            async for deltas in news:
                for delta in deltas:
                    piece = reader.read(delta)
                    yield piece
                    if piece.finish is not None:
                        return

    async def whole(self, ask: SequenceAsk) -> Piece:
        """All of it in one piece."""
        return joined([piece async for piece in self.pieces(ask)])


def joined(pieces: Sequence[Piece]) -> Piece:
    """One piece; tokens of a stop text, and behind it, are left out."""
    text, last = "".join(piece.text for piece in pieces), pieces[-1]
    tokens = [token for piece in pieces for token in piece.tokens]
    return Piece(
        text=text,
        tokens=tuple(token for token in tokens if token.offset < len(text) or not last.cut),
        token_ids=tuple(token for piece in pieces for token in piece.token_ids),
        finish=last.finish,
        cut=last.cut,
    )


class _Reader:
    """Deltas of one sequence to pieces."""

    def __init__(self, sampler: Sampler, ask: SequenceAsk) -> None:
        self._sampler, self._ask = sampler, ask
        self._text, self._stops = TextStream(sampler.decode), StopTexts(ask.stops)
        self._offset = 0
        self._echoed = not ask.echo

    def read(self, delta: TokenDelta) -> Piece:
        """The piece; it has a finish reason when the sequence is over, whatever the engine still does."""
        front, tokens = self._echo(delta)
        if not self._ask.sampled:
            return Piece(text=front, tokens=tokens, finish=delta.finish_reason)
        ids = tuple(delta.tokens.ids[:, 0].tolist())
        last = delta.finish_reason is not None
        news = self._text.add(ids) + (self._text.rest() if last else "")
        text, met = self._stops.add(news, last=last)
        if self._ask.logprobs is not None:
            tokens += tuple(self._tokens(delta.tokens))
        finish = FinishReason.STOP if met else delta.finish_reason
        return Piece(text=front + text, tokens=tokens, token_ids=ids, finish=finish, cut=met)

    def _echo(self, delta: TokenDelta) -> tuple[str, tuple[Token, ...]]:
        """The prompt, in front of the first piece."""
        if self._echoed:
            return "", ()
        self._echoed = True
        ids = self._ask.prompt_ids
        (text,) = self._sampler.decode([ids])
        if self._ask.logprobs is None:
            return text, ()
        (first,) = self._sampler.token_text([ids[:1]])
        tokens = [Token(text=first, offset=0, logprob=None, top=())]
        self._offset = len(first)
        if len(ids) > 1:
            assert delta.prompt is not None, "the prompt's log-probs come with its first token"
            tokens += self._tokens(delta.prompt)
        return text, tuple(tokens)

    def _tokens(self, scored: ScoredTokens) -> Iterator[Token]:
        """Tokens with their likeliest ones; a tokenizer is asked once for all of them."""
        width = 1 + (self._ask.logprobs or 0)
        flat = scored.ids[:, :width].reshape(-1, 1).tolist()
        texts = self._sampler.token_text(flat) if flat else []
        floored = np.maximum(scored.logprobs[:, :width], LEAST_LOGPROB)
        for row, logprobs in enumerate(floored.tolist()):
            own, *likeliest = texts[row * width : (row + 1) * width]
            yield Token(
                text=own,
                offset=self._offset,
                logprob=logprobs[0],
                top=tuple(zip(likeliest, logprobs[1:], strict=True)),
            )
            self._offset += len(own)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppingPolicy:
    """A ``planner.strategies.base.Policy`` whose samples end at stop texts."""

    sampler: Sampler
    sampling: SamplingConfig
    stops: tuple[str, ...]
    caches_prompts: bool = False

    async def sample(
        self, prompt: Prompt, n: int, *, max_tokens: int, seed: int, prefix: Sequence[int] = ()
    ) -> list[Attempt]:
        """[n] completions; tokens that were sampled before a stop was noticed count."""
        asks = [
            SequenceAsk(
                prompt_ids=(*prompt.token_ids, *prefix),
                seed=one,
                sampling=replace(self.sampling, max_tokens=max_tokens),
                stops=self.stops,
            )
            for one in request_seeds(seed, 0, n)
        ]
        found: list[list[Piece]] = [[] for _ in asks]
        async with aclosing(merged([self.sampler.pieces(ask) for ask in asks])) as pieces:
            async for index, piece in pieces:
                found[index].append(piece)
        return [
            Attempt(
                text=one.text,
                tokens=len(one.token_ids),
                truncated=one.finish is FinishReason.LENGTH,
                token_ids=one.token_ids,
            )
            for one in map(joined, found)
        ]
