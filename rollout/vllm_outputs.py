"""vLLM's finished sequences as ours: flat arrays and version spans. Duck-typed, so it imports no vLLM."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from rollout.types import Completion, FinishReason, VersionSpan


class WeightVersionSpan(Protocol):
    """vLLM's record that output tokens ``[start, end)`` were sampled under the weights labelled ``version``."""

    version: str
    start: int
    end: int


class FlatLogprobs(Protocol):
    """vLLM's columnar log-probs; with ``logprobs=0`` it holds exactly one entry for each sampled token."""

    logprobs: list[float]


class FinishedSequence(Protocol):
    """The fields of vLLM's ``CompletionOutput`` that we read."""

    token_ids: Sequence[int]
    logprobs: Any
    finish_reason: str | None
    weight_versions: Any


def completion_of(output: FinishedSequence) -> Completion:
    """One finished vLLM sequence as a ``Completion``. RuntimeError if vLLM ended it for a reason of its own."""
    if output.finish_reason not in (FinishReason.STOP, FinishReason.LENGTH):
        raise RuntimeError(f"vLLM ended a sequence with finish reason {output.finish_reason!r}")
    token_ids = np.array(output.token_ids, dtype=np.int32)
    logprobs = np.array(output.logprobs.logprobs, dtype=np.float32)
    assert len(logprobs) == len(token_ids), f"{len(logprobs)} log-probs for {len(token_ids)} tokens"
    return Completion(
        token_ids=token_ids,
        behavior_logprobs=logprobs,
        loss_mask=np.ones(len(token_ids), dtype=bool),
        spans=version_spans(output.weight_versions, num_tokens=len(token_ids)),
        finish_reason=FinishReason(output.finish_reason),
    )


def version_spans(spans: Sequence[WeightVersionSpan] | None, *, num_tokens: int) -> tuple[VersionSpan, ...]:
    """vLLM's spans with integer versions, neighbours of one version joined; they must cover ``[0, num_tokens)`` without a gap."""
    joined: list[VersionSpan] = []
    for span in spans or ():
        version = int(span.version)
        start = joined.pop().start if joined and joined[-1].policy_version == version else span.start
        joined.append(VersionSpan(start, span.end, version))
    edges = [0, *(span.end for span in joined)]
    assert edges[-1] == num_tokens, f"version spans {joined} do not cover {num_tokens} tokens"
    assert all(span.start == edge < span.end for span, edge in zip(joined, edges, strict=False)), f"gap in version spans {joined}"
    return tuple(joined)


def prompt_logprobs_of(output: Any) -> list[float]:
    """[T - 1] log-probs at temperature 1 of a prompt's tokens 1..T-1, from a ``RequestOutput`` with flat prompt log-probs."""
    logprobs = list(output.prompt_logprobs.logprobs)
    assert len(logprobs) == len(output.prompt_token_ids) - 1, "one log-prob per prompt token after the first"
    return logprobs
