"""Rewards by name and by import path, and what is said when that fails."""

import pytest

from rewards import build_reward
from rewards.exact import ExactReward
from rollout.types import Prompt


def test_a_name_and_an_import_path_make_the_same_reward() -> None:
    assert isinstance(build_reward("exact"), ExactReward)
    assert isinstance(build_reward("rewards.exact:ExactReward"), ExactReward)


def test_arguments_reach_the_reward() -> None:
    prompt = Prompt(id="p", text="?", token_ids=(), answer="Paris")
    assert not build_reward("exact")(prompt, "paris", truncated=False).correct
    assert build_reward("exact", {"ignore_case": True})(prompt, "paris", truncated=False).correct


def test_the_shipped_example_of_an_own_reward() -> None:
    reward = build_reward("examples.own_reward:BriefMath", {"max_penalty": 0.5, "max_characters": 20})
    prompt = Prompt(id="p", text="?", token_ids=(), answer="42")
    result = reward(prompt, "#### 42   ", truncated=False)  # 10 of 20 characters: half of the penalty
    assert (result.value, result.correct) == (0.75, True)
    assert result.components == {"math": 1.0, "brevity": -0.25}
    assert reward(prompt, "#### 41", truncated=False).value == 0.0


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("maths", {}, r"'maths' is unknown; use one of .*'math'"),
        (
            "no.such.module:Reward",
            {},
            "cannot import 'no.such.module' .ModuleNotFoundError.*path/to/file.py:attr",
        ),
        ("rewards.exact:NoReward", {}, "no class or function 'NoReward'"),
        ("rewards.maths:MAX_ANSWER", {}, "no class or function 'MAX_ANSWER'"),
        ("exact", {"ignore_caps": True}, "does not take reward_args.*ignore_caps"),
        ("rewards.exact:example", {}, "returned tuple"),
        ("rewards.maths:same_answer", {}, "attr must be a class or function that takes reward_args"),
    ],
)
def test_errors_name_the_reward_and_the_fix(name: str, args: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_reward(name, args)
