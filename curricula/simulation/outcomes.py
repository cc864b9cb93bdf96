"""Rollouts of a simulated learner: Bernoulli draws that depend on seed, step, prompt and position alone."""

import numpy as np

from curricula.base import Plan
from curricula.simulation.rows import SimulatedPool
from rollout.types import (
    Completion,
    FinishReason,
    RewardResult,
    Rollout,
    RolloutGroup,
    SamplingConfig,
    VersionSpan,
)

MAX_GROUPS = 1 << 20
LENGTH_SPREAD = 0.25
"""Standard deviation of the logarithm of a completion's length around its prompt's mean."""


class Outcomes:
    """Makes the finished groups of plans.

    Rollout j of a prompt in a step is the same draw in every curriculum, however large its group and whatever
    else was chosen: differences between two curricula are not differences of luck.
    """

    def __init__(self, pool: SimulatedPool, *, sampling: SamplingConfig, seed: int) -> None:
        self.pool, self._sampling, self._seed = pool, sampling, seed
        self._made: dict[tuple[bool, int, bool, int], Rollout] = {}
        self._zeros = np.zeros(sampling.max_tokens, dtype=np.int32)

    def groups(
        self,
        plan: Plan,
        *,
        step: int,
        position: int,
        rates: np.ndarray,
        version: int,
        progress: float,
        drawn: dict[int, int],
    ) -> list[RolloutGroup]:
        """One group for each prompt of the plan.

        Args:
            plan: K prompts.
            step: the plan's.
            position: groups that the step had before.
            rates: [K] pass rates now.
            version: policy version that samples.
            progress: of training, in [0, 1].
            drawn: prompt index -> rollouts that it had in this step already (at an epoch's end, in a refill);
                brought up to date.
        """
        lengths = (
            None
            if self.pool.lengths is None
            else self.pool.lengths.at(plan.prompt_indices, progress=progress)
        )
        limits = np.full(len(rates), self._sampling.max_tokens)
        if plan.max_tokens is not None:
            limits = np.minimum(plan.max_tokens, limits)
        out = []
        for k, (index, count) in enumerate(
            zip(plan.prompt_indices.tolist(), plan.num_rollouts.tolist(), strict=True)
        ):
            limit = int(limits[k])
            before = drawn.get(index, 0)
            drawn[index] = before + count
            right = self._rng(step, index, 0).random(before + count)[before:] < rates[k]
            tokens = (
                np.ones(count, dtype=np.int64)
                if lengths is None
                else self._tokens(step, index, before, count, lengths[k])
            )
            rollouts = [
                self._rollout(
                    correct=r and n <= limit, length=min(n, limit), truncated=n > limit, version=version
                )
                for r, n in zip(right.tolist(), tokens.tolist(), strict=True)
            ]
            out.append(
                RolloutGroup(
                    group_id=step * MAX_GROUPS + position + k,
                    plan_step=step,
                    prompt=self.pool.prompts[index],
                    sampling=self._sampling.limited(limit),
                    rollouts=tuple(rollouts),
                )
            )
        return out

    def _rng(self, *key: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, *key])

    def _tokens(self, step: int, index: int, before: int, count: int, mean: float) -> np.ndarray:
        """[count] lengths, log-normal around the mean."""
        noise = self._rng(step, index, 1).standard_normal(before + count)[before:]
        return np.maximum(1, np.rint(mean * np.exp(LENGTH_SPREAD * noise - LENGTH_SPREAD**2 / 2))).astype(
            np.int64
        )

    def _rollout(self, *, correct: bool, length: int, truncated: bool, version: int) -> Rollout:
        """Rollouts are frozen, and there are few different ones: each is made once."""
        key = (correct, length, truncated, version)
        if key not in self._made:
            completion = Completion(
                token_ids=self._zeros[:length],
                behavior_logprobs=self._zeros[:length].astype(np.float32),
                loss_mask=np.ones(length, dtype=bool),
                spans=(VersionSpan(0, length, version),),
                finish_reason=FinishReason.LENGTH if truncated else FinishReason.STOP,
            )
            self._made[key] = Rollout(
                completion=completion, text="", result=RewardResult(value=float(correct), correct=correct)
            )
        return self._made[key]
