"""Responses in OpenAI's shapes, each with a ``t2rl`` object."""

from typing import Any

from rl.serve.answering import Served


def completion(served: Served, *, id: str, created: int, model: str) -> dict[str, Any]:
    """Return the response of ``POST /v1/completions``."""
    choice = {"index": 0, "text": served.text, "logprobs": None, "finish_reason": _finish(served)}
    return _response(served, choice, id=id, created=created, model=model, object="text_completion")


def chat_completion(served: Served, *, id: str, created: int, model: str) -> dict[str, Any]:
    """Return the response of ``POST /v1/chat/completions``."""
    message = {"role": "assistant", "content": served.text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(served)}
    return _response(served, choice, id=id, created=created, model=model, object="chat.completion")


def model_card(name: str, created: int) -> dict[str, Any]:
    """One entry of ``GET /v1/models``."""
    return {"id": name, "object": "model", "created": created, "owned_by": "t2rl"}


def _finish(served: Served) -> str:
    return "length" if served.truncated else "stop"


def _response(served: Served, choice: dict[str, Any], **head: Any) -> dict[str, Any]:
    tokens = served.tokens
    return {
        **head,
        "choices": [choice],
        "usage": {
            "prompt_tokens": tokens.prefill,
            "completion_tokens": tokens.decode + tokens.scorer,
            "total_tokens": tokens.total,
        },
        "t2rl": {
            "samples": served.samples,
            "k": served.choice.k,
            "accepted": served.accepted,
            "fallback": served.fallback,
            "strategy": served.choice.strategy,
            "budget_tokens": served.choice.budget,
            "stopped_early": served.stopped_early,
        },
    }
