"""Rewards that read an answer look behind the thinking, whoever opened it and whatever its tags are; cut-off
tags withdraw."""

from typing import Any

import pytest

from rewards import build_reward
from rollout.types import Prompt

OWN = ("[THINK]", "[/THINK]")
SCHEMA = {"schema": {"type": "integer"}}
GCD = {"dataset": "gcd", "config": {}, "entry": {"answer": "4", "metadata": {}}, "answer_format": "plain"}
REWARDS: list[tuple[str, dict[str, Any], dict[str, Any], str, str]] = [
    # name, arguments, metadata, a right final text, a wrong one; the answer is 4
    ("exact", {"normalise": True}, {}, "4", "3"),
    ("f1", {}, {}, "4", "3"),
    ("regex", {"pattern": "4"}, {}, "4", "3"),
    ("json_schema", {}, SCHEMA, "4", "three"),
    ("multiple_choice", {"labels": ["3", "4"]}, {}, "Answer: 4", "Answer: 3"),
    ("judgement", {"labels": ["4", "3", "5"]}, {}, "Answer: 4", "Answer: 3"),
    ("reasoning_gym", {"extraction": "whole"}, GCD, "4", "3"),
    ("reasoning_gym", {"extraction": "last_number"}, GCD, "It is 4", "It is 3"),
]


def judged(
    reward: tuple[str, dict[str, Any], dict[str, Any]],
    text: str,
    asked: str = "q",
    tags: tuple[str, str] | None = None,
) -> bool:
    name, args, metadata = reward
    prompt = Prompt(
        id="p",
        text=asked,
        token_ids=(),
        answer="4",
        metadata=metadata,
        thinking_tags=tags or ("<think>", "</think>"),
    )
    return build_reward(name, args)(prompt, text, truncated=False).correct


@pytest.mark.parametrize(
    ("name", "args", "metadata", "right", "wrong"), REWARDS, ids=[f"{r[0]} {r[1]}" for r in REWARDS]
)
def test_thinking(name: str, args: dict[str, Any], metadata: dict[str, Any], right: str, wrong: str) -> None:
    reward = (name, args, metadata)
    assert judged(reward, right)
    assert not judged(reward, wrong)
    assert judged(reward, f"<think>{wrong}</think>\n{right}")
    assert not judged(reward, f"<think>{right}</think>\n{wrong}")
    assert not judged(reward, f"<think>{wrong}\n{right}")
    assert not judged(reward, f"<think>{wrong}</think>{right}<think>or")
    # opened by the prompt
    assert not judged(reward, right, "q <think>\n")
    assert judged(reward, f"{wrong}</think>{right}", "q <think>\n")
    assert judged(reward, right, "q <think>\n\n</think>\n\n")
    # tags of the policy's own
    assert judged(reward, f"[THINK]{wrong}[/THINK]{right}", tags=OWN)
    assert not judged(reward, right, "q[THINK]", OWN)


TAGGED = [reward for reward in REWARDS if reward[0] != "reasoning_gym"] + [
    ("reasoning_gym", {"extraction": "answer_tags"}, GCD, "4", "3")
]


@pytest.mark.parametrize(
    ("name", "args", "metadata", "right", "wrong"), TAGGED, ids=[f"{r[0]} {r[1]}" for r in TAGGED]
)
def test_answer_tags(
    name: str, args: dict[str, Any], metadata: dict[str, Any], right: str, wrong: str
) -> None:
    reward = (name, args, metadata)
    assert judged(reward, f"So <answer>{right}</answer>")
    assert judged(reward, f"<answer>{wrong}</answer> no: <answer>{right}</answer>")
    assert not judged(reward, f"<answer>{right}</answer> no: <answer>{wrong}</answer>")
    assert not judged(reward, f"<answer>{right}</answer> no: <answer>")
    assert not judged(reward, f"<answer>{right}</answer> no: <answer>{wrong}")
    assert not judged(reward, f"<answer>{right}")


