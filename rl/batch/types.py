"""Learner-side types: the columnar training batch and what a step returns.

Shape letters: S = samples (rollouts) of the batch, N = all tokens of all samples, prompts included.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rollout.types import Rollout, RolloutAux, RolloutGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingBatch:
    """One optimizer step's samples, flat and columnar, so that groups of any size fit and one copy serves
    every rank.

    Sample ``s`` owns tokens ``offsets[s]:offsets[s + 1]``; its first ``prompt_lens[s]`` tokens are the
    prompt.
    """

    step: int
    token_ids: np.ndarray
    """[N] int32."""
    offsets: np.ndarray
    """[S + 1] int64."""
    prompt_lens: np.ndarray
    """[S] int32."""
    loss_mask: np.ndarray
    """[N] bool, True on tokens that the policy sampled (never on the prompt)."""
    behavior_logprobs: np.ndarray
    """[N] float32, 0 where the mask is False."""
    token_versions: np.ndarray
    """[N] int32 policy version that sampled the token, -1 where the mask is False."""
    rewards: np.ndarray
    """[S] float32."""
    correct: np.ndarray
    """[S] bool raw correctness."""
    truncated: np.ndarray
    """[S] bool reached the completion limit."""
    demonstration: np.ndarray
    """[S] bool, True where the completion was shown, not sampled; ``behavior_logprobs`` are 0 there."""
    segment_ids: np.ndarray
    """[S] int32 group index inside the batch, non-decreasing."""
    group_ids: np.ndarray
    """[num_groups] int64, the run-wide ids in segment order."""
    temperature: float
    """Sampling temperature, at which the learner must score."""
    components: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Reward component -> [S] float64, 0 where a sample has no such component."""
    aux: RolloutAux[np.ndarray] = field(default_factory=RolloutAux)
    """[S, ...] more about each sample, where every group of the batch brought it."""
    progress: float = 0.0
    """Share of the run that is over, for what changes along it."""

    @property
    def num_valid_tokens(self) -> int:
        """The global denominator: tokens the loss may touch, over every rank and micro-batch, zero-advantage
        samples included."""
        return int(self.loss_mask.sum())

    @classmethod
    def from_groups(cls, step: int, groups: list[RolloutGroup], *, progress: float = 0.0) -> "TrainingBatch":
        """Concatenate finished groups; all must share one temperature.

        What a group's ``aux`` has is kept where every group has it.
        """
        if not groups:
            raise ValueError("a training batch needs at least one group")
        temperatures = {g.sampling.temperature for g in groups}
        if len(temperatures) > 1:
            raise ValueError(f"one batch cannot mix sampling temperatures: {sorted(temperatures)}")
        tokens, masks, logprobs, versions, prompt_lens, segments = [], [], [], [], [], []
        for segment, group in enumerate(groups):
            prompt = np.asarray(group.prompt.token_ids, dtype=np.int32)
            for rollout in group.rollouts:
                completion = rollout.completion
                length = len(completion.token_ids)
                version = np.empty(length, dtype=np.int32)
                for span in completion.spans:
                    version[span.start : span.end] = span.policy_version
                tokens += [prompt, completion.token_ids]
                masks += [np.zeros(len(prompt), dtype=bool), completion.loss_mask]
                logprobs += [np.zeros(len(prompt), dtype=np.float32), completion.behavior_logprobs]
                versions += [
                    np.full(len(prompt), -1, dtype=np.int32),
                    np.where(completion.loss_mask, version, -1),
                ]
                prompt_lens.append(len(prompt))
                segments.append(segment)
        lengths = [len(p) + len(c) for p, c in zip(tokens[0::2], tokens[1::2], strict=True)]
        rollouts = [r for g in groups for r in g.rollouts]
        return cls(
            step=step,
            token_ids=np.concatenate(tokens).astype(np.int32),
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            prompt_lens=np.array(prompt_lens, dtype=np.int32),
            loss_mask=np.concatenate(masks),
            behavior_logprobs=np.concatenate(logprobs).astype(np.float32),
            token_versions=np.concatenate(versions).astype(np.int32),
            rewards=np.array([r.result.value for r in rollouts], dtype=np.float32),
            correct=np.array([r.result.correct for r in rollouts], dtype=bool),
            truncated=np.array([r.completion.truncated for r in rollouts], dtype=bool),
            demonstration=np.concatenate([np.full(len(g.rollouts), g.demonstration) for g in groups]),
            segment_ids=np.array(segments, dtype=np.int32),
            group_ids=np.array([g.group_id for g in groups], dtype=np.int64),
            temperature=temperatures.pop(),
            components=_components(rollouts),
            aux=_joined(groups),
            progress=progress,
        )


