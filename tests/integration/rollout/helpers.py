"""Requests, comparisons, and the handle on the actor under test."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rollout.types import Completion, GroupRequest, SamplingConfig

VOCAB = 128
MAX_MODEL_LEN = 256
EOS = 1


class Handle:
    """The actor with its concurrency groups; every call but ``generate`` waits for its answer."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def generate(self, *requests: GroupRequest) -> list[Any]:
        """One Ray reference for each group."""
        return [self._actor.generate.options(concurrency_group="generate").remote(r) for r in requests]

    def begin(self, name: str, *args: Any) -> Any:
        """The Ray reference of a control call."""
        return getattr(self._actor, name).options(concurrency_group="control").remote(*args)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        import ray

        method = getattr(self._actor, name).options(concurrency_group="control")
        return lambda *args: ray.get(method.remote(*args), timeout=120)


def prompt_of(index: int, length: int = 40) -> tuple[int, ...]:
    """Over one KV block long, so that the prefix cache has something to get wrong."""
    return tuple(3 + (index * 17 + i * 5) % (VOCAB - 3) for i in range(length))


def group(
    index: int,
    *,
    size: int = 4,
    length: int = 40,
    max_tokens: int = 24,
    temperature: float = 1.0,
    **more: Any,
) -> GroupRequest:
    """A request whose prompt and seeds follow from its index; ``more`` is of its sampling."""
    return GroupRequest(
        group_id=index,
        prompt_token_ids=prompt_of(index, length),
        seeds=tuple(1000 * index + i for i in range(size)),
        sampling=SamplingConfig(temperature=temperature, max_tokens=max_tokens, **more),
    )


def same(left: list[list[Completion]], right: list[list[Completion]], *, tolerance: float = 1e-5) -> bool:
    """True if every token is equal and every log-prob within ``tolerance``."""
    pairs = [(a, b) for x, y in zip(left, right, strict=True) for a, b in zip(x, y, strict=True)]
    return all(
        np.array_equal(a.token_ids, b.token_ids)
        and np.allclose(a.behavior_logprobs, b.behavior_logprobs, rtol=0, atol=tolerance)
        for a, b in pairs
    )