FORM = [
    # prompt, completion, arguments of format, full marks
    ("q", "<think>a</think><answer>4</answer>", {}, True),
    ("q\n<think>", "a</think><answer>4</answer>", {}, True),
    ("q\n<think>\n", "a\n</think>\n<answer>4</answer>", {}, True),
    ("q\n<think>", "<think>a</think><answer>4</answer>", {}, False),  # opened twice
    ("q\n<think>", "<answer>4</answer>", {}, False),
    ("q\n<think>", "a<answer>4</answer>", {}, False),
    ("q\n<think>", "</think><answer>4</answer>", {}, False),  # nothing thought
    ("q\n<think>", "</think><answer>4</answer>", {"filled": False}, True),
    ("q\n<think></think>\n", "<answer>4</answer>", {"tags": ["answer"]}, True),
    ("q\n<think></think>\n", "a</think><answer>4</answer>", {}, False),
    ("q\n<think>Okay,", "a</think><answer>4</answer>", {}, True),  # begun by the prompt
    ("Think in <think>, answer in <answer>. q", "<think>a</think><answer>4</answer>", {}, True),
    ("Write <think>x</think><answer>y</answer>. q", "<think>a</think><answer>4</answer>", {}, True),
    ("Write <think>x</think><answer>y</answer>. q", "a</think><answer>4</answer>", {}, False),
    ("q\n<think>", "a</think>It is 4.", {"tags": ["think"], "rest": "required"}, True),
    ("q\n<think>", "It is 4.", {"tags": ["think"], "rest": "required"}, False),
    ("q\n<reasoning>", "a</reasoning><answer>4</answer>", {"tags": ["reasoning", "answer"]}, True),
    ("q\n<reasoning>", "<answer>4</answer>", {"tags": ["reasoning", "answer"]}, False),
]


@pytest.mark.parametrize(("asked", "text", "args", "full"), FORM)
def test_format_counts_what_the_prompt_opened(
    asked: str, text: str, args: dict[str, Any], full: bool
) -> None:
    prompt = Prompt(id="p", text=asked, token_ids=(), answer="4")
    assert build_reward("format", args)(prompt, text, truncated=False).correct is full
    assert build_reward("format", {**args, "mode": "soft"})(prompt, text, truncated=False).correct is full


def test_format_and_tag_count_know_the_policys_own_tags() -> None:
    prompt = Prompt(id="p", text="q", token_ids=(), answer="4", thinking_tags=OWN)
    opened = Prompt(id="p", text="q[THINK]", token_ids=(), answer="4", thinking_tags=OWN)
    for name in ("format", "tag_count"):
        reward = build_reward(name)
        assert reward(prompt, "[THINK]a[/THINK]<answer>4</answer>", truncated=False).correct
        assert reward(opened, "a[/THINK]<answer>4</answer>", truncated=False).correct
        assert not reward(prompt, "<think>a</think><answer>4</answer>", truncated=False).correct
        assert not reward(opened, "a<answer>4</answer>", truncated=False).correct


TRUNCATED = [
    ("exact", {}, "4", False),
    ("exact", {"normalise": True}, "4", False),
    ("exact", {"normalise": True}, "<answer>4</answer> and", True),
    ("f1", {}, "4", False),
    ("f1", {}, "<answer>4</answer> and", True),
    ("regex", {"pattern": r"\d"}, "4", False),
    ("regex", {"pattern": r"\d"}, "<answer>4</answer> and", True),
    ("regex", {"pattern": r"\d", "match": "search"}, "It is 4 and", True),
    ("regex", {"pattern": "", "match": "search"}, "<think>", False),
]


@pytest.mark.parametrize(("name", "args", "text", "right"), TRUNCATED)
def test_a_text_that_was_cut_off_might_have_gone_on(
    name: str, args: dict[str, Any], text: str, right: bool
) -> None:
    prompt = Prompt(id="p", text="q", token_ids=(), answer="4")
    result = build_reward(name, args)(prompt, text, truncated=True)
    assert (result.correct, bool(result.reason)) == (right, not right)
