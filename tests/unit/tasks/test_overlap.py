"""Held-out prompts in train are found, word for word and nearly; templates are not taken for it."""

from collections.abc import Callable
from typing import Any

import pytest

from rl.run.prepare.overlap_check import check_overlap
from rl.tasks.overlap import TrainIndex

STORY = "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May."
OTHER = "A robe takes 2 bolts of blue fiber and half that much white fiber. How many bolts does it take?"
TAIL = "\nThink step by step, then give the final number after ####."


def found(train: list[str], held_out: list[str]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    overlap = TrainIndex(train).overlap(held_out)
    return [(p.index, p.train) for p in overlap.exact], [(p.index, p.train) for p in overlap.near]


def test_spelling_makes_no_difference_numbers_and_a_new_end_make_it_near() -> None:
    held_out = [
        f"  {STORY.upper()}\n",
        STORY.replace("48", "1,250.5"),
        STORY.replace("in May", "in the month of June, to her brother"),
        "Natalia sold clips to 48 of her brothers, then gave up and went home to her cat and dog.",
        OTHER.replace(" ", "\u00a0"),
    ]
    assert found([OTHER, STORY], held_out) == ([(0, 1), (4, 0)], [(1, 1), (2, 1)])


def test_half_of_the_words_must_be_in_one_train_prompt() -> None:
    first, second = "a b c d e f g h", "q r s t u v w x"
    assert (
        found([f"{first} 1 2 3 one two", f"{second} 4 5 6 three"], [f"{first} i j k l m n o p {second}"])[1]
        == []
    )
    assert found([f"{first} i j k"], [f"{first} i j z y x w"])[1] == [(0, 0)]


def test_short_prompts_and_what_many_share_are_templates() -> None:
    sums = [f"{i} + {i + 1} =" for i in range(100)]
    assert found(sums[:50], sums[50:]) == ([], [])
    asked = [f"How many are {i} apples and {i} pears?" for i in range(100)]
    assert found(asked[:50], asked[50:]) == ([], []), "a generator's"
    assert found([STORY, OTHER, asked[0]], asked[50:])[1] == [(i, 2) for i in range(50)], (
        "three are no template"
    )
    turns = [f"<system>You are a helpful assistant called Small.<user>{x}<assistant>" for x in "abcd"]
    assert found(turns[:3], turns[3:]) == ([], []), "what all begin and end with is no overlap"
    names = [f"{name} has a story of {name}s own{TAIL}" for name in "abcdefghijklmnopqrstuvwxyz"]
    assert found(names[:20], names[20:]) == ([], [])


def test_repeats_inside_of_train() -> None:
    train = [STORY, OTHER, STORY + " ", STORY.replace("48", "9"), f"Listen: {OTHER}", "unrelated"]
    repeats = TrainIndex(train).repeats()
    assert [(p.index, p.train) for p in repeats.exact] == [(2, 0)]
    assert [(p.index, p.train) for p in repeats.near] == [(3, 0), (4, 1)]
    assert TrainIndex([]).repeats().exact == [] and found([], [STORY]) == ([], [])


def test_a_run_is_refused_only_for_what_stands_there_word_for_word(
    task: Callable[..., Any], jsonl: Callable[..., str]
) -> None:
    rows = [{"id": i, "prompt": text, "answer": 1} for i, text in enumerate(["one", STORY[:60], OTHER[:60]])]
    held = [
        {"id": "t", "prompt": f"{STORY[:60]} ", "answer": 1},
        {"id": "u", "prompt": "so it is", "answer": 1},
    ]
    options = {"train": jsonl(rows, "train.jsonl"), "dev": jsonl(held, "dev.jsonl")}
    built = task(**options)
    train, dev = built.load("train"), built.load("dev")
    with pytest.raises(
        ValueError, match=r"1 of 2 held-out prompts are in train(.|\n)*dev.jsonl:1 and .*n.jsonl:2"
    ) as raised:
        check_overlap(built._config, built, train, dev, refuse=True)
    assert "set task.allow_overlap=true" in str(raised.value)
    assert len(check_overlap(built._config, built, train, dev, refuse=False)) == 1
    allowed = task(**options, allow_overlap=True)
    (note,) = check_overlap(allowed._config, allowed, train, dev, refuse=True)
    assert "in train, word for word" in note
    assert check_overlap(built._config, built, train, dev[1:], refuse=True) == []
