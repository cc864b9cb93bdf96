"""Held-out prompts in train are found, word for word and nearly; templates are not taken for it."""

from collections.abc import Callable
from typing import Any

import pytest

from rl.config.suites import SuiteConfig
from rl.evaluation.likelihood import Passage
from rl.run.prepare.overlap_check import OverlapCheck
from rl.run.prepare.suites import PreparedSuite
from rl.tasks.overlap import TrainIndex, normalised, words_of

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


@pytest.mark.parametrize(
    ("train", "same", "near", "other"),
    [
        (
            "小明有12个苹果，他给了小红3个，又买了5个，现在小明一共有几个苹果？",
            " 小明有 12 个苹果，他给了小红 3 个，\n又买了 5 个，现在小明一共有几个苹果？",
            "小明有12个苹果，他给了小红3个，又买了5个，后来全部卖掉。他得到多少元？",
            "学校图书馆买来48本新书，平均分给6个班，每个班分到几本？",
        ),
        (
            "太郎はりんごを12個持っています。花子に3個あげました。残りは何個ですか。",
            "太郎はりんごを１２個持っています。花子に３個あげました。　残りは何個ですか。",
            "太郎はりんごを12個持っています。花子に3個あげました。そのあと家に帰りました。",
            "電車は時速80キロで2時間走りました。進んだ距離を求めなさい。",
        ),
        (
            "สมชายมีแอปเปิล 12 ผล เขาให้สมหญิงไป 3 ผล เขาเหลือแอปเปิลกี่ผล",
            "สมชายมีแอปเปิล12ผล เขาให้สมหญิงไป3ผล เขาเหลือแอปเปิลกี่ผล",
            "สมชายมีแอปเปิล 9 ผล เขาให้สมหญิงไป 4 ผล แล้วเขาก็กลับบ้าน",
            "รถไฟวิ่งด้วยความเร็ว 80 กิโลเมตรต่อชั่วโมง นานสองชั่วโมง",
        ),
        (
            "किताब में पचास पन्ने हैं और राम ने उनमें से बीस पन्ने पढ़ लिए कितने बचे",
            "किताब  में पचास पन्ने हैं और राम ने उनमें से बीस पन्ने पढ़ लिए कितने बचे",
            "किताब में पचास पन्ने हैं और राम ने उनमें से बीस पन्ने फाड़ दिए फिर सो गया",
            "रेलगाड़ी दो घंटे में कितनी दूर जाती है यदि उसकी चाल अस्सी है",
        ),
    ],
    ids=["Chinese", "Japanese", "Thai", "Hindi"],
)
def test_scripts_without_spaces_are_read_by_character(train: str, same: str, near: str, other: str) -> None:
    assert found([other, train], [same]) == ([(0, 1)], []), "white space between characters says nothing"
    assert sorted(found([other, train], [near, train.replace("12", "35")[1:]])[1]) == [(0, 1), (1, 1)]
    assert found([train], [other]) == ([], [])


def test_words_keep_their_signs_and_single_characters_are_half_a_word() -> None:
    assert words_of(normalised("小明有 3 Apples")) == ["小", "明", "有", "3", "apples"]
    assert words_of("किताब में।") == ["किताब", "में"]
    assert found(["求和：3加4", "其他"], ["求和：5加6"]) == ([], []), "three characters are no four words"
    framed = [f"请回答下面的问题{x}谢谢" for x in ("天气好吗", "你是谁呢", "几点钟了", "在哪里啊")]
    assert found(framed[:3], framed[3:]) == ([], []), "the template around all is no overlap"


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
        OverlapCheck(built._config, built, train).held_out(dev, refuse=True)
    assert "set task.allow_overlap=true" in str(raised.value)
    assert len(OverlapCheck(built._config, built, train).held_out(dev, refuse=False)) == 1
    allowed = task(**options, allow_overlap=True)
    (note,) = OverlapCheck(allowed._config, allowed, train).held_out(dev, refuse=True)
    assert "in train, word for word" in note
    assert OverlapCheck(built._config, built, train).held_out(dev[1:], refuse=True) == []


def test_suites_are_looked_for_in_train_whatever_their_template(
    task: Callable[..., Any], jsonl: Callable[..., str]
) -> None:
    rows = [{"id": i, "prompt": text, "answer": 1} for i, text in enumerate([STORY[:60], OTHER[:60], "no"])]
    built = task(train=jsonl(rows, "train.jsonl"), prompt_template="Solve: {prompt}\nAnswer:")
    check = OverlapCheck(built._config, built, built.load("train"))
    asked = jsonl([{"id": "a", "prompt": STORY[:60], "answer": 1}, {"id": "b", "prompt": "new", "answer": 1}])

    def suite(**more: Any) -> PreparedSuite:
        section = SuiteConfig.model_validate({"task": {"kind": "file", "test": asked}, **more})
        other = task(test=asked, prompt_template="Q: {prompt}")
        return PreparedSuite(name="more", config=section, task=other, prompts=other.load("test"))

    said = r"evaluation.suites.more: 1 of 2 problems are in train(.|\n)*set evaluation.suites.more.allow_"
    with pytest.raises(ValueError, match=said):
        check.suite(suite(), refuse=True)
    for notes in (check.suite(suite(), refuse=False), check.suite(suite(allow_overlap=True), refuse=True)):
        assert len(notes) == 1 and notes[0].startswith("evaluation.suites.more: 1 of 2 problems are in train")
    passages = [
        Passage(id=f"text/{i}", text=t, token_ids=(1, 2)) for i, t in enumerate(["new", f"{OTHER} So."])
    ]
    text = PreparedSuite(name="text", config=SuiteConfig(text="packaged"), passages=passages)
    (note,) = check.suite(text, refuse=True)
    assert "1 of 2 passages are nearly in train" in note and "passage text/1 and " in note


def test_a_template_around_the_suite_alone_hides_nothing() -> None:
    train = [STORY, OTHER, "unrelated"]
    long = "Read this with care, word by word, then think about it for long, only then answer at last: "
    held_out = [f"{long}{text}" for text in (STORY, "A train goes to Rome.", "It rains.", "Who is it?")]
    assert found(train, held_out) == ([], [(0, 0)])
