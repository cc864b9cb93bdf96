"""Rewards of users: found by path, accepted by a rule or refused by name, and what they raise is named with
its place."""

import sys
from pathlib import Path
from typing import Any

import pytest

from rewards import build_reward, modules_of
from rewards.user_functions.callables import CallableReward
from rewards.user_functions.foreign import attempt, describe
from rewards.user_functions.returned import ask
from rewards.verdicts import NOT_APPLICABLE, NOT_FINITE
from rl.run.prepare.reward_trial import is_own, try_reward
from rollout.types import Failure, Prompt, RewardResult
from rollout.user_code import absolute_target, absolute_targets, load_module

FILE = str(Path(__file__).with_name("own_rewards.py"))
PROMPT = Prompt(id="p", text="2 + 2 =", token_ids=(), answer="4", category="sums", metadata={"level": 3})
OPTIONS: dict[str, Any] = {"timeout_s": 20.0, "start_timeout_s": 60.0}


def judged(name: str, text: str = "4", *, truncated: bool = False, **args: Any) -> RewardResult:
    return ask(build_reward(f"{FILE}:{name}", args), PROMPT, text, truncated=truncated)


@pytest.mark.parametrize(
    ("kind", "value", "correct"),
    [
        ("float", 0.5, False),
        ("int", 1.0, True),
        ("true", 1.0, True),
        ("numpy", 1.0, True),
        ("array", 1.0, True),
        ("fields", 1.0, True),
        ("score", 0.25, True),
    ],
)
def test_what_a_reward_may_return(kind: str, value: float, correct: bool) -> None:
    result = judged("Returns", kind=kind)
    assert (result.value, bool(result.correct), result.judged) == (value, correct, True)


def test_components_and_what_counts_as_correct() -> None:
    assert judged("Returns", kind="score").components == {"acc": 1.0, "form": 1.0}
    assert judged("Returns", kind="float", correct_at=0.5).correct
    assert judged("Returns", kind="float", truncated=True).reason == "truncated"


@pytest.mark.parametrize(
    ("kind", "reason", "failure"),
    [
        ("none", "not applicable", Failure.NOT_APPLICABLE),
        ("nan", "error: non-finite value", Failure.NOT_FINITE),
    ],
)
def test_no_verdict(kind: str, reason: str, failure: Failure) -> None:
    assert judged("Returns", kind=kind) == RewardResult.unjudged(reason, failure)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "scalar",
            r"returned float \(1.0\) for a list of completions; return a list with one value for each",
        ),
        ("too_many", "returned 3 values for one completion; return one for each"),
    ],
)
def test_lists_that_are_none(name: str, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        judged(name)
    assert judged("nan") == NOT_FINITE


@pytest.mark.parametrize(
    ("kind", "name"), [("text", r"str \('right'\)"), ("list", r"list \(\[1.0\]\)"), ("two", "ndarray")]
)
def test_what_it_may_not(kind: str, name: str) -> None:
    with pytest.raises(TypeError, match=f"the reward returned {name}.*; return a RewardResult, or a number"):
        judged("Returns", kind=kind)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("plain", 1.0),
        ("answered", 1.0),
        ("of_prompt", 1.0),
        ("later", 3.0),
        ("compute_score", 1.0),
        ("ready", 1.0),
        ("chat", 1.0),
        ("bools", 1.0),
        ("asynchronous", 0.5),
        ("tensors", 1.0),
        ("abstains", 1.0),
    ],
)
def test_functions_are_known_by_their_parameters(name: str, value: float) -> None:
    assert judged(name).value == value
    assert judged(name).correct == (value >= 1)


def test_functions_take_constants_and_say_what_they_lack() -> None:
    assert judged("answered", scale=0.5).value == 0.5
    assert judged("asynchronous", correct_at=0.5).correct
    assert judged("compute_score").components == {"length": 1.0}
    assert judged("abstains", "?") == NOT_APPLICABLE
    assert not judged("chat", "5").correct
    with pytest.raises(
        ValueError, match=r"the function has a parameter 'judge' that nothing fills; there are .*'answer'"
    ):
        judged("unfilled")
    with pytest.raises(ValueError, match=r"the function takes no \['scale'\]; it takes \['prompt', 'text'\]"):
        judged("plain", scale=2.0)


