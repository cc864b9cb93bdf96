"""vLLM's sequences as ours: flat arrays and version spans. Duck-typed, so it imports no vLLM."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from rollout.types import Completion, FinishReason, VersionSpan


class WeightVersionSpan(Protocol):
    """vLLM's record that output tokens ``[start, end)`` were sampled under the weights labelled
    ``version``."""

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
    """One finished vLLM sequence as a ``Completion``. RuntimeError if vLLM ended it for a reason of its
    own."""
    spans = version_spans(output.weight_versions, num_tokens=len(output.token_ids))
    return _completion(output.token_ids, output.logprobs.logprobs, spans, output.finish_reason)


def _completion(
    token_ids: Sequence[int],
    logprobs: Sequence[float],
    spans: tuple[VersionSpan, ...],
    finish_reason: str | None,
) -> Completion:
    if finish_reason not in (FinishReason.STOP, FinishReason.LENGTH):
        raise RuntimeError(f"vLLM ended a sequence with finish reason {finish_reason!r}")
    assert len(logprobs) == len(token_ids), f"{len(logprobs)} log-probs for {len(token_ids)} tokens"
    return Completion(
        token_ids=np.array(token_ids, dtype=np.int32),
        behavior_logprobs=np.array(logprobs, dtype=np.float32),
        loss_mask=np.ones(len(token_ids), dtype=bool),
        spans=spans,
        finish_reason=FinishReason(finish_reason),
    )


@dataclass(slots=True)
class SequenceRecord:
    """One sequence in flight, fed with the raw output of every engine step that touches it.

    This is the whole cost that we add per token, and a fraction of vLLM's own output processor, which is made
    for streaming text.
    """

    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    prompt_logprobs: list[float] = field(default_factory=list)
    span_starts: list[tuple[int, str]] = field(default_factory=list)
    """(first token, weight version) of each span."""

    def add(self, output: Any, version: str) -> None:
        """Take one ``EngineCoreOutput`` of a step that ran on weights labelled ``version``."""
        if output.new_token_ids:
            if not self.span_starts or self.span_starts[-1][1] != version:
                self.span_starts.append((len(self.token_ids), version))
            self.token_ids += output.new_token_ids
            if output.new_logprobs is not None:
                self.logprobs += output.new_logprobs.logprobs[:, 0].tolist()
        if output.new_prompt_logprobs_tensors is not None:
            self.prompt_logprobs += output.new_prompt_logprobs_tensors.logprobs[:, 0].tolist()

    def cut(self, count: int) -> None:
        """Keep the first ``count`` tokens."""
        del self.token_ids[count:], self.logprobs[count:]
        self.span_starts = [start for start in self.span_starts if start[0] < count]

    def completion(self, finish_reason: str) -> Completion:
        """The finished sequence. RuntimeError if vLLM ended it for a reason of its own."""
        ends = [start for start, _ in self.span_starts[1:]] + [len(self.token_ids)]
        spans = tuple(
            VersionSpan(start, end, int(v)) for (start, v), end in zip(self.span_starts, ends, strict=True)
        )
        return _completion(self.token_ids, self.logprobs, spans, finish_reason)


def version_spans(spans: Sequence[WeightVersionSpan] | None, *, num_tokens: int) -> tuple[VersionSpan, ...]:
    """vLLM's spans with integer versions, neighbours of one version joined; they must cover ``[0,
    num_tokens)`` without a gap."""
    joined: list[VersionSpan] = []
    for span in spans or ():
        version = int(span.version)
        start = joined.pop().start if joined and joined[-1].policy_version == version else span.start
        joined.append(VersionSpan(start, span.end, version))
    edges = [0, *(span.end for span in joined)]
    assert edges[-1] == num_tokens, f"version spans {joined} do not cover {num_tokens} tokens"
    assert all(span.start == edge < span.end for span, edge in zip(joined, edges, strict=False)), (
        f"gap in version spans {joined}"
    )
    return tuple(joined)


def prompt_logprobs_of(output: Any) -> list[float]:
    """[T - 1] log-probs at temperature 1 of a prompt's tokens 1..T-1, from a ``RequestOutput`` with flat
    prompt log-probs."""
    logprobs = list(output.prompt_logprobs.logprobs)
    assert len(logprobs) == len(output.prompt_token_ids) - 1, "one log-prob per prompt token after the first"
    return logprobs
