"""Prompts from files: contents, formats, splits."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow
import pyarrow.parquet
import pytest

from rl.config.load import load_config
from rl.config.task import FileTaskConfig
from rl.tasks import build_task
from rl.tasks.files import FileTask, split_of
from rollout.types import Prompt

MINI = Path(__file__).parents[3] / "examples" / "data" / "gsm8k_mini.jsonl"
Build = Callable[..., FileTask]
Write = Callable[..., str]
ROWS = [
    {"id": "a", "prompt": "1+1", "answer": "2", "category": "sum", "difficulty": 1, "metadata": {"k": [1]}},
    {"id": 7, "prompt": "2*{3}", "answer": 6, "category": "product", "difficulty": 2, "metadata": None},
]


def test_every_column_arrives(task: Build, jsonl: Write) -> None:
    built = task(name="mine", train=jsonl(ROWS), reward="exact", reward_args={"ignore_case": True})
    assert (built.name, built.reward_name, built.reward_args) == ("mine", "exact", {"ignore_case": True})
    first, second = built.load("train")
    assert first == Prompt(
        id="mine/train/a",
        text="1+1",
        token_ids=first.token_ids,
        answer="2",
        category="sum",
        difficulty=1,
        metadata={"k": [1]},
    )
    assert (second.id, second.answer, second.difficulty, second.metadata) == ("mine/train/7", "6", 2, {})


def test_plain_prompts_get_the_start_token_and_chats_only_what_the_template_writes(
    task: Build, jsonl: Write, chat_tokenizer: Any
) -> None:
    path = jsonl([{"prompt": "ab", "answer": "c"}])
    (plain,) = task(train=path, use=chat_tokenizer).load("train")
    assert plain.token_ids[0] == 0
    assert len(plain.token_ids) == 3
    (chat,) = task(train=path, chat=True, system_prompt="Be brief.", use=chat_tokenizer).load("train")
    assert chat.text == "[system]Be brief.[user]ab[assistant]"
    assert 0 not in chat.token_ids
    assert chat_tokenizer.decode(chat.token_ids) == chat.text


def test_messages_and_strings_may_be_mixed(task: Build, jsonl: Write, chat_tokenizer: Any) -> None:
    messages = [{"role": "system", "content": "Own."}, {"role": "user", "content": "hi"}]
    path = jsonl([{"prompt": messages, "answer": "x"}, {"prompt": "plain", "answer": "y"}])
    first, second = task(train=path, use=chat_tokenizer).load("train")
    assert first.text == "[system]Own.[user]hi[assistant]"
    assert second.text == "plain"


def test_content_in_parts_is_one_text_and_a_final_message_is_continued(
    task: Build, jsonl: Write, chat_tokenizer: Any
) -> None:
    parts = [{"type": "text", "text": "1+"}, {"type": "text", "text": "1?", "cache": None}]
    rows = [
        {"prompt": [{"role": "user", "content": parts}, *more], "answer": "x"}
        for more in ([], [{"role": "assistant", "content": "It is"}])
    ]
    asked, begun = task(train=jsonl(rows), use=chat_tokenizer, continue_final_message=True).load("train")
    assert asked.text == "[user]1+1?[assistant]"
    assert begun.text == "[user]1+1?[assistant]It is"


def test_tool_calls_without_content_reach_a_template_that_shows_them(
    task: Build, jsonl: Write, chat_tokenizer: Any, monkeypatch: Any
) -> None:
    calls = "{% if m.tool_calls %}CALLS{{ m.tool_calls | length }}{% endif %}{{ m.content }}"
    monkeypatch.setattr(
        chat_tokenizer, "chat_template", chat_tokenizer.chat_template.replace("{{ m.content }}", calls)
    )
    called = {"role": "assistant", "content": None, "tool_calls": [{"name": "add"}]}
    rows = [
        {
            "prompt": [{"role": "user", "content": "1+1?"}, called, {"role": "tool", "content": "2"}],
            "answer": "2",
        }
    ]
    assert (
        task(train=jsonl(rows), use=chat_tokenizer).load("train")[0].text
        == "[user]1+1?[assistant]CALLS1[tool]2[assistant]"
    )


def test_the_prompt_template_goes_around_the_last_user_message_of_a_chat(
    task: Build, jsonl: Write, chat_tokenizer: Any
) -> None:
    messages = [{"role": r, "content": c} for r, c in (("user", "a"), ("assistant", "b"), ("user", "c"))]
    (prompt,) = task(
        train=jsonl([{"prompt": messages, "answer": "x"}]),
        prompt_template="Q: {prompt} A:",
        use=chat_tokenizer,
    ).load("train")
    assert prompt.text == "[user]a[assistant]b[user]Q: c A:[assistant]"


def test_the_prompt_template_wraps_strings_braces_and_all(task: Build, jsonl: Write) -> None:
    prompts = task(train=jsonl(ROWS), prompt_template="Q {x}: {prompt}\nA:").load("train")
    assert [p.text for p in prompts] == ["Q {x}: 1+1\nA:", "Q {x}: 2*{3}\nA:"]


def test_defaults_of_optional_columns(task: Build, jsonl: Write) -> None:
    (prompt,) = task(train=jsonl([{"prompt": "p", "answer": "a"}])).load("train")
    assert (prompt.category, prompt.difficulty, prompt.metadata) == ("default", 0, {})


def test_parquet_and_dataset_directories_give_the_same_prompts_as_jsonl(
    task: Build, jsonl: Write, tmp_path: Path
) -> None:
    rows = [
        {**row, "id": str(row["id"]), "answer": str(row["answer"]), "metadata": json.dumps(row["metadata"])}
        for row in ROWS
    ]
    expected = task(train=jsonl(rows)).load("train")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "data.parquet")
    assert task(train=str(tmp_path / "data.parquet")).load("train") == expected
    datasets.Dataset.from_list(rows).save_to_disk(tmp_path / "saved")
    assert task(train=str(tmp_path / "saved")).load("train") == expected


def test_chat_messages_come_through_parquet(task: Build, tmp_path: Path, chat_tokenizer: Any) -> None:
    rows = [{"prompt": [{"role": "user", "content": "hi"}], "answer": "x"}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "chat.parquet")
    (prompt,) = task(train=str(tmp_path / "chat.parquet"), use=chat_tokenizer).load("train")
    assert prompt.text == "[user]hi[assistant]"


def test_gsm8k_mini_through_its_preset(tokenizer: Any) -> None:
    config = load_config("quickstart", ["task=gsm8k", f"task.path={MINI}"]).task
    assert isinstance(config, FileTaskConfig)
    built = build_task(config, tokenizer, max_model_len=1024, max_tokens=512)
    splits = {split: built.load(split) for split in ("train", "dev", "test")}
    assert built.reward_name == "math"
    rows = [json.loads(line) for line in MINI.read_text().splitlines()]
    assert sorted(p.id.rsplit("/", 1)[1] for prompts in splits.values() for p in prompts) == sorted(
        row["id"] for row in rows
    )
    assert all(p.id.startswith(f"gsm8k/{split}/") for split, prompts in splits.items() for p in prompts)
    by_id = {row["id"]: row for row in rows}
    for prompt in splits["train"]:
        row = by_id[prompt.id.rsplit("/", 1)[1]]
        assert prompt.text.startswith(row["question"])
        assert prompt.answer == row["answer"]


def test_loading_is_deterministic_and_a_limit_takes_the_start(task: Build, jsonl: Write) -> None:
    path = jsonl([{"prompt": f"problem {i}", "answer": str(i)} for i in range(300)])
    everything = task(path=path).load("train")
    assert task(path=path).load("train") == everything
    assert task(path=path).load("train", 5) == everything[:5]
    assert task(path=path).load("train", 0) == []


def test_a_carved_row_keeps_its_split_whatever_the_others_do(task: Build, jsonl: Write) -> None:
    rows = [{"prompt": f"problem {i}", "answer": str(i)} for i in range(400)]
    options = {"dev_share": 0.2, "test_share": 0.3}

    def texts(path: str) -> dict[str, set[str]]:
        return {
            split: {p.text for p in task(path=path, **options).load(split)}
            for split in ("train", "dev", "test")
        }

    whole, half = texts(jsonl(rows, "whole.jsonl")), texts(jsonl(rows[::-2], "half.jsonl"))
    assert sum(map(len, whole.values())) == len(set().union(*whole.values())) == 400
    assert all(half[split] <= whole[split] for split in whole)
    # Binomial(400, share): 4 standard deviations are 40 (train), 32 (dev), 37 (test).
    assert abs(len(whole["train"]) - 200) <= 40
    assert abs(len(whole["dev"]) - 80) <= 32
    assert abs(len(whole["test"]) - 120) <= 37


def test_split_of_is_fixed_for_all_time() -> None:
    # Changing the hash would move rows between train and test of everybody's files. `printf row-0 | b2sum -l
    # 64` begins with ef, that is 0.93 of the range, so train; then 5c (0.36, dev), 12 (0.07, test), 9a, 12,
    # aa, 8e and 84.
    splits = [split_of(f"row-{i}", dev_share=0.25, test_share=0.25) for i in range(8)]
    assert splits == ["train", "dev", "test", "train", "test", "train", "train", "train"]


@pytest.mark.parametrize("shares", [(0.0, 0.0, {"train"}), (0.0, 0.999999, {"test"})])
def test_extreme_shares(shares: tuple[float, float, set[str]]) -> None:
    dev, test, expected = shares
    assert {split_of(str(i), dev_share=dev, test_share=test) for i in range(50)} == expected
