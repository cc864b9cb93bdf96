"""maj@k of a judged group."""

import numpy as np
import pytest

from rewards.final_answers import answer_of
from rl.evaluation.majority import majority_of
from rollout.types import (
    Completion,
    FinishReason,
    Prompt,
    RewardResult,
    Rollout,
    RolloutGroup,
    SamplingConfig,
    VersionSpan,
)


def rollout(text: str, correct: bool) -> Rollout:
    completion = Completion(
        token_ids=np.array([1]),
        behavior_logprobs=np.zeros(1),
        loss_mask=np.ones(1, dtype=bool),
        spans=(VersionSpan(0, 1, 0),),
        finish_reason=FinishReason.STOP,
    )
    return Rollout(
        completion=completion, text=text, result=RewardResult(value=float(correct), correct=correct)
    )


def group(*samples: tuple[str, bool]) -> RolloutGroup:
    return RolloutGroup(
        group_id=0,
        plan_step=-1,
        prompt=Prompt(id="p", text="", token_ids=(0,), answer="0.5"),
        sampling=SamplingConfig(),
        rollouts=tuple(rollout(*sample) for sample in samples),
        issues=1,
        issued_at=0.0,
        finished_at=0.0,
    )


def test_right_answers_vote_together_however_they_are_written() -> None:
    columns = majority_of(answer_of("math", {}), [1, 2, 4], seed=0)
    half = group(("\\boxed{1/2}", True), ("\\boxed{0.5}", True), ("\\boxed{3}", False), ("", False))
    assert columns(half) == {"majority": {"4": 1.0}}
    tie = group(("\\boxed{1/2}", True), ("\\boxed{3}", False), ("\\boxed{4}", False), ("", False))
    assert columns(tie)["majority"] == {"4": pytest.approx(1 / 3)}
    lost = group(("\\boxed{1/2}", True), ("\\boxed{3}", False), ("so \\boxed{3}", False), ("", False))
    assert columns(lost)["majority"] == {"4": 0.0}
    assert columns(group(("\\boxed{1/2}", True))) == {}
