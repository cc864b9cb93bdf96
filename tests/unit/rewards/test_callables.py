"""Functions as TRL takes them are rewards as they are."""

from pathlib import Path
from typing import Any

import pytest

from rewards import build_reward, check_reward
from rollout.types import Prompt, RewardResult

PROMPT = Prompt(id="p", text="?", token_ids=(), answer="42", difficulty=1, metadata={"level": 4})


@pytest.fixture(autouse=True)
def on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def judged(name: str, text: str, prompt: Prompt = PROMPT, **args: Any) -> RewardResult:
    return build_reward(f"callable_examples:{name}", args)(prompt, text, truncated=False)


def test_a_function_is_known_by_its_signature() -> None:
    assert judged("contains_answer", "it is 42").correct
    wrong = judged("contains_answer", "it is 41")
    assert (wrong.value, wrong.correct, wrong.reason) == (0.0, False, "wrong")


def test_it_gets_the_columns_that_it_names() -> None:
    assert judged("only_named", "ab").value == 0.5  # 2 characters by level 4


def test_none_is_not_applicable_and_left_out_of_a_rubric() -> None:
    assert judged("only_hard", "x").reason == "not applicable"
    args = {
        "components": {"math": {"reward": "math"}, "hard": {"reward": "callable_examples:only_hard"}},
        "correct": "math",
    }
    reward = build_reward("rubric", args)
    easy, hard = PROMPT, Prompt(id="h", text="?", token_ids=(), answer="42", difficulty=3)
    assert reward(easy, "#### 42", truncated=False).components == {"math": 1.0}
    assert reward(hard, "#### 42", truncated=False).value == 2.0


def test_chats_coroutines_and_factories() -> None:
    assert judged("chats", "42", conversational=True).correct
    assert judged("later", "x").value == 0.5
    assert judged("make_scaled", "abcd", factor=0.25).value == 1.0


def test_columns_can_be_renamed_and_constants_given() -> None:
    check_reward(build_reward("callable_examples:target_column", {"columns": {"target": "answer"}}), [PROMPT])
    assert judged("target_column", "42", columns={"target": "answer"}, bonus=0.5).value == 1.5
    with pytest.raises(
        ValueError, match=r"needs the column 'target'; there are .*columns: \{target: answer\}"
    ):
        check_reward(build_reward("callable_examples:target_column"), [PROMPT])


def test_what_counts_as_correct_is_an_argument() -> None:
    assert judged("later", "x", correct_at=0.5).correct
    assert not judged("later", "x").correct


def test_refusals() -> None:
    with pytest.raises(ValueError, match="needs completion_ids; verifiers see text"):
        build_reward("callable_examples:needs_ids")
    with pytest.raises(ValueError, match=r"takes no \['bonsu'\]"):
        build_reward("callable_examples:target_column", {"bonsu": 1})
    with pytest.raises(ValueError, match="returned 2 values for one completion"):
        judged("two_for_one", "x")


def test_blank_text_is_wrong_without_asking() -> None:
    assert judged("later", " \n").reason == "empty"
