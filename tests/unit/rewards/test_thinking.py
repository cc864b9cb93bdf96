"""Thinking and answer are told apart also where the prompt opens the thinking."""

import pytest

from rewards.thinking import after_thinking, opened_by
from rollout.types import Prompt


def prompt(text: str = "q", tags: tuple[str, str] = ("<think>", "</think>")) -> Prompt:
    return Prompt(id="p", text=text, token_ids=(), answer="4", thinking_tags=tags)


@pytest.mark.parametrize(
    ("text", "opened", "answer"),
    [
        ("4", False, "4"),
        ("<think>3</think>4", False, "4"),
        ("3</think>4", False, "4"),
        ("3</think>4", True, "4"),
        ("<think>3, so 4", False, ""),
        ("3, so 4", True, ""),
        ("<think>3</think>4<think>or 5", False, ""),
        ("<think>3</think>4<think>5?</think>6", False, "6"),
    ],
)
def test_only_what_follows_the_thinking_is_an_answer(text: str, opened: bool, answer: str) -> None:
    asked = prompt("<|im_start|>assistant\n<think>\n" if opened else "<|im_start|>assistant\n")
    assert opened_by(asked) is opened
    assert after_thinking(asked, text) == answer


def test_a_closed_thinking_in_the_prompt_opens_nothing() -> None:
    assert not opened_by(prompt("<think>\n\n</think>\n\n"))


@pytest.mark.parametrize(
    ("text", "opened"),
    [
        ("Think in <think> tags, then answer.\nassistant\n", False),
        ("Use `<think>`.", False),
        ("<|assistant|><think>\n", True),
        ("[/INST]<think>", True),
        ("assistant\n<think>\nLet me see: 3", True),
    ],
)
def test_a_tag_that_a_sentence_speaks_of_opens_nothing(text: str, opened: bool) -> None:
    assert opened_by(prompt(text)) is opened


def test_the_tags_are_the_policys_own() -> None:
    asked = prompt("[THINK]", ("[THINK]", "[/THINK]"))
    assert after_thinking(asked, "<think>3") == ""
    assert after_thinking(asked, "3[/THINK]4") == "4"
