"""Everything that can be wrong with a file is said with file, line and fix."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow
import pyarrow.parquet
import pytest
from pydantic import ValidationError

from rl.config.task import FileTaskConfig
from rl.tasks import build_task
from rl.tasks.files import FileTask

Build = Callable[..., FileTask]
Write = Callable[..., str]
GOOD = {"id": "good", "prompt": "1+1", "answer": "2"}


def bad(**changes: Any) -> dict[str, Any]:
    return {"id": "bad", "prompt": "2+2", "answer": "4"} | changes


MESSAGES = [{"role": "user", "content": "hi"}]
SECOND_LINES = [
    ('{"prompt": "p", ', "broken JSON .* each line must be one JSON object"),
    ("[1, 2]", r"a JSON list, not an object"),
    ({"prompt": "p"}, r"no column 'answer' \(.*prompt.*\); .*set task.columns.answer"),
    ({"answer": "a"}, r"no column 'prompt' .*set task.columns.prompt"),
    (bad(answer=""), r"the answer is empty \('answer'\); fill it or remove the row"),
    (bad(answer=None), "the answer is empty"),
    (bad(answer=" \n"), "the answer is empty"),
    (bad(answer=float("nan")), r"the answer is nan \('answer'\); fill it or remove the row"),
    (bad(answer={"a": 4}), "'answer' is a dict; the answer must be a string or a number, or a list"),
    (bad(answer=[]), "the answer is empty"),
    (bad(answer=["4", " "]), "the answer is empty"),
    (bad(answer=[["4"]]), "'answer' is a list; the answer must be a string or a number"),
    (bad(prompt=" "), "the prompt is empty; fill it"),
    (bad(prompt=[]), "the prompt is empty; fill it"),
    (bad(prompt=None), "the prompt is empty; fill it"),
    (bad(prompt=4), "the prompt is a int; it must be a string or a list"),
    (bad(prompt=["hi"]), "a chat message must be {role, content}, this one is 'hi'"),
    (
        bad(prompt=[{"role": "user"}]),
        r"message 1 \(user\) has no content; a chat message must be {role, content}",
    ),
    (bad(prompt=[{"role": "user", "content": None}]), r"message 1 \(user\) has no content"),
    (
        bad(prompt=[*MESSAGES, {"role": "assistant", "content": None, "tool_calls": []}]),
        r"message 2 \(assistant\) has no content",
    ),
    (
        bad(prompt=[{"role": "user", "content": 4}]),
        r"message 1 \(user\) has a int as content; give a text, or a list of {type: text",
    ),
    (
        bad(prompt=[{"role": "user", "content": [{"type": "image", "url": "u"}]}]),
        "has the part .*only parts {type: text, text}",
    ),
    (bad(prompt=MESSAGES), "the tokenizer has no chat template; use an instruct model's tokenizer"),
    (bad(difficulty="hard"), "'difficulty' is 'hard'; it must be an integer"),
    (bad(difficulty=2.5), "'difficulty' is 2.5; it must be an integer"),
    (bad(difficulty=-1), "'difficulty' is -1; levels count from 0"),
    (bad(metadata="{not json"), "'metadata' is text but not JSON"),
    (bad(metadata=[1]), "'metadata' is a list; it must be a mapping"),
    (bad(id="good"), "duplicate id 'good', first at .*data.jsonl:1; remove one"),
    (bad(prompt="x" * 100), r"the prompt is 101 tokens long, only 100 fit .*raise rollout.max_model_len"),
]


@pytest.mark.parametrize(("line", "message"), SECOND_LINES, ids=[message[:30] for _, message in SECOND_LINES])
def test_a_bad_second_line_is_named(line: Any, message: str, task: Build, jsonl: Write) -> None:
    path = jsonl([GOOD, line])
    with pytest.raises(ValueError, match=f"^{re.escape(path)}:2: .*{message}"):
        task(train=path).load("train")


def test_a_prompt_that_just_fits_is_fine(task: Build, jsonl: Write) -> None:
    (prompt,) = task(train=jsonl([bad(prompt="x" * 99)])).load("train")
    assert len(prompt.token_ids) == 100


def test_blank_lines_count_for_the_line_number_but_not_as_rows(task: Build, jsonl: Write) -> None:
    path = jsonl([GOOD, "", "  ", bad(answer="")])
    with pytest.raises(ValueError, match=f"^{re.escape(path)}:4: the answer is empty"):
        task(train=path).load("train")


def test_identical_prompts_without_ids_are_duplicates(task: Build, jsonl: Write) -> None:
    path = jsonl(
        [{"prompt": "p", "answer": "1"}, {"prompt": "q", "answer": "1"}, {"prompt": "p", "answer": "2"}]
    )
    with pytest.raises(
        ValueError, match=r":3: duplicate id .* first at .*:1; remove one .*or give each its own id"
    ):
        task(path=path).load("train")


def test_ids_must_be_unique_across_splits_even_if_only_one_is_loaded(task: Build, jsonl: Write) -> None:
    train, test = jsonl([GOOD], "train.jsonl"), jsonl([bad(), bad(id="good")], "test.jsonl")
    with pytest.raises(ValueError, match=r"test.jsonl:2: duplicate id 'good', first at .*train.jsonl:1"):
        task(train=train, test=test).load("train")


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_an_empty_file(content: bytes, task: Build, tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"empty.jsonl: the file is empty; it needs at least one row"):
        task(path=str(path)).load("train")


def test_not_utf8(task: Build, tmp_path: Path) -> None:
    path = tmp_path / "latin.jsonl"
    path.write_bytes(b'{"prompt": "p", "answer": "a"}\n{"prompt": "\xe9", "answer": "a"}\n')
    with pytest.raises(ValueError, match=r"latin.jsonl:2: not UTF-8 .*save the file as UTF-8"):
        task(path=str(path)).load("train")


def test_missing_and_unreadable_files(task: Build, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere.jsonl: no such file or directory; paths are relative to"):
        task(path="nowhere.jsonl").load("train")
    for name, message in [
        ("data.txt", "cannot read .txt; give a .jsonl"),
        ("broken.parquet", "not a Parquet file"),
    ]:
        (tmp_path / name).write_text("prompt,answer\n")
        with pytest.raises(ValueError, match=f"{name}: {message}"):
            task(path=str(tmp_path / name)).load("train")
    with pytest.raises(ValueError, match=r"this directory holds no data; give .*datasets.save_to_disk"):
        (tmp_path / "empty").mkdir()
        task(path=str(tmp_path / "empty")).load("train")


def test_tables_name_the_row(task: Build, tmp_path: Path) -> None:
    rows = [GOOD, bad(answer="")]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=r"t.parquet row 2: the answer is empty"):
        task(path=str(tmp_path / "t.parquet")).load("train")
    datasets.Dataset.from_list(rows).save_to_disk(tmp_path / "saved")
    with pytest.raises(ValueError, match=r"saved row 2: the answer is empty"):
        task(path=str(tmp_path / "saved")).load("train")


def test_a_dataset_with_several_splits_says_how_to_name_one(task: Build, tmp_path: Path) -> None:
    data = datasets.Dataset.from_list([GOOD])
    datasets.DatasetDict({"train": data, "test": data}).save_to_disk(tmp_path / "both")
    with pytest.raises(
        ValueError,
        match=r"holds several splits \(test, train\); name their folders, e.g. task.train=.*both/train",
    ):
        task(train=str(tmp_path / "both")).load("train")
    assert len(task(train=str(tmp_path / "both" / "train")).load("train")) == 1


def test_a_mapped_optional_column_must_be_there(task: Build, jsonl: Write) -> None:
    with pytest.raises(ValueError, match=r":1: no column 'level' .*set task.columns.difficulty"):
        task(path=jsonl([GOOD]), columns={"difficulty": "level"}).load("train")


def test_splits_without_rows(task: Build, jsonl: Write) -> None:
    path = jsonl([GOOD])
    with pytest.raises(ValueError, match=r"there is no dev data; set task.dev=FILE"):
        task(train=path).load("dev")
    with pytest.raises(ValueError, match=r"no row falls into the test split; raise task.test_share"):
        task(path=path, test_share=0.0).load("test")
    with pytest.raises(
        ValueError, match=r"no row falls into the train split; lower task.dev_share and task.test_share"
    ):
        task(path=path, test_share=0.999999, dev_share=0.0).load("train")


def test_settings_that_cannot_apply(task: Build, jsonl: Write, chat_tokenizer: Any) -> None:
    plain, chat = (
        jsonl([GOOD], "plain.jsonl"),
        jsonl([bad(prompt=[{"role": "system", "content": "Sum."}])], "chat.jsonl"),
    )
    with pytest.raises(
        ValueError, match=r"plain.jsonl:1: task.system_prompt needs a chat.*set task.chat=true"
    ):
        task(train=plain, system_prompt="s").load("train")
    with pytest.raises(
        ValueError,
        match=r"chat.jsonl:1: task.prompt_template goes around the last user message, but this chat has none",
    ):
        task(train=chat, prompt_template="{prompt}!", use=chat_tokenizer).load("train")


ANSWERED = [*MESSAGES, {"role": "assistant", "content": "It is"}]
CHATS = [
    (
        ANSWERED,
        (
            "the chat ends with a message of the assistant. If that is the answer, remove"
            " .*task.continue_final_message=true"
        ),
    ),
    (
        [
            *MESSAGES,
            {"role": "assistant", "content": None, "tool_calls": [{"name": "f"}]},
            {"role": "tool", "content": "3"},
        ],
        "tool_calls",
    ),
    ([{"role": "developer", "content": "Be brief."}, *MESSAGES], r"leaves out message 1 \(developer\)"),
]


@pytest.mark.parametrize(("messages", "message"), CHATS, ids=["answered", "tool calls", "developer"])
def test_chats_that_would_be_shown_otherwise_than_they_are(
    messages: Any, message: str, task: Build, jsonl: Write, chat_tokenizer: Any, monkeypatch: Any
) -> None:
    template = chat_tokenizer.chat_template.replace(
        "{{ m.content }}", "{{ m.content if m.role != 'developer' else '' }}"
    )
    monkeypatch.setattr(chat_tokenizer, "chat_template", template)
    with pytest.raises(ValueError, match=f"chat.jsonl:2: .*{message}"):
        task(train=jsonl([GOOD, bad(prompt=messages)], "chat.jsonl"), use=chat_tokenizer).load("train")


def test_a_chat_template_that_refuses_is_quoted(
    task: Build, jsonl: Write, chat_tokenizer: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(chat_tokenizer, "chat_template", "{{ raise_exception('roles must alternate') }}")
    with pytest.raises(
        ValueError, match=r":1: the tokenizer's chat template refuses these messages: roles must alternate"
    ):
        task(train=jsonl([bad(prompt=MESSAGES)]), use=chat_tokenizer).load("train")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "set task.path=FILE .* or task.train=FILE"),
        ({"path": "p.jsonl", "test": "t.jsonl"}, "task.path and task.test are both set"),
        ({"path": "p.jsonl", "dev_share": 0.5, "test_share": 0.5}, "task.dev_share .* must be below 1"),
        ({"path": "p.jsonl", "prompt_template": "no place"}, "task.prompt_template must contain {prompt}"),
    ],
)
def test_the_config_refuses(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FileTaskConfig.model_validate(options)


def test_no_room_for_a_prompt_and_unknown_kinds(tokenizer: Any) -> None:
    config = FileTaskConfig(path="p.jsonl")
    with pytest.raises(
        ValueError, match=r"max_model_len \(64\) leaves no room for a prompt beside rollout.max_tokens \(64\)"
    ):
        build_task(config, tokenizer, max_model_len=64, max_tokens=64)
    with pytest.raises(
        ValueError, match=r"task.kind: 'csv' is unknown; use one of \['file', 'mixture', 'own'"
    ):
        build_task(FileTaskConfig.model_construct(kind="csv"), tokenizer, max_model_len=64, max_tokens=32)
