"""Reference answers that their own reward rejects are found before training, with file, line and reason."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from rewards import REWARDS, build_reward
from rewards.golds import GOLD, gold_texts
from rl.config.schema import Config
from rl.run.prepare.inputs import batch_repeats
from rl.run.prepare.references import FILE, References
from rl.tasks import build_task
from rollout.types import Prompt
from rollout.user_code import load_attribute
from tests.unit.tasks.reference_rewards import Numbers, Silent

Write = Callable[..., str]


def config_of(path: str, reward: Any, **task: Any) -> Config:
    return Config.model_validate(
        {
            "task": {
                "kind": "file",
                "train": path,
                "reward": f"{reward.__module__}:{reward.__name__}",
                **task,
            },
            "model": {"kind": "recipe"},
            "stream": {"prompts_per_step": 2, "rollouts_per_prompt": 4},
        }
    )


def check(config: Config, tokenizer: Any, previous: Path | None = None) -> tuple[References, list[str]]:
    task = build_task(config.task, tokenizer, max_model_len=500, max_tokens=9)
    references = References(previous=previous)
    reward = build_reward(task.reward_name, task.reward_args)
    held_out = task.load("test") if getattr(config.task, "test", None) else []
    return references, [
        p.answer for p in references.usable(config, task, reward, task.load("train"), held_out)
    ]


def rows(*answers: str) -> list[Mapping[str, Any]]:
    return [{"prompt": f"{i}?", "answer": answer} for i, answer in enumerate(answers)]


def test_bad_rows_are_left_out_of_training_named_and_kept_for_a_resume(
    tokenizer: Any, jsonl: Write, tmp_path: Path
) -> None:
    config = config_of(
        jsonl(rows("1", "two", "3")), Numbers, test=jsonl([{"prompt": "t", "answer": "ten"}], "test.jsonl")
    )
    found, left = check(config, tokenizer)
    assert left == ["1", "3"] and found.doubtful == []
    (note,) = found.notes
    assert "rejects the reference answers of 2 of 4 rows" in note
    assert "data.jsonl:2: 'two' (no number)" in note and "test.jsonl:1: 'ten' (no number)" in note
    assert "1 are left out of training" in note and "1 are held out, and stay" in note
    assert found.metrics() == {
        "references/judged": 4,
        "references/rejected": 2,
        "references/doubtful": 0,
        "references/dropped": 1,
        "references/undecided": 0,
        "references/no_time": 0,
        "references/no_gold": 0,
    }
    found.write(tmp_path)
    assert [json.loads(line).get("answer") for line in (tmp_path / FILE).read_text().splitlines()] == [
        None,
        "two",
        "ten",
    ]

    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows("1", "two", "three")))
    resumed, left = check(config, tokenizer, previous=tmp_path)
    assert left == ["1", "three"], "a resumed run goes on without the same rows, and judges nothing"
    assert resumed.metrics() == found.metrics() and resumed.notes == []
    assert check(config, tokenizer, previous=tmp_path / "older")[1] == ["1", "two", "three"]


def test_rows_that_are_taken_in_some_phrasings_stay_and_are_named(
    tokenizer: Any, jsonl: Write, tmp_path: Path
) -> None:
    config = config_of(jsonl(rows("1", "7!", "8!")), Numbers)
    found, left = check(config, tokenizer)
    assert (
        left == ["1", "7!", "8!"]
        and found.bad == []
        and [one.answer for one in found.doubtful] == ["7!", "8!"]
    )
    (note,) = found.notes
    assert (
        "2 of 3 rows in some natural phrasings and not in others" in note
        and "data.jsonl:2: '7!' (no number: '7!')" in note
    )
    found.write(tmp_path)
    assert check(config, tokenizer, previous=tmp_path)[0].doubtful == found.doubtful


def test_an_error_where_asked_and_where_most_are_bad(tokenizer: Any, jsonl: Write) -> None:
    some, most = (
        jsonl(rows("1", "2", "3", "four"), "some.jsonl"),
        jsonl(rows("1", "two", "three"), "most.jsonl"),
    )
    with pytest.raises(
        ValueError,
        match=r"1 of 4 rows.*\n  .*some.jsonl:4: 'four'.*\nno completion .*task.on_bad_reference=drop",
    ):
        check(config_of(some, Numbers, on_bad_reference="error"), tokenizer)
    with pytest.raises(
        ValueError, match=r"2 of 3 rows[\s\S]*do not seem to fit; mend .*task.on_bad_reference=keep"
    ):
        check(config_of(most, Numbers), tokenizer)
    found, left = check(config_of(most, Numbers, on_bad_reference="keep"), tokenizer)
    assert len(left) == 3 and "2 are trained on all the same" in found.notes[0]


def test_accidents_are_no_verdicts_and_time_is_bounded(tokenizer: Any, jsonl: Write) -> None:
    found, left = check(
        config_of(jsonl(rows("1", "fail", "hang")), Numbers, reference_check_s=1.5), tokenizer
    )
    assert len(left) == 3 and found.bad == []
    assert found.counts["references/undecided"] >= 1
    assert (
        found.counts["references/judged"]
        + found.counts["references/undecided"]
        + found.counts["references/no_time"]
        == 3
    )
    began = time.monotonic()
    found, left = check(
        config_of(jsonl(rows("hang", "hang", "hang")), Numbers, reference_check_s=0.5), tokenizer
    )
    assert time.monotonic() - began < 50 and len(left) == 3
    assert any("were not (task.reference_check_s)" in note for note in found.notes)
    assert check(config_of(jsonl(rows("two")), Numbers, reference_check_s=0), tokenizer)[0].counts == {}


def test_rewards_that_do_not_say_are_skipped_and_that_is_said(tokenizer: Any, jsonl: Write) -> None:
    found, left = check(config_of(jsonl(rows("1", "2")), Silent), tokenizer)
    assert left == ["1", "2"] and found.counts["references/no_gold"] == 2
    assert "2 reference answers were not tried: the reward" in found.notes[0]
    given = [{"prompt": "p", "answer": "1", "metadata": {GOLD: "one"}}, {"prompt": "q", "answer": "1"}]
    found, _ = check(config_of(jsonl(given), Silent, on_bad_reference="keep"), tokenizer)
    assert [bad.reason for bad in found.bad] == ["never"] and found.counts["references/no_gold"] == 1


CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("math", {}, {"answer": "so 6 * 7 = 42 #### 42"}),
    ("math", {"extraction": "boxed"}, {"answer": "42"}),
    ("exact", {}, {"answer": "The elephant"}),
    ("f1", {}, {"answer": "", "metadata": {"answers": ["Jane Austen"]}}),
    ("multiple_choice", {}, {"answer": "(B)"}),
    ("judgement", {}, {"answer": "C"}),
    ("experts", {"default": "math"}, {"answer": "7"}),
    (
        "rubric",
        {"components": {"a": {"reward": "math"}, "b": {"reward": "format"}}, "correct": "a"},
        {"answer": "7"},
    ),
]


@pytest.mark.parametrize(
    ("name", "args", "facts"), CASES, ids=[f"{name}{i}" for i, (name, _, _) in enumerate(CASES)]
)
@pytest.mark.parametrize("text", ["2?", "2?<think>\n"])
def test_shipped_rewards_take_their_own_golds(
    name: str, args: dict[str, Any], facts: dict[str, Any], text: str
) -> None:
    reward = build_reward(name, args)
    prompt = Prompt(id="p", text=text, token_ids=(), **facts)
    texts = gold_texts(reward, prompt)
    assert texts and all(("</think>" in one) is text.endswith("<think>\n") for one in texts)
    if name != "exact" or not text.endswith("<think>\n"):
        assert all(reward(prompt, one, truncated=False).correct for one in texts)


def test_every_shipped_reward_that_compares_with_an_answer_says_how_it_is_given() -> None:
    without = {
        "cosine_length",
        "format",
        "ifeval",
        "json_schema",
        "language",
        "length",
        "reasoning_gym",
        "regex",
        "repetition",
        "tag_count",
    }
    assert {
        name for name, target in REWARDS.items() if not hasattr(load_attribute(target), "gold_texts")
    } == without


def test_prompts_that_a_batch_holds_several_times_are_said() -> None:
    assert batch_repeats(50, 50) == []
    assert batch_repeats(100, 50) == [
        "stream.prompts_per_step=100 is more than the 50 train prompts: a batch holds prompts several times"
    ]
