"""The same rows are the same prompts, with the same ids and splits, in whatever format they come."""

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow
import pyarrow.parquet
import pytest

from rewards import build_reward
from rl.tasks.files import FileTask
from rl.tasks.rows import files_of
from rollout.types import Prompt

Build = Callable[..., FileTask]
SPLITS = ("train", "dev", "test")
NAMES = (
    "{% for m in messages %}[{{ m.role }}{% if 'name' in m %} {{ m.name }}{% endif %}]{{ m.content }}{%"
    " endfor %}"
)


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def table(rows: list[dict[str, Any]], path: Path, delimiter: str) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def folder(rows: list[dict[str, Any]], path: Path) -> None:
    path.mkdir()
    (path / "part-1.jsonl").write_text(lines(rows[:20]), encoding="utf-8")
    (path / "part-2.json").write_text(json.dumps(rows[20:]))
    (path / "README.md").write_text("no data")


WRITERS: dict[str, Callable[[list[dict[str, Any]], Path], object]] = {
    "data.jsonl": lambda rows, path: path.write_text(lines(rows), encoding="utf-8"),
    "bom.jsonl": lambda rows, path: path.write_text("\ufeff" + lines(rows), encoding="utf-8"),
    "data.ndjson": lambda rows, path: path.write_text(lines(rows), encoding="utf-8"),
    "data.jsonl.gz": lambda rows, path: path.write_bytes(gzip.compress(lines(rows).encode())),
    "data.json": lambda rows, path: path.write_text(json.dumps(rows, indent=1)),
    "lines.json": lambda rows, path: path.write_text(lines(rows), encoding="utf-8"),
    "data.json.gz": lambda rows, path: path.write_bytes(gzip.compress(json.dumps(rows).encode())),
    "data.parquet": lambda rows, path: pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path),
    "saved": lambda rows, path: datasets.Dataset.from_list(rows).save_to_disk(path),
    "folder": folder,
}


def packed(content: str, path: Path) -> None:
    with pyarrow.CompressedOutputStream(str(path), "zstd") as file:
        file.write(content.encode())


WRITERS["data.jsonl.zst"] = lambda rows, path: packed(lines(rows), path)
WRITERS["data.json.zst"] = lambda rows, path: packed(json.dumps(rows), path)
WRITERS["windows.jsonl"] = lambda rows, path: path.write_bytes(lines(rows).replace("\n", "\r\n").encode())


def marked(rows: list[dict[str, Any]], path: Path) -> None:
    """Write a table that begins with a byte order mark."""
    table(rows, path, ",")
    path.write_text("\ufeff" + path.read_text(encoding="utf-8"))


TABLES: dict[str, Callable[[list[dict[str, Any]], Path], object]] = {
    "data.csv": lambda rows, path: table(rows, path, ","),
    "bom.csv": marked,
    "windows.csv": lambda rows, path: table(
        [{name: str(v).replace("\n", "\r\n") if v else v for name, v in row.items()} for row in rows],
        path,
        ",",
    ),
    "data.tsv": lambda rows, path: table(rows, path, "\t"),
}


def prompts(task: Build, path: Path, tokenizer: Any, **options: Any) -> dict[str, list[Prompt]]:
    built = task(path=str(path), use=tokenizer, test_share=0.2, dev_share=0.2, **options)
    return {split: built.load(split) for split in SPLITS}