def test_an_error_in_a_function_that_reads_text_is_its_own_not_that_of_the_chats_tried_after_it() -> None:
    def broken(completions: list[str], **columns: Any) -> list[float]:
        return [float(text.strip() / 2) for text in completions]  # type: ignore[operator]

    with pytest.raises(TypeError, match="unsupported operand"):
        CallableReward(broken)(PROMPT, "4", truncated=False)


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("Raises", {}, r"judged none of 4 trial completions.*KeyError at .*own_rewards.py:15: 'solution'"),
        ("Returns", {"kind": "none"}, "returned None"),
        (
            "longest",
            {},
            (
                r"depend on the other completions of the list \(\['0.0', '1.0'\] together, \['1.0', '1.0'\]"
                r" each alone"
            ),
        ),
    ],
)
def test_a_reward_that_judges_nothing_is_refused_before_training(
    name: str, args: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        try_reward(f"{FILE}:{name}", args, [PROMPT, PROMPT], OPTIONS, may_abstain=False)


OTHER = Prompt(id="q", text="3 + 4 =", token_ids=(), answer="7", category="sums")


def test_a_reward_that_can_be_gamed_is_found_on_trial_and_a_strict_one_is_not() -> None:
    found = try_reward(f"{FILE}:any_box", {}, [PROMPT, OTHER], OPTIONS, may_abstain=False)
    figures = found.metrics()
    assert figures["reward/battery_tried"] > figures["reward/battery_accepted"] > 0
    assert figures["reward/battery_format_only"] >= 2 and figures["reward/battery_other_gold"] == 2
    assert found.metrics() == {}, "said with the first step alone"
    found = try_reward(f"{FILE}:exact", {}, [PROMPT, OTHER], OPTIONS, may_abstain=False)
    assert found.tried > 20 and found.accepted == {}


def test_a_reward_whose_verdicts_are_dear_is_asked_once_and_not_for_the_battery(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    found = try_reward(f"{FILE}:Dear", {"asked": str(asked)}, [PROMPT], OPTIONS, may_abstain=False)
    assert found.tried == 0
    assert len(asked.read_text().split()) == 3, "two on trial, and one that told what they cost"


def test_an_outage_on_trial_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    try_reward(f"{FILE}:Outage", {}, [PROMPT], OPTIONS, may_abstain=False)
    assert "did not judge every one of 2 trial completions: error: ConnectionError at" in caplog.text
    assert "own_rewards.py:21: judge is down" in caplog.text
    caplog.clear()
    try_reward(f"{FILE}:plain", {}, [PROMPT], OPTIONS, may_abstain=False)
    assert not caplog.text


def test_a_slow_trial_is_a_warning_with_the_setting(caplog: pytest.LogCaptureFixture) -> None:
    try_reward(f"{FILE}:Sleeps", {}, [PROMPT], {**OPTIONS, "timeout_s": 0.2}, may_abstain=False)
    assert "took longer than 0.2 s for a trial completion; raise verifiers.timeout_s" in caplog.text


def test_only_rewards_of_the_users_own_are_tried() -> None:
    assert is_own("rw.py:fn", {}) and is_own("rubric", {"components": {"a": {"reward": "pkg.mod:Mine"}}})
    assert not is_own("math", {}) and not is_own(
        "rubric", {"components": {"a": {"reward": "math", "args": {"note": "a: b"}}}}
    )


def test_a_file_named_like_a_package_of_ours_is_loaded_by_path_and_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "helper.py").write_text("VALUE = 0.75\n")
    (tmp_path / "rewards.py").write_text(
        "import helper\ndef mine(text: str) -> float:\n    return helper.VALUE\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = sys.modules["rewards"]
    reward = build_reward("rewards.py:mine")
    assert reward(PROMPT, "4", truncated=False).value == 0.75
    assert sys.modules["rewards"] is before and sys.path[-1] == str(tmp_path)
    assert load_module("rewards.py") is load_module(str(tmp_path / "rewards.py"))
    assert modules_of("rewards.py:mine") == ["rewards.py"]


def test_paths_are_made_absolute_where_they_name_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute_target("my/rw.py:fn") == f"{tmp_path}/my/rw.py:fn"
    given = {"components": {"a": {"reward": "rw.py:fn"}, "b": {"reward": "math"}}, "labels": ["a:b", 3]}
    made = absolute_targets(given)
    assert made["components"]["a"]["reward"] == f"{tmp_path}/rw.py:fn"
    assert (made["components"]["b"], made["labels"]) == (given["components"]["b"], given["labels"])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def mine(text:\n", r"SyntaxError at broken.py:1"),
        ("import no_such_thing\n", r"ModuleNotFoundError at broken.py:1: No module named 'no_such_thing'"),
        ("x = 1 / 0\n", "ZeroDivisionError at broken.py:1: division by zero"),
    ],
)
def test_a_file_that_cannot_be_imported_is_named_with_its_line(
    source: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        build_reward("broken.py:mine")
    with pytest.raises(ValueError, match=r"missing.py: no such file"):
        build_reward("missing.py:mine")


def test_an_error_outside_the_users_code_has_no_place() -> None:
    _, error = attempt(lambda: [].pop())
    assert error is not None and "test_own_rewards.py" in describe(error)
    assert describe(KeyError("x")) == "KeyError: 'x'"