def _components(rollouts: list[Rollout]) -> dict[str, np.ndarray]:
    """Component -> [S] float64."""
    names = sorted({name for r in rollouts for name in r.result.components})
    return {name: np.array([r.result.components.get(name, 0.0) for r in rollouts]) for name in names}


def _joined(groups: list[RolloutGroup]) -> RolloutAux[np.ndarray]:
    """The groups' rows one after the other, of the fields that every group filled."""
    of_groups = [g.aux.to_dict() for g in groups]
    shared = set.intersection(*(set(given) for given in of_groups))
    return RolloutAux.from_dict({name: np.concatenate([g[name] for g in of_groups]) for name in shared})


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPass:
    """Sequences that went through a model once in a step, over all ranks; padding is not counted."""

    kind: str
    """``train`` (forward and backward of the policy), ``score`` (of the policy, forward only), ``reference``,
    ``critic_score``, ``critic_train``."""
    inputs: np.ndarray
    """[n] int64 tokens that were fed of each sequence."""
    predicted: int
    """Positions at which the head ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFigures:
    """The learner's figures of each sample of a training batch, for the records."""

    updated: np.ndarray
    """[S] bool, True where the sample was in an update of the policy that was applied."""
    advantage: np.ndarray
    """[S] float64 mean over the sample's loss tokens; NaN where there is none: without loss tokens, or
    shown."""
    gap_mean: np.ndarray
    """[S] float64 mean of |engine - learner| log-prob over the loss tokens, in nats, before the batch moved
    the weights; NaN where the learner did not score the sample then: without an advantage nothing is scored,
    and later updates are only where the loss reads the proximal policy."""
    gap_max: np.ndarray
    """[S] the largest of them."""
    token_advantages: np.ndarray | None = None
    """[N] float32, NaN where the loss mask is False; None unless tokens are recorded."""
    token_logprobs: np.ndarray | None = None
    """[N] float32 the learner's log-probs that the gap is made of, NaN elsewhere; None likewise."""

    @classmethod
    def merged(cls, ranks: "Sequence[SampleFigures | None]") -> "SampleFigures | None":
        """The figures of all ranks' samples: each rank scored its own, and knows the rest of all of them."""
        given = [figures for figures in ranks if figures is not None]
        if not given:
            return None
        found = given[0]
        for other in given[1:]:
            logprobs = found.token_logprobs
            if logprobs is not None and other.token_logprobs is not None:
                logprobs = _either(logprobs, other.token_logprobs)
            found = replace(
                found,
                gap_mean=_either(found.gap_mean, other.gap_mean),
                gap_max=_either(found.gap_max, other.gap_max),
                token_logprobs=logprobs,
            )
        return found


def _either(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(first), second, first)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """The outcome of one optimizer step, identical on every rank but for ``samples``."""

    applied: bool
    """False if the finite check stopped it: weights and optimizer are then untouched."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Keys ``learner/...`` and ``loss/...``; units in the name (``_s``, ``_tokens``)."""
    detail: dict[str, Any] = field(default_factory=dict)
    passes: tuple[ModelPass, ...] = ()
    """Passes of the models that were computed for it."""
    samples: SampleFigures | None = None
    """From a rank: the gaps of the samples that it scored. From all ranks together: of all. None unless
    rollouts are recorded."""
