"""Worked examples in front of prompts: rows of train, always the same, never the prompt's own."""

from collections.abc import Callable
from typing import Any

import pytest

from rl.run.prepare.overlap_check import OverlapCheck
from rl.tasks.files import FileTask

Build = Callable[..., FileTask]
Write = Callable[..., str]
ROWS = [{"id": str(i), "prompt": f"{i}+1", "answer": i + 1} for i in range(9)]
HELD_OUT = [{"id": f"t{i}", "prompt": f"{i}+5", "answer": i + 5} for i in range(3)]


def shots_of(text: str) -> list[str]:
    return text.split(";")[:-1]


@pytest.mark.parametrize("shots", [1, 3, 8])
def test_every_prompt_has_the_same_examples_but_never_itself(task: Build, jsonl: Write, shots: int) -> None:
    options = {"prompt_template": "{prompt}=", "shots": shots, "shot_separator": ";"}
    paths = {"train": jsonl(ROWS, "train.jsonl"), "test": jsonl(HELD_OUT, "test.jsonl")}
    built = task(**paths, **options)
    train, test = built.load("train"), built.load("test")
    everywhere = shots_of(test[0].text)
    assert len(everywhere) == shots and {tuple(shots_of(p.text)) for p in test} == {tuple(everywhere)}
    assert all(one.split("=")[1] == str(int(one.split("+")[0]) + 1) for one in everywhere), (
        "with their answers"
    )
    for prompt in train:
        own = f"{built.problem_text(prompt)}={prompt.answer}"
        assert prompt.text.endswith(f";{built.problem_text(prompt)}=") and own not in shots_of(prompt.text)
        assert len(shots_of(prompt.text)) == shots
        assert own in everywhere or shots_of(prompt.text) == everywhere
    assert len(train[0].token_ids) > len(
        task(**paths, prompt_template="{prompt}=").load("train")[0].token_ids
    )
    turned = task(train=jsonl(ROWS[::-1], "turned.jsonl"), test=paths["test"], **options)
    assert turned.load("test") == test, "whatever the order of the rows"
    assert OverlapCheck(built._config, built, train).held_out(test, refuse=True) == []


def test_in_a_chat_they_are_turns_behind_the_system_message(
    task: Build, jsonl: Write, chat_tokenizer: Any
) -> None:
    rows = [{"prompt": "a", "answer": 1, "demonstration": "it is 1"}, {"prompt": "b", "answer": 2}]
    built = task(train=jsonl(rows), use=chat_tokenizer, chat=True, system_prompt="s", shots=1)
    assert [p.text for p in built.load("train")] == [
        "[system]s[user]b[assistant]2[user]a[assistant]",
        "[system]s[user]a[assistant]it is 1[user]b[assistant]",
    ]
    chats = [[{"role": "system", "content": x}, {"role": "user", "content": f"{x}?"}] for x in "xy"]
    built = task(train=jsonl([{"prompt": c, "answer": 1} for c in chats]), use=chat_tokenizer, shots=1)
    assert built.load("train")[0].text == "[system]x[user]y?[assistant]1[user]x?[assistant]"


def test_there_must_be_enough_of_them(task: Build, jsonl: Write) -> None:
    with pytest.raises(ValueError, match=r"task\.shots=9, but train has 8 other rows of its kind; lower it"):
        task(train=jsonl(ROWS), shots=9).load("train")
