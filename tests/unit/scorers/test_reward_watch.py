"""A failing reward is named at once, each way once; one that judges nothing of the first batch ends the run
as the user's input."""

import asyncio
import logging

import pytest

from rewards.verdicts import NOT_APPLICABLE
from rl.scorers.reward_watch import MOST_KINDS, BrokenReward, RewardWatch
from rollout.types import Failure, Prompt, RewardResult
from tests.unit.run.test_controller import Scorer, build

PROMPT = Prompt(id="p7", text="q", token_ids=(1,), answer="1")
RIGHT = RewardResult(value=1.0, correct=True)
DOWN = RewardResult.unjudged("error: ConnectionError at rw.py:15: judge is down", Failure.ERROR)


def test_each_kind_is_named_once_with_its_place(caplog: pytest.LogCaptureFixture) -> None:
    watch = RewardWatch("rw.py:Mine", first_batch=4)
    other = RewardResult.unjudged("error: ConnectionError at rw.py:15: another message", Failure.ERROR)
    died = RewardResult.unjudged("crash", Failure.CRASH)
    watch.see(PROMPT, [RIGHT, DOWN, other, died, NOT_APPLICABLE])
    watch.see(PROMPT, [DOWN, died])
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    first = caplog.records[0].getMessage()
    assert (
        "rw.py:Mine could not judge a sample of prompt p7" in first
        and "ConnectionError at rw.py:15: judge is down" in first
    )


def test_kinds_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    watch = RewardWatch("m:f", first_batch=1)
    raised = [RewardResult.unjudged(f"error: E at f.py:{line}: x", Failure.ERROR) for line in range(50)]
    watch.see(PROMPT, [RIGHT, *raised])
    assert len(caplog.records) == MOST_KINDS + 1
    assert "more than 10 ways" in caplog.records[-1].getMessage()


def test_nothing_judged_in_the_first_batch_ends_the_run_and_later_outages_do_not() -> None:
    watch = RewardWatch("rw.py:Mine", first_batch=4)
    watch.see(PROMPT, [DOWN, DOWN])
    with pytest.raises(
        BrokenReward, match=r"none of the first 4 samples.*ConnectionError at rw.py:15: judge is down"
    ) as caught:
        watch.see(PROMPT, [DOWN, DOWN])
    assert isinstance(caught.value, ValueError)  # the user's input: exit code 2
    watch = RewardWatch("rw.py:Mine", first_batch=4)
    watch.see(PROMPT, [DOWN, DOWN, RIGHT])
    watch.see(PROMPT, [DOWN] * 40)


def test_the_loops_end_with_the_reward_as_the_cause() -> None:
    class Down(Scorer):
        async def score(self, prompt, texts, truncated):
            return [DOWN] * len(texts)

    controller = build(steps=4)
    controller.parts.service._scorer = Down()
    controller.parts.service._watch = RewardWatch("rw.py:Mine", first_batch=24)
    with pytest.raises(BrokenReward, match="none of the first 24 samples"):
        asyncio.run(controller.run())
    assert controller.parts.learner.batches == [] and controller.state.version == 0