@pytest.mark.parametrize("name", WRITERS)
def test_padded_chats_and_metadata(
    name: str, task: Build, tmp_path: Path, chat_tokenizer: Any, monkeypatch: Any
) -> None:
    """Rows with different keys, which tables pad with null: names of speakers, tests, arguments, numbers with
    gaps."""
    monkeypatch.setattr(chat_tokenizer, "chat_template", NAMES)
    rows = [
        {
            "prompt": [
                {"role": "user", "content": f"{i}+1?\u2028Think."},
                {"role": "user", "name": "Ann", "content": "Go on."},
            ],
            "answer": i + 1,
            "difficulty": 2 if i % 2 else None,
            "metadata": {
                "tests": [{"stdin": "", "stdout": "3\n"}, {"argv": ["a"], "stdout": "", "exit_code": 2}][
                    : 1 + i % 2
                ]
            },
        }
        for i in range(40)
    ]
    expected = {f"[user]{i}+1?\u2028Think.[user Ann]Go on.": str(i + 1) for i in range(40)}
    WRITERS["data.jsonl"](rows, tmp_path / "expected.jsonl")
    WRITERS[name](rows, tmp_path / name)
    found = prompts(task, tmp_path / name, chat_tokenizer)
    assert {p.text: p.answer for split in SPLITS for p in found[split]} == expected
    assert found == prompts(task, tmp_path / "expected.jsonl", chat_tokenizer)
    assert all(found[split] for split in SPLITS)
    assert {p.difficulty for p in found["train"]} == {0, 2}
    assert {key for p in found["train"] for test in p.metadata["tests"] for key in test} == {
        "stdin",
        "stdout",
        "argv",
        "exit_code",
    }
    (one,) = {tuple(test) for p in found["train"] for test in p.metadata["tests"][:1]}
    assert one == ("stdin", "stdout"), "no key that only other tests have"


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_text(name: str, task: Build, tmp_path: Path, tokenizer: Any) -> None:
    rows = [
        {"id": i, "prompt": f'"{i}",\n\t\u2028é+1?', "answer": i + 1, "category": "sum" if i % 2 else None}
        for i in range(40)
    ]
    WRITERS["data.jsonl"](rows, tmp_path / "expected.jsonl")
    TABLES[name](rows, tmp_path / name)
    assert prompts(task, tmp_path / name, tokenizer) == prompts(task, tmp_path / "expected.jsonl", tokenizer)


def test_chats_in_tables_of_text(task: Build, tmp_path: Path, chat_tokenizer: Any) -> None:
    rows = [{"prompt": [{"role": "user", "content": f"{i}, {i}?"}], "answer": "1"} for i in range(20)]
    WRITERS["data.jsonl"](rows, tmp_path / "expected.jsonl")
    TABLES["data.csv"]([row | {"prompt": json.dumps(row["prompt"])} for row in rows], tmp_path / "data.csv")
    assert prompts(task, tmp_path / "data.csv", chat_tokenizer) == prompts(
        task, tmp_path / "expected.jsonl", chat_tokenizer
    )
    TABLES["data.csv"](rows, tmp_path / "python.csv")  # as pandas writes lists
    with pytest.raises(
        ValueError, match=r"python.csv:2: the prompt looks like a list of messages but is not JSON"
    ):
        task(train=str(tmp_path / "python.csv"), use=chat_tokenizer).load("train")


def test_numbers_with_a_point_are_those_without(task: Build, tmp_path: Path) -> None:
    """A gap makes a column of whole numbers one of floats in pandas and Arrow."""
    path = tmp_path / "floats.jsonl"
    path.write_text(
        '{"id": 7.0, "prompt": "1+1", "answer": 2.0, "difficulty": NaN}\n{"id": 8.0, "prompt": "p", "answer":'
        " 0.5}\n"
    )
    whole, half = task(train=str(path)).load("train")
    assert (whole.id, whole.answer, whole.difficulty, half.answer) == ("file/train/7", "2", 0, "0.5")
    assert build_reward("exact")(whole, "2", truncated=False).correct


def test_a_pattern_takes_its_files_in_order_and_ids_stay_unique_over_them(
    task: Build, tmp_path: Path
) -> None:
    for number in (2, 1):
        (tmp_path / f"train-{number}.jsonl").write_text(
            json.dumps({"prompt": f"p{number}", "answer": "1"}) + "\n"
        )
    (tmp_path / "test-1.jsonl").write_text(json.dumps({"prompt": "held out", "answer": "1"}) + "\n")
    built = task(train=str(tmp_path / "train-*.jsonl"), test=str(tmp_path / "test-*.jsonl"))
    assert [p.text for p in built.load("train")] == ["p1", "p2"]
    assert [p.text for p in built.load("test")] == ["held out"]
    with pytest.raises(
        ValueError,
        match=r"holds files of several splits \(test, train\); name those of one, e.g. task.train=",
    ):
        files_of(str(tmp_path))
    (tmp_path / "train-3.jsonl").write_text(json.dumps({"prompt": "p1", "answer": "1"}) + "\n")
    with pytest.raises(ValueError, match=r"train-3.jsonl:1: duplicate id .* first at .*train-1.jsonl:1"):
        task(train=str(tmp_path / "train-*.jsonl")).load("train")
    with pytest.raises(ValueError, match="no file matches"):
        task(train=str(tmp_path / "dev-*.jsonl")).load("train")


