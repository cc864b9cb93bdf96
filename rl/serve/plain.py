"""Samples as they are drawn: n for each prompt, nothing planned, nothing judged."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

import numpy as np

from rl.serve.answering import MAX_SEED, Answerer, sampling_of
from rl.serve.cascade import CascadeAnswerer
from rl.serve.choice import Chooser
from rl.serve.errors import RequestError
from rl.serve.merging import merged
from rl.serve.prompts import Encoder
from rl.serve.requests import Ask, ChatRequest, CompletionRequest
from rl.serve.sequences import Piece, Sampler, SequenceAsk, joined
from rl.stream.plans import request_seeds


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a request."""

    prompt: int
    """Each prompt once."""
    completion: int = 0

    def plus(self, piece: Piece) -> "Usage":
        """With the tokens of one more piece."""
        return replace(self, completion=self.completion + len(piece.token_ids))

    @property
    def total(self) -> int:
        """All of it."""
        return self.prompt + self.completion


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A checked request: the sequences to draw, in the order of their choices."""

    asks: Sequence[SequenceAsk]
    prompt_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainAnswerer:
    """Everything that such requests share."""

    sampler: Sampler
    chooser: Chooser
    encoder: Encoder

    @classmethod
    def over(cls, answerer: "Answerer | CascadeAnswerer") -> "PlainAnswerer":
        """The same model without a plan."""
        assert isinstance(answerer, Answerer), "a cascade plans every request"
        return cls(sampler=answerer.sampler, chooser=answerer.chooser, encoder=answerer.encoder)

    def prepare(self, ask: Ask) -> Drawing:
        """The sequences of a request.

        Raises:
            RequestError: 400: something of it does not fit.
        """
        hints = ask.t2rl
        for name in ("answer", "metadata"):
            if getattr(hints, name) is not None:
                text = f"t2rl.{name}: the strategy none judges nothing; name another in t2rl.strategy"
                raise RequestError(400, text, param=f"t2rl.{name}")
        sampling = sampling_of(ask, self.chooser.defaults)
        only_prompt = ask.max_tokens == 0
        counted = ask.model_copy(update={"max_tokens": 1}) if only_prompt else ask
        rng = np.random.default_rng(None if ask.seed is None else ask.seed % MAX_SEED)
        prompts = [ids for _, ids in self.encoder.encode(ask)]
        asks = []
        for ids in prompts:
            limit = self.chooser.max_tokens(counted, len(ids))
            common = SequenceAsk(
                prompt_ids=ids,
                seed=0,
                sampling=replace(sampling, max_tokens=limit),
                stops=ask.stops,
                logprobs=_logprobs(ask),
                echo=isinstance(ask, CompletionRequest) and bool(ask.echo),
                sampled=not only_prompt,
            )
            seeds = request_seeds(int(rng.integers(2**31 - 1)), 0, ask.samples)
            asks += [replace(common, seed=seed) for seed in seeds]
        drawing = Drawing(asks=asks, prompt_tokens=sum(map(len, prompts)))
        self._check_budget(ask, drawing)
        return drawing

    async def pieces(self, drawing: Drawing) -> AsyncGenerator[tuple[int, Piece], None]:
        """(index of the choice, piece) as they come; EngineLost if an engine dies."""
        streams = [self.sampler.pieces(one) for one in drawing.asks]
        async with aclosing(merged(streams)) as pieces:
            async for index, piece in pieces:
                yield index, piece

    async def whole(self, drawing: Drawing) -> tuple[list[Piece], Usage]:
        """Every choice in one piece, and their tokens."""
        found: list[list[Piece]] = [[] for _ in drawing.asks]
        usage = Usage(drawing.prompt_tokens)
        async with aclosing(self.pieces(drawing)) as pieces:
            async for index, piece in pieces:
                found[index].append(piece)
                usage = usage.plus(piece)
        return [joined(one) for one in found], usage

    def _check_budget(self, ask: Ask, drawing: Drawing) -> None:
        """Nothing is cut to fit: what could overdraw is refused."""
        most = drawing.prompt_tokens + sum(one.sampling.max_tokens for one in drawing.asks if one.sampled)
        budget = self.chooser.budget(ask.t2rl, drawing.prompt_tokens, most + 1)
        if most > budget:
            text = (
                f"max_tokens: {len(drawing.asks)} samples and their prompts may take {most} tokens, over the"
                f" budget of {budget}; ask for fewer"
            )
            raise RequestError(400, text, param="max_tokens")


def _logprobs(ask: Ask) -> int | None:
    """Likeliest tokens beside each; None: no log-probs."""
    if isinstance(ask, ChatRequest):
        return (ask.top_logprobs or 0) if ask.logprobs else None
    return ask.logprobs
