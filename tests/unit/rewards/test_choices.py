"""Multiple choice: what everyday, hedged, denied and cut-off texts commit to, one line of
``data/choices.jsonl`` each."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.components.multiple_choice import MultipleChoiceReward, chosen
from rollout.types import Prompt

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "choices.jsonl").read_text(encoding="utf-8").splitlines()
]


PIECES = [
    "A",
    "B",
    "(C)",
    " ",
    "\n",
    "or ",
    "not ",
    "The answer is ",
    r"\boxed{",
    "}",
    "<answer>",
    "</answer>",
    "#### ",
    ".",
    ", ",
    "?",
    "*",
    "so ",
]


def prompt(text: str = "?", answer: str = "B") -> Prompt:
    return Prompt(id="p", text=text, token_ids=(), answer=answer)


def test_nothing_that_settles_on_no_choice_is_accepted_as_one() -> None:
    wrong = {
        case["text"]: label
        for case in CASES
        if case["label"] is None and (label := chosen(prompt(), case["text"], "ABCDE"))
    }
    assert wrong == {}


def test_every_way_of_committing_to_a_choice_is_read() -> None:
    settled = [case for case in CASES if case["label"]]
    missed = {
        case["text"]: said
        for case in settled
        if (said := chosen(prompt(), case["text"], "ABCDE")) != case["label"]
    }
    assert missed == {}


@pytest.mark.parametrize(
    "more",
    [
        " or C",
        " (or C)",
        " or maybe C",
        r" or \boxed{C}",
        "\n\nWait, no, it is C.",
        "\n\nNo, that is wrong.",
        "\n\nAlternatively, C.",
        "\n\nThe answer is C or D.",
        "\n\n\\boxed{",
        "\n\n\\boxed{C",
        "\n<answer>",
        "\n<think>",
    ],
)
def test_what_is_written_behind_a_choice_can_unsettle_it(more: str) -> None:
    # behind these, an "or C" may belong to what they say of other choices
    others = ("not A", "i.e.", "(A is", "\nC:")
    settled = [
        case["text"]
        for case in CASES
        if case["label"] == "B" and not any(map(case["text"].__contains__, others))
    ]
    assert [text for text in settled if chosen(prompt(), text + more, "ABCDE") == "B"] == []


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_any_text_gives_a_label_or_none(text: str) -> None:
    assert chosen(prompt(), text, "ABC") in (None, "A", "B", "C")


@pytest.mark.parametrize(
    ("labels", "text", "label"),
    [
        (("yes", "no", "maybe"), "The answer is yes.", "yes"),
        (("yes", "no", "maybe"), "Yes.", "yes"),
        (("yes", "no", "maybe"), "yes and no", None),
        (("yes", "no", "maybe"), "The answer is not yes.", None),
        (("1", "2", "3"), "Answer: 2", "2"),
        (("1", "2", "3"), "Answer: (2) 14", "2"),
        (("1", "2", "3"), "Answer: 2.5", None),
        (("1", "2", "3"), "Answer: 2 or 3", None),
        (("entailment", "neutral", "contradiction"), r"\boxed{\text{neutral}}", "neutral"),
        (("entailment", "neutral", "contradiction"), "not entailment", None),
        (("F", "G", "H", "I", "J"), "I think the answer is G.", "G"),
        (("F", "G", "H", "I", "J"), "I think so.", None),
    ],
)
def test_labels_of_other_kinds(labels: tuple[str, ...], text: str, label: str | None) -> None:
    assert chosen(prompt(), text, labels) == label


@pytest.mark.parametrize(
    ("asked", "text", "truncated", "reason"),
    [
        ("?", r"\boxed{B} and so", True, ""),
        ("?", "<answer>B</answer> and so", True, ""),
        ("?", "The answer is B", True, "truncated"),
        ("?", "#### B", True, "truncated"),
        ("?", r"\boxed{B} or rather \boxed{", True, "truncated"),
        ("?", "<answer>B</answer> or rather <answer>", True, "truncated"),
        ("<think>", "The answer is B.", False, "no answer"),
        ("<think>", r"\boxed{B}, I", True, "truncated"),
        ("<think>", "C?</think>The answer is B.", False, ""),
    ],
)
def test_cut_off_texts_and_thinking(asked: str, text: str, truncated: bool, reason: str) -> None:
    result = MultipleChoiceReward()(prompt(asked), text, truncated=truncated)
    assert (result.correct, result.reason) == (not reason, reason)


def test_long_repetitive_texts_are_read_quickly() -> None:
    began = time.process_time()
    for unit in (
        "so ",
        "is ",
        "the ",
        ", ",
        "or ",
        "B or ",
        "the answer is ",
        "B is correct. ",
        "(B) ",
        "not ",
        "- ",
        "`",
        "A: ",
        "<answer>B, ",
    ):
        chosen(prompt(), unit * (100_000 // len(unit)), "ABCDE")
        chosen(prompt(), r"\boxed{" + unit * (3_000 // len(unit)) + "}", "ABCDE")
    assert time.process_time() - began < 4
