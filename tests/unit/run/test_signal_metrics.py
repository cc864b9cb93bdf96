"""Figures in which a gamed reward shows: repetition, one text for all, length that pays, reasons."""

import numpy as np
import pytest

from rl.run.signal_metrics import FEWEST_TOKENS, length_correlation, repeats_itself, signal_metrics
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


def rollout(tokens, value=0.0, text="", reason="") -> Rollout:
    ids = np.asarray(list(tokens), dtype=np.int32)
    completion = Completion(
        token_ids=ids,
        behavior_logprobs=np.zeros(len(ids), dtype=np.float32),
        loss_mask=np.ones(len(ids), dtype=bool),
        spans=(VersionSpan(0, len(ids), 0),),
        finish_reason=FinishReason.STOP,
    )
    result = RewardResult(value=value, correct=value == 1, reason=reason)
    return Rollout(completion=completion, text=text, result=result)


def group(*rollouts: Rollout) -> RolloutGroup:
    prompt = Prompt(id="p", text="", token_ids=(1,), answer="")
    return RolloutGroup(group_id=0, plan_step=0, prompt=prompt, sampling=SamplingConfig(), rollouts=rollouts)


def test_a_loop_repeats_itself_and_a_text_of_its_length_does_not() -> None:
    assert repeats_itself(rollout([1, 2, 3] * 20))
    assert not repeats_itself(rollout(range(60)))
    assert not repeats_itself(rollout([7] * (FEWEST_TOKENS - 1))), "too short to tell"
    stuck = [*range(300), *[5, 6] * 200]
    assert repeats_itself(rollout(stuck)), "the end is what counts"


def test_lengths_are_compared_inside_their_groups() -> None:
    # Long prompts are wrong, but inside each group the longer rollout is right.
    short = group(rollout(range(10), 1.0), rollout(range(5), 0.0))
    long = group(rollout(range(100), 0.0), rollout(range(105), 1.0), rollout(range(95), 0.0))
    found = length_correlation([short, long])
    assert found is not None and found > 0.8
    assert length_correlation([group(rollout(range(10), 1.0), rollout(range(5), 1.0))]) is None
    assert length_correlation([]) is None


def test_the_commonest_text_and_the_reasons_of_a_step() -> None:
    rollouts = [rollout([1], 1.0, "box")] * 6
    rollouts += [rollout([1, 2], 0.0, "other", "wrong"), rollout([3], 0.0, "x", "No answer: none given")]
    figures = signal_metrics([group(*rollouts)])
    assert figures["rollout/commonest_share"] == pytest.approx(6 / 8)
    assert figures["reward/reason_no_answer"] == pytest.approx(1 / 8)
    assert "reward/reason_wrong" not in figures
    assert figures["rollout/repetition_share"] == 0 and figures["reward/length_corr"] < 0
    assert signal_metrics([]) == {}
