"""A group's completions on the wire: a few flat arrays instead of a few Python objects for each sequence.

Ray pickles with a Python-level pickler, which costs an actor tens of microseconds for every small array: a
few percent of sampling short completions, and as much again in the controller.
"""

from collections.abc import Callable

import numpy as np

from rollout.types import Completion, FinishReason, VersionSpan

Packed = tuple[bytes, bytes, bytes, bytes, bytes, bytes, str]


class CompletionBatch(list[Completion]):
    """A list of completions that pickles as seven buffers. Arrays come back read-only."""

    def __reduce__(self) -> tuple[Callable[..., "CompletionBatch"], Packed]:
        return unpack, pack(self)


def pack(completions: list[Completion]) -> Packed:
    """Token counts, tokens, log-probs, masks, span counts, spans [n, 3] and finish reasons of all
    completions, concatenated."""
    spans = [(s.start, s.end, s.policy_version) for c in completions for s in c.spans]
    return (
        np.array([len(c.token_ids) for c in completions], dtype=np.int32).tobytes(),
        b"".join(c.token_ids.astype(np.int32, copy=False).tobytes() for c in completions),
        b"".join(c.behavior_logprobs.astype(np.float32, copy=False).tobytes() for c in completions),
        b"".join(c.loss_mask.astype(bool, copy=False).tobytes() for c in completions),
        np.array([len(c.spans) for c in completions], dtype=np.int32).tobytes(),
        np.array(spans, dtype=np.int64).tobytes(),
        " ".join(c.finish_reason for c in completions),
    )


def unpack(
    lengths: bytes,
    token_ids: bytes,
    logprobs: bytes,
    masks: bytes,
    span_counts: bytes,
    spans: bytes,
    reasons: str,
) -> CompletionBatch:
    """The inverse of ``pack``."""
    tokens = np.frombuffer(token_ids, dtype=np.int32)
    behavior = np.frombuffer(logprobs, dtype=np.float32)
    mask = np.frombuffer(masks, dtype=bool)
    rows = iter(np.frombuffer(spans, dtype=np.int64).reshape(-1, 3).tolist())
    counts = np.frombuffer(span_counts, dtype=np.int32).tolist()
    batch = CompletionBatch()
    start = 0
    for length, count, reason in zip(
        np.frombuffer(lengths, dtype=np.int32).tolist(), counts, reasons.split(), strict=True
    ):
        end = start + length
        batch.append(
            Completion(
                token_ids=tokens[start:end],
                behavior_logprobs=behavior[start:end],
                loss_mask=mask[start:end],
                spans=tuple(VersionSpan(*next(rows)) for _ in range(count)),
                finish_reason=FinishReason(reason),
            )
        )
        start = end
    return batch
