"""Tokens as they are sampled: the request, the pieces, and their way from an engine's thread to a coroutine.

Duck-typed where it reads vLLM's outputs, so it imports no vLLM.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rollout.types import FinishReason, GroupRequest

MAX_TOP_LOGPROBS = 20
"""vLLM's own limit (``max_logprobs``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRequest:
    """A group whose tokens are wanted as they come."""

    group: GroupRequest
    top_logprobs: int = 0
    """Likeliest tokens beside each sampled one, at most ``MAX_TOP_LOGPROBS``."""
    prompt_logprobs: int | None = None
    """The same for every token of the prompt but the first; None: nothing of the prompt."""

    @property
    def sampling_arguments(self) -> dict[str, Any]:
        """Keyword arguments of ``SamplingParams`` beside those of the group."""
        return {"logprobs": self.top_logprobs, "prompt_logprobs": self.prompt_logprobs}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredTokens:
    """Tokens with the likeliest ones in their places. T tokens, k likeliest."""

    ids: np.ndarray
    """[T, 1 + k] int32: the token itself, then the likeliest, best first."""
    logprobs: np.ndarray
    """[T, 1 + k] float32, nats: sampled tokens at the sampling temperature, a prompt's at temperature 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDelta:
    """The news of one sequence."""

    index: int
    """Place in ``GroupRequest.seeds``."""
    tokens: ScoredTokens
    prompt: ScoredTokens | None = None
    """Tokens 1..P-1 of the prompt, once, where they were asked for."""
    finish_reason: FinishReason | None = None
    """Set on the last one."""
    at: float = 0.0
    """``time.monotonic()`` of the engine's machine when the step was over: the same for all tokens of a step,
    or, of an engine in other processes, when it heard of the token."""


class DeltaQueue:
    """Pieces from any thread to one coroutine. Those that pile up while it is busy come together."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrived: asyncio.Queue[TokenDelta | None] = asyncio.Queue()

    def put(self, delta: TokenDelta) -> None:
        """Any thread may call it, also after nobody listens any more."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._arrived.put_nowait, delta)

    async def until(self, answer: "asyncio.Future[Any]") -> AsyncIterator[list[TokenDelta]]:
        """Everything until ``answer`` is there, which raises what it raised."""
        answer.add_done_callback(lambda _: self._arrived.put_nowait(None))
        ended = False
        while not ended:
            waiting = [await self._arrived.get()]
            while not self._arrived.empty():
                waiting.append(self._arrived.get_nowait())
            ended = None in waiting
            if deltas := [delta for delta in waiting if delta is not None]:
                yield deltas
        await answer


def step_delta(index: int, output: Any, *, at: float) -> TokenDelta:
    """The news in one ``EngineCoreOutput`` of a step that ended at ``at``."""
    new, prompt = output.new_logprobs, output.new_prompt_logprobs_tensors
    return TokenDelta(
        index=index,
        tokens=_nothing() if new is None else _scored(new.logprob_token_ids, new.logprobs),
        prompt=None if prompt is None else _scored(prompt.logprob_token_ids, prompt.logprobs),
        finish_reason=None if output.finish_reason is None else FinishReason(str(output.finish_reason)),
        at=at,
    )


def output_delta(index: int, output: Any, request: StreamRequest) -> TokenDelta:
    """The news in one ``RequestOutput`` of kind DELTA with flat log-probs."""
    (one,) = output.outputs
    prompt, top = output.prompt_logprobs, request.prompt_logprobs or 0
    return TokenDelta(
        index=index,
        tokens=_unflattened(one.logprobs, request.top_logprobs) if one.logprobs else _nothing(),
        prompt=_unflattened(prompt, top) if prompt else None,
        finish_reason=None if one.finish_reason is None else FinishReason(one.finish_reason),
        at=time.monotonic(),
    )


def _nothing() -> ScoredTokens:
    return _scored(np.zeros((0, 1)), np.zeros((0, 1)))


def _scored(ids: Any, logprobs: Any) -> ScoredTokens:
    return ScoredTokens(ids=np.array(ids, dtype=np.int32), logprobs=np.array(logprobs, dtype=np.float32))


def _unflattened(flat: Any, top: int) -> ScoredTokens:
    """vLLM's columns. A prompt's first place is empty. Where vLLM joined several outputs, a token that is
    itself among the likeliest stands there once."""
    ids, logprobs = [], []
    for start, end in zip(flat.start_indices, flat.end_indices, strict=True):
        if end == start:
            continue
        place = list(zip(flat.logprobs[start:end], flat.token_ids[start:end], strict=True))
        likeliest = place[1:] if len(place) > top else sorted(place, reverse=True)
        row = [place[0], *likeliest[:top]]
        logprobs.append([value for value, _ in row])
        ids.append([token for _, token in row])
    return _scored(ids, logprobs) if ids else _nothing()


Watch = Callable[[int, Any], None]
"""Called with a sequence's index and the raw output of each engine step that touches it."""