def test_keys_inside_of_columns(task: Build, tmp_path: Path, chat_tokenizer: Any) -> None:
    """As in verl's files."""
    row = {
        "data_source": "gsm8k",
        "prompt": [{"role": "user", "content": "1+1?"}],
        "reward_model": {"style": "rule", "ground_truth": "2"},
        "extra_info": {"index": 7, "split": "train"},
    }
    path = tmp_path / "verl.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), path)
    names = {
        "answer": "reward_model.ground_truth",
        "category": "data_source",
        "id": "extra_info.index",
        "metadata": "extra_info",
    }
    (prompt,) = task(train=str(path), columns=names, use=chat_tokenizer).load("train")
    assert (prompt.answer, prompt.category, prompt.id) == ("2", "gsm8k", "file/train/7")
    assert prompt.metadata == {"index": 7, "split": "train"}
    with pytest.raises(
        ValueError,
        match=(
            r"no column 'reward_model.truth' \(.*reward_model.{style, ground_truth}.*set task.columns.answer"
        ),
    ):
        task(train=str(path), columns={"answer": "reward_model.truth"}, use=chat_tokenizer).load("train")


BROKEN = [
    (
        "a.csv",
        b"prompt,answer\n1+1,2,3\n",
        r"a.csv:2: 3 cells under 2 names; put cells that hold ',' in quotes",
    ),
    ("a.csv", b"prompt,prompt\n1,2\n", r"a.csv:1: two columns have the same name"),
    ("a.csv", b'prompt,answer\n"p\nq",\n', r"a.csv:2: the answer is empty"),
    ("a.csv", b'prompt,answer\n"p"q,1\n', r"a.csv:2: not a table"),
    ("a.json", b'[{"prompt": "p"}]', r"a.json row 1: no column 'answer'"),
    ("a.json", b'"text"', r"a.json: a JSON str, not a list of objects"),
    ("a.json", b'[{"prompt": "p",\n]', r"a.json:2: broken JSON"),
    ("a.json", b"[1]", r"a.json row 1: a JSON int, not an object"),
    ("a.jsonl.gz", b"plain text", r"a.jsonl.gz:1: not a whole gzip file"),
    ("a.jsonl.gz", gzip.compress(b"{}\n" * 99)[:-12], r"a.jsonl.gz:\d+: not a whole gzip file"),
    ("a.jsonl.zst", b"plain text", r"a.jsonl.zst:1: not a whole zstd file"),
    ("a.json.gz", b"plain text", r"a.json.gz: cannot be read"),
    ("a.csv", b"prompt,answer\n\xff,1\n", r"a.csv: not UTF-8"),
]


