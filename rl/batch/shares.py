"""A training batch divided among replicas by whole groups, and the figures of its parts put together."""

import heapq
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rl.batch.types import SampleFigures, StepResult, TrainingBatch

PER_TOKEN = ("token_ids", "loss_mask", "behavior_logprobs", "token_versions")
PER_SAMPLE = ("prompt_lens", "rewards", "correct", "truncated", "demonstration")
SUMS = (
    "loss/clamped_tokens",
    "loss/dropped_tokens",
    "learner/demonstration_tokens",
    "learner/tokens",
    "learner/trained_tokens",
)
"""Metrics that count; ``HIGHEST`` of the others are the slowest replica's, the rest are means by tokens."""
HIGHEST = ("learner/step_s", "learner/sync_wait_s", "learner/outer_steps")


def divided(batch: TrainingBatch, count: int) -> list[np.ndarray]:
    """[count] sample indices, ascending: the group with the most tokens first, to the share with the fewest.

    A share is empty where groups are fewer than shares.
    """
    tokens = np.bincount(batch.segment_ids, weights=np.diff(batch.offsets), minlength=len(batch.group_ids))
    shares: list[list[int]] = [[] for _ in range(count)]
    load = [(0.0, share) for share in range(count)]
    for group in np.argsort(-tokens, kind="stable"):
        held, share = heapq.heappop(load)
        shares[share].append(int(group))
        heapq.heappush(load, (held + float(tokens[group]), share))
    return [np.flatnonzero(np.isin(batch.segment_ids, share)) for share in shares]


def taken(batch: TrainingBatch, samples: np.ndarray) -> TrainingBatch:
    """The ``samples`` [n] of whole groups, ascending, as a batch of their own."""
    lengths = np.diff(batch.offsets)[samples]
    tokens = tokens_of(batch, samples)
    groups, segments = np.unique(batch.segment_ids[samples], return_inverse=True)
    return replace(
        batch,
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        segment_ids=segments.astype(np.int32),
        group_ids=batch.group_ids[groups],
        components={name: rows[samples] for name, rows in batch.components.items()},
        aux=batch.aux.map(lambda rows: rows[samples]),
        **{name: getattr(batch, name)[tokens] for name in PER_TOKEN},
        **{name: getattr(batch, name)[samples] for name in PER_SAMPLE},
    )


def tokens_of(batch: TrainingBatch, samples: np.ndarray) -> np.ndarray:
    """Indices of the tokens of ``samples``."""
    owner = np.repeat(np.arange(len(batch.rewards)), np.diff(batch.offsets))
    chosen = np.zeros(len(batch.rewards), dtype=bool)
    chosen[samples] = True
    return np.flatnonzero(chosen[owner])


def together(batch: TrainingBatch, shares: Sequence[np.ndarray], results: Sequence[StepResult]) -> StepResult:
    """The result of a batch whose ``shares`` gave these ``results``; samples of a share that nobody finished
    count as not updated."""
    weights = np.array([len(tokens_of(batch, share)) for share in shares], dtype=float)
    details = [result.detail for result in results]
    return StepResult(
        applied=all(result.applied for result in results),
        metrics=_joined_metrics([result.metrics for result in results], weights),
        detail={key: sum(d.get(key, 0) for d in details) for key in {k for d in details for k in d}},
        passes=tuple(one for result in results for one in result.passes),
        samples=_joined_samples(batch, shares, [result.samples for result in results]),
    )


def _joined_metrics(metrics: Sequence[dict[str, float]], weights: np.ndarray) -> dict[str, float]:
    found = {}
    for key in dict.fromkeys(key for one in metrics for key in one):
        known = [index for index, one in enumerate(metrics) if key in one]
        values = np.array([metrics[index][key] for index in known])
        if key in SUMS:
            found[key] = float(values.sum())
        elif key in HIGHEST:
            found[key] = float(values.max())
        else:
            share = weights[known] if weights[known].any() else np.ones(len(known))
            found[key] = float(np.average(values, weights=share))
    return found


def _joined_samples(
    batch: TrainingBatch, shares: Sequence[np.ndarray], figures: Sequence[SampleFigures | None]
) -> SampleFigures | None:
    given = [(share, one) for share, one in zip(shares, figures, strict=True) if one is not None]
    if not given:
        return None
    updated = np.zeros(len(batch.rewards), dtype=bool)
    rows = {name: np.full(len(batch.rewards), np.nan) for name in ("advantage", "gap_mean", "gap_max")}
    tokens: dict[str, np.ndarray] = {}
    for share, one in given:
        updated[share] = one.updated
        for name, column in rows.items():
            column[share] = getattr(one, name)
        for name in ("token_advantages", "token_logprobs"):
            values = getattr(one, name)
            if values is not None:
                empty = np.full(len(batch.token_ids), np.nan, dtype=np.float32)
                tokens.setdefault(name, empty)[tokens_of(batch, share)] = values
    return SampleFigures(updated=updated, **rows, **tokens)
