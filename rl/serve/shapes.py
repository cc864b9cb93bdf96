"""Responses in OpenAI's shapes, each with a ``t2rl`` object."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rl.serve.answering import CascadeFacts, Served
from rl.serve.plain import Usage
from rl.serve.requests import NO_STRATEGY
from rl.serve.sequences import Piece, Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One of the two routes: ``POST /v1/completions`` or ``POST /v1/chat/completions``."""

    id: str
    created: int
    """Unix seconds."""
    model: str
    chat: bool
    logprobs: bool = False

    def planned(self, served: Served) -> dict[str, Any]:
        """The response with the one answer that was chosen."""
        piece = Piece(text=served.text)
        choice = self._choice(0, piece, "length" if served.truncated else "stop")
        usage = planned_usage(served)
        return self._head("") | {"choices": [choice], "usage": usage, "t2rl": facts_of(served)}

    def plain(self, pieces: Sequence[Piece], usage: Usage) -> dict[str, Any]:
        """The response with all samples."""
        choices = [self._choice(index, piece, piece.finish) for index, piece in enumerate(pieces)]
        return self._head("") | {
            "choices": choices,
            "usage": usage_of(usage),
            "t2rl": {"strategy": NO_STRATEGY, "samples": len(pieces)},
        }

    def opening(self, index: int) -> dict[str, Any] | None:
        """The first chunk of a choice: a chat names its role; None of completions."""
        if not self.chat:
            return None
        delta = {"role": "assistant", "content": ""}
        return self._chunk({"index": index, "delta": delta, "logprobs": None, "finish_reason": None})

    def chunk(self, index: int, piece: Piece, finish: str | None) -> dict[str, Any]:
        """News of a choice."""
        if not self.chat:
            return self._chunk(self._choice(index, piece, finish))
        delta = {"content": piece.text} if piece.text else {}
        logprobs = self._logprobs(piece.tokens)
        return self._chunk(
            {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish and str(finish)}
        )

    def closing(self, usage: dict[str, int]) -> dict[str, Any]:
        """The chunk after the last one, where ``stream_options.include_usage`` asks for it."""
        return self._head(".chunk") | {"choices": [], "usage": usage}

    def _chunk(self, choice: dict[str, Any]) -> dict[str, Any]:
        return self._head(".chunk") | {"choices": [choice]}

    def _head(self, kind: str) -> dict[str, Any]:
        name = f"chat.completion{kind}" if self.chat else "text_completion"
        return {"id": self.id, "object": name, "created": self.created, "model": self.model}

    def _choice(self, index: int, piece: Piece, finish: str | None) -> dict[str, Any]:
        reason, logprobs = finish and str(finish), self._logprobs(piece.tokens)
        if self.chat:
            message = {"role": "assistant", "content": piece.text, "refusal": None}
            return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": reason}
        return {"index": index, "text": piece.text, "logprobs": logprobs, "finish_reason": reason}

    def _logprobs(self, tokens: Sequence[Token]) -> dict[str, Any] | None:
        if not self.logprobs:
            return None
        return _chat_logprobs(tokens) if self.chat else _completion_logprobs(tokens)


def model_card(name: str, created: int) -> dict[str, Any]:
    """One entry of ``GET /v1/models``."""
    return {"id": name, "object": "model", "created": created, "owned_by": "t2rl"}


def usage_of(usage: Usage) -> dict[str, int]:
    """``usage`` of samples as drawn."""
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.total,
    }


def planned_usage(served: Served) -> dict[str, int]:
    """``usage`` of a planned answer: every round pays the prompt, every sample counts."""
    tokens = served.tokens
    return {
        "prompt_tokens": tokens.prefill,
        "completion_tokens": tokens.decode + tokens.scorer,
        "total_tokens": tokens.total,
    }


def facts_of(served: Served) -> dict[str, Any]:
    """The ``t2rl`` object of a planned answer."""
    facts = {
        "samples": served.samples,
        "k": served.choice.k,
        "accepted": served.accepted,
        "fallback": served.fallback,
        "strategy": served.choice.strategy,
        "budget_tokens": served.choice.budget,
        "stopped_early": served.stopped_early,
    }
    return facts if served.cascade is None else facts | cascade_facts(served.cascade)


def cascade_facts(cascade: CascadeFacts) -> dict[str, Any]:
    """Who answered, every rung's part, and the sums of what they cost."""
    money = [rung.usd for rung in cascade.rungs if rung.usd is not None]
    return asdict(cascade) | {
        "flops": sum(rung.flops for rung in cascade.rungs),
        "usd": sum(money) if len(money) == len(cascade.rungs) else None,
    }


def _completion_logprobs(tokens: Sequence[Token]) -> dict[str, Any]:
    """Columns. A token's own log-prob is among the likeliest even where it is less likely than they are."""
    return {
        "tokens": [token.text for token in tokens],
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": [
            None if token.logprob is None else {token.text: token.logprob} | dict(reversed(token.top))
            for token in tokens
        ],
        "text_offset": [token.offset for token in tokens],
    }


def _chat_logprobs(tokens: Sequence[Token]) -> dict[str, Any]:
    return {
        "content": [
            _likely(token.text, token.logprob)
            | {"top_logprobs": [_likely(text, logprob) for text, logprob in token.top]}
            for token in tokens
        ],
        "refusal": None,
    }


def _likely(text: str, logprob: float | None) -> dict[str, Any]:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode())}