@pytest.mark.parametrize(
    ("name", "content", "message"), BROKEN, ids=[message[:30] for _, _, message in BROKEN]
)
def test_broken_files(name: str, content: bytes, message: str, task: Build, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        task(train=str(tmp_path / name)).load("train")


def test_nulls_are_absent_except_where_null_is_what_a_test_expects(task: Build, tmp_path: Path) -> None:
    row = {
        "prompt": "p",
        "answer": "a",
        "metadata": {"tests": [{"args": [None, 1], "kwargs": None, "expected": None}]},
    }
    text = {"prompt": "q", "answer": "a", "metadata": json.dumps({"schema": {"x": None}})}
    path = tmp_path / "data.jsonl"
    path.write_text(lines([row, text]))
    first, second = task(train=str(path)).load("train")
    assert first.metadata == {"tests": [{"args": [None, 1], "expected": None}]}
    assert second.metadata == {"schema": {"x": None}}, "JSON text is what was written"


def test_any_of_a_list_of_answers_is_right(task: Build, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": "a", "answer": ["Paris", "paris, France"]},
        {"prompt": "b", "answer": [2, None, 2.5]},
        {"prompt": "c", "answer": ["4"]},
        {"prompt": "d", "answer": 7},
    ]
    for name in ("rows.jsonl", "windows.jsonl"):
        WRITERS[name if name in WRITERS else "data.jsonl"](rows, tmp_path / name)
        found = task(train=str(tmp_path / name)).load("train")
        assert [p.answer for p in found] == ["Paris", "2", "4", "7"]
        assert [p.metadata.get("answers") for p in found] == [
            ["Paris", "paris, France"],
            ["2", "2.5"],
            None,
            None,
        ]
    math, exact = build_reward("math"), build_reward("exact", {"ignore_case": True})
    assert [math(found[1], f"#### {x}", truncated=False).correct for x in ("2", "2.5", "3")] == [
        True,
        True,
        False,
    ]
    assert [exact(found[0], x, truncated=False).correct for x in ("PARIS, FRANCE", "France")] == [True, False]
    with pytest.raises(
        ValueError, match=r"2 answers, of which task\.reward=regex would compare with the first"
    ):
        task(train=str(tmp_path / "rows.jsonl"), reward="regex").load("train")


def test_rows_that_cannot_be_used_are_left_out_and_counted_where_asked(task: Build, tmp_path: Path) -> None:
    good: list[dict[str, Any]] = [{"prompt": str(i), "answer": i} for i in range(6)]
    bad: list[dict[str, Any]] = [
        {"prompt": None, "answer": 1},
        {"prompt": "p", "answer": None},
        {"prompt": "x" * 200, "answer": 1},
    ]
    WRITERS["data.jsonl"]([good[0], *bad, *good[1:]], tmp_path / "data.jsonl")
    path = str(tmp_path / "data.jsonl")
    built = task(train=path, on_error="skip")
    assert [p.text for p in built.load("train")] == ["0", "1", "2", "3", "4", "5"]
    assert built.load("train", 2) == built.load("train")[:2]
    (note,) = built.notes
    assert note.startswith("3 rows are left out (task.on_error=skip), the first:")
    assert "data.jsonl:2: the prompt is empty" in note and "data.jsonl:3: the answer is empty" in note
    assert "data.jsonl:4: the prompt is 201 tokens long" in note
    assert task(train=path, on_error="skip").load("train", 1)[0].text == "0"
    WRITERS["data.jsonl"]([*good[:2], *bad[:2], *bad[:2]], tmp_path / "data.jsonl")
    with pytest.raises(ValueError, match="4 of 6 rows cannot be used, so the settings do not seem to fit"):
        task(train=path, on_error="skip").load("train")
    with pytest.raises(ValueError, match="no column 'solution'"):
        task(train=path, on_error="skip", columns={"answer": "solution"}).load("train")


def test_a_dataset_in_the_hubs_layout(task: Build, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    home = tmp_path / "rows"
    home.mkdir()
    for split in ("train", "test"):
        rows = [{"prompt": f"{split} {i}", "answer": i} for i in range(3)]
        WRITERS["data.jsonl"](rows, home / f"{split}.jsonl")
    built = task(train=f"hf:{home}:train", test=f"hf:{home}:test")
    assert [p.text for p in built.load("test")] == ["test 0", "test 1", "test 2"]
    assert built.origin(built.load("train")[1]) == f"hf:{home}:train row 2"
    with pytest.raises(ValueError, match=r"cannot load the split 'dev' of .*give data/dev"):
        task(train=f"hf:{home}:dev").load("train")
    with pytest.raises(ValueError, match="name the split too, as hf:NAME:SPLIT"):
        task(train="hf:openai/gsm8k").load("train")


def test_a_system_message_of_a_row_stands_before_the_configured_one(
    task: Build, tmp_path: Path, chat_tokenizer: Any
) -> None:
    chats = [
        [{"role": "system", "content": "own"}, {"role": "user", "content": "a"}],
        [{"role": "user", "content": "b"}],
    ]
    WRITERS["data.jsonl"]([{"prompt": chat, "answer": 1} for chat in chats], tmp_path / "data.jsonl")
    built = task(train=str(tmp_path / "data.jsonl"), use=chat_tokenizer, system_prompt="ours")
    assert [p.text for p in built.load("train")] == [
        "[system]own[user]a[assistant]",
        "[system]ours[user]b[assistant]",
    ]
