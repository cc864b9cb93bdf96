"""The probe: which tokens engines and learner are compared on, and how large a gap may be.

Two programs never compute the same log-probs; how far they are apart depends on number formats, model and
tokens. So the gap is measured once before anything is trained, where both hold the same files, on completions
that the engines sampled (``WeightSync.calibrate``), and what follows is judged by it. Later versions are
compared on the newest completions: tokens that a policy has become unlikely to write have large gaps of
their own.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rl.batch.types import TrainingBatch
from rl.stream.plans import request_seeds
from rollout.types import GroupRequest, Prompt, SamplingConfig

if TYPE_CHECKING:
    from rl.config.schema import Config

logger = logging.getLogger(__name__)

PROBE_GROUP_IDS = 3 << 60
"""Ids of the groups that are sampled for the calibration; no other group's."""
NUM_SEQUENCES = 4
PROMPT_TOKENS = 96
"""The last ones of a prompt; engines hold [tokens, vocabulary] log-probs of what they score."""
COMPLETION_TOKENS = 32
"""The first ones of a completion."""
LOW_PRECISION_GAP = 0.5
"""Nats a token between engine and learner on the untouched base, of which at least one computes in half
precision: more than that (bf16 measured .01 to .15) is another model."""
AT_ONCE = 4.0
"""Times the limit: such a gap is not looked at twice."""


@dataclass(frozen=True, slots=True)
class ProbeSequence:
    """A completion with the end of its prompt; only the completion counts."""

    token_ids: list[int]
    first: int
    """Index of the first token that counts; at least 1."""


class WeightMismatch(RuntimeError):
    """Engine and learner disagree right after a push: the weights that serve are not the weights that
    train."""


def probe_sequence(prompt: Sequence[int], completion: Sequence[int]) -> ProbeSequence:
    """One of at most ``PROMPT_TOKENS`` + ``COMPLETION_TOKENS`` tokens."""
    kept = list(prompt[-PROMPT_TOKENS:])
    return ProbeSequence([*kept, *completion[:COMPLETION_TOKENS]], len(kept))


def newest_sequences(batch: TrainingBatch) -> list[ProbeSequence]:
    """Sampled completions of a batch, evenly chosen; fewer than ``NUM_SEQUENCES`` where it has fewer."""
    lengths = np.diff(batch.offsets) - batch.prompt_lens
    sampled = np.flatnonzero(~batch.demonstration & (lengths > 0) & (batch.prompt_lens > 0))
    sequences = []
    for sample in sampled[_even(len(sampled))]:
        tokens = batch.token_ids[batch.offsets[sample] : batch.offsets[sample + 1]].tolist()
        prompt = int(batch.prompt_lens[sample])
        sequences.append(probe_sequence(tokens[:prompt], tokens[prompt:]))
    return sequences


def _even(count: int) -> np.ndarray:
    """Up to ``NUM_SEQUENCES`` indices below ``count``, evenly chosen."""
    return np.unique(np.linspace(0, count - 1, min(NUM_SEQUENCES, count)).astype(int))


def calibration_requests(prompts: Sequence[Prompt], config: "Config") -> list[GroupRequest]:
    """One completion of each of a few train prompts, always the same ones."""
    chosen = [prompts[i] for i in _even(len(prompts))]
    sampling = SamplingConfig(
        temperature=config.rollout.temperature, max_tokens=min(COMPLETION_TOKENS, config.rollout.max_tokens)
    )
    return [
        GroupRequest(
            group_id=PROBE_GROUP_IDS + index,
            prompt_token_ids=prompt.token_ids,
            seeds=request_seeds(config.run.seed, PROBE_GROUP_IDS + index, 1),
            sampling=sampling,
        )
        for index, prompt in enumerate(chosen)
    ]


def nominal_lengths(requests: Sequence[GroupRequest]) -> list[int]:
    """Tokens of each probe sequence, for counting what the probe costs; completions at their longest."""
    return [min(len(r.prompt_token_ids), PROMPT_TOKENS) + r.sampling.max_tokens for r in requests]


def gap(
    sequences: Sequence[ProbeSequence], learner: list[list[float]], engines: list[list[list[float]]]
) -> float | None:
    """Worst engine's mean absolute difference over the tokens that count, nats; None where no engine is left
    (that is the fleet's business, not a mismatch).

    Args:
        sequences: what was scored.
        learner: [sequences][T - 1] log-probs of tokens 1..T-1.
        engines: [engines][sequences][T - 1] of the same.
    """
    firsts = [s.first - 1 for s in sequences]
    gaps = []
    for engine in engines:
        differences = [
            abs(a - b)
            for first, x, y in zip(firsts, learner, engine, strict=True)
            for a, b in zip(x[first:], y[first:], strict=True)
        ]
        gaps.append(float(np.mean(differences)))
    return max(gaps, default=None)


class GapJudge:
    """Judges each probe's gap. The limit is ``factor`` times the calibrated gap, and never below ``floor``.

    A gap over the limit is a warning, the second one in a row ends the run, and so does at once one over
    ``AT_ONCE`` times the limit, or one that is no number.
    """

    def __init__(self, *, floor: float, factor: float, exact: bool) -> None:
        """``exact``: engine and learner both compute in float32, so that even the first gap must keep to
        ``floor``."""
        self._floor, self._factor = floor, factor
        self._largest_first = floor if exact else max(floor, LOW_PRECISION_GAP)
        self._limit = self._largest_first
        """Until it is calibrated."""
        self._warned = False

    @property
    def limit(self) -> float:
        """Nats a token."""
        return self._limit

    def calibrate(self, first: float) -> None:
        """Take the gap of the untouched weights.

        Raises:
            WeightMismatch: it is more than number formats explain.
        """
        if not first <= self._largest_first:
            raise WeightMismatch(
                f"before anything was trained, engine and learner log-probs differ by {first:.2e} nats a"
                f" token on completions of the base (at most {self._largest_first:g} is rounding): they do"
                " not compute the same model; check rollout.engine_args and the base's files, or raise"
                " rollout.probe_tolerance if that is how it should be"
            )
        self._limit = max(self._floor, self._factor * first)
        logger.info("probe: engine and learner differ by %.1e nats a token, limit %.1e", first, self._limit)

    def judge(self, version: int, found: float) -> None:
        """Warn or end.

        Raises:
            WeightMismatch: the weights that serve are not those that train.
        """
        if found <= self._limit:
            self._warned = False
            return
        said = (
            f"version {version}: engine and learner log-probs differ by {found:.2e} nats a token on"
            f" sampled completions, limit {self._limit:.2e} (the larger of"
            f" rollout.probe_tolerance={self._floor:g} and"
            f" rollout.probe_factor={self._factor:g} times the gap of the untouched base)"
        )
        if self._warned or not found <= AT_ONCE * self._limit:
            raise WeightMismatch(said)
        logger.warning("%s; a second one in a row ends the run", said)
        self._warned = True
