"""``exact`` with ``normalise`` and ``f1``: everyday answers that are the same, and ones that only look
alike."""

from typing import Any

import pytest

from rewards import build_reward
from rollout.types import Prompt

CASES = [
    # reference, completion, the same
    ("elephant", "The Elephant!", True),
    ("elephant", "**Elephant**", True),
    ("elephant", "elephants", False),
    ("elephant", "not elephant", False),
    ("elephant", "elephant or mouse", False),
    ("elephant", "anything but an elephant", False),
    ("5", "5.", True),
    ("5", "-5", False),
    ("5", "−5", False),
    ("-5", "−5", True),
    ("-5", "-5", True),
    ("-5", "(-5)", True),
    ("-5", "5", False),
    ("3.14", "3.14", True),
    ("3.14", "3.14.", True),
    ("3.14", "314", False),
    ("314", "3.14", False),
    ("314", "31.4", False),
    (".5", "5", False),
    (".5", ".5", True),
    ("1/2", "12", False),
    ("1/2", "1/2", True),
    ("1,000", "1000", True),
    ("1,000", "1.000", False),
    ("10:30", "1030", False),
    ("10:30", "10:30.", True),
    ("2^3", "23", False),
    ("1990-1995", "19901995", False),
    ("2024-01-02", "2024-01-02", True),
    ("2024-01-02", "20240102", False),
    ("C++", "C", False),
    ("C++", "C++.", True),
    ("C#", "C", False),
    ("C", "C#", False),
    ("A", "A", True),
    ("A", "a.", True),
    ("A", "B", False),
    ("The", "the", True),
    ("The Who", "Who", True),
    ("U.S.", "US", True),
    ("it's", "its", True),
    ("don't know", "dont know", True),
    ("New York", "new   york", True),
    ("New York", "New York City", False),
    ("well-known", "wellknown", True),
    ("$5", "5", True),
    ("yes", "Yes.", True),
    ("yes", "yes and no", False),
    ("yes", "no", False),
    ("x-5", "x-5", True),
    ("Köln", "köln", True),
    ("Köln", "Koln", False),
    ("42", "forty-two", False),
    ("None", "none", True),
]


@pytest.mark.parametrize("name", ["exact", "f1"])
@pytest.mark.parametrize(("reference", "text", "same"), CASES)
def test_answers_in_words(name: str, reference: str, text: str, same: bool) -> None:
    reward = build_reward(name, {"normalise": True} if name == "exact" else {})
    prompt = Prompt(id="p", text="q", token_ids=(), answer=reference)
    assert reward(prompt, text, truncated=False).correct is same


@pytest.mark.parametrize(
    ("name", "args", "prompt", "message"),
    [
        ("exact", {}, {"answer": " "}, "nothing to compare with"),
        ("exact", {"normalise": True}, {"answer": "?!"}, "nothing to compare with"),
        ("f1", {}, {"answer": ""}, "no answer with a word in it"),
        ("f1", {}, {"answer": "x", "metadata": {"answers": "Paris"}}, "one text; give a list"),
        ("regex", {}, {"answer": "x", "metadata": {"pattern": None}}, "finds no metadata.pattern"),
        ("json_schema", {}, {"answer": "x", "metadata": {"schema": None}}, "finds no metadata.schema"),
    ],
)
def test_a_prompt_that_nothing_could_solve_is_refused(
    name: str, args: dict, prompt: dict, message: str
) -> None:
    reward: Any = build_reward(name, args)
    with pytest.raises(ValueError, match=message):
        reward.check(Prompt(id="p", text="q", token_ids=(), **prompt))


def test_null_among_the_accepted_answers_is_absent() -> None:
    prompt = Prompt(id="p", text="q", token_ids=(), answer="Paris", metadata={"answers": ["Rome", None]})
    assert build_reward("f1")(prompt, "Rome", truncated=False).correct
    assert not build_reward("f1")(prompt, "None", truncated=False).correct
    absent = Prompt(id="p", text="q", token_ids=(), answer="Paris", metadata={"answers": None})
    assert build_reward("f1")(absent, "Paris", truncated=False).correct
