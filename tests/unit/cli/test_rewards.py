"""``t2rl rewards``: verdicts on a file, in order, one a row; bad rows, interruptions, hangs."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rewards import REWARDS
from rl.cli import app
from rl.commands.rewards.names import first_line
from rl.commands.rewards.rows import MAX_GROUP, Row, groups_of, read_rows
from rollout.types import Prompt

runner = CliRunner()
HOSTILE = Path(__file__).parents[1] / "rewards"


def call(*arguments: str) -> tuple[int, str, str]:
    result = runner.invoke(app, ["rewards", *arguments], env={"COLUMNS": "200"})
    return result.exit_code, result.stdout, result.stderr


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def exact_rows(tmp_path: Path) -> Path:
    return write(
        tmp_path / "rows.jsonl",
        [{"completion": str(i % 3), "answer": i % 2, "id": f"q{i}"} for i in range(60)],
    )


# -- list ----------------------------------------------------------------------------------------------------


def test_list_names_every_reward_with_a_line() -> None:
    code, output, _ = call("list", "--json")
    listed = {row["name"]: row for row in json.loads(output)}
    assert code == 0 and listed.keys() == REWARDS.keys()
    assert all(row["about"] and row["path"] == REWARDS[name] for name, row in listed.items())


def test_the_line_is_the_first_of_the_documentation() -> None:
    assert (
        first_line(REWARDS["exact"])
        == "1 if the completion equals the reference answer, surrounding whitespace aside."
    )


def test_a_rows_category_is_the_prompts(tmp_path: Path) -> None:
    row = {"completion": "4", "answer": "4"}
    path = write(tmp_path / "rows.jsonl", [{**row, "category": "sums"}, row])
    assert [row.prompt.category for row in read_rows(path)] == ["sums", "default"]
    wrong = write(tmp_path / "wrong.jsonl", [{"completion": "4", "category": 4}])
    with pytest.raises(ValueError, match=r"wrong.jsonl:1: category: a string is needed, not int"):
        list(read_rows(wrong))


# -- score ---------------------------------------------------------------------------------------------------


def test_one_verdict_a_row_in_the_same_order(exact_rows: Path, tmp_path: Path) -> None:
    out = tmp_path / "verdicts.jsonl"
    code, output, _ = call("score", "exact", str(exact_rows), "--out", str(out), "--workers", "2", "--json")
    assert code == 0
    right = [i % 3 == i % 2 for i in range(60)]
    verdicts = read(out)
    assert [v["correct"] for v in verdicts] == right
    assert verdicts[0] == {"value": 1.0, "correct": True, "components": {}, "reason": ""}
    assert verdicts[2] == {"value": 0.0, "correct": False, "components": {}, "reason": "wrong"}
    summary = json.loads(output)
    assert (
        summary["rows"] == 60
        and summary["correct"] == sum(right)
        and summary["mean_value"] == sum(right) / 60
    )
    assert summary["reasons"] == {"wrong": 60 - sum(right), "": sum(right)}


@pytest.mark.parametrize("out", [[], ["--out", "-"]])
def test_without_out_verdicts_are_printed_and_the_summary_stands_apart(
    exact_rows: Path, out: list[str]
) -> None:
    code, output, errors = call("score", "exact", str(exact_rows), "--workers", "1", *out)
    assert code == 0
    assert len([json.loads(line) for line in output.splitlines()]) == 60
    assert "exact: 60 rows, 20 right (33.3%)" in errors


def test_what_a_reward_raises_is_printed_with_its_place_and_counts_as_no_verdict(
    exact_rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = (
        "def judge(text):\n    if text.strip() == '1':\n        raise ConnectionError('judge is down')\n   "
        " return 0.5\n"
    )
    (tmp_path / "rewards.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    rows = write(tmp_path / "rows.jsonl", [{"completion": text} for text in ("1", "2", "3")])
    code, output, errors = call("score", "rewards.py:judge", str(rows), "--workers", "1")
    assert code == 0
    assert [json.loads(line).get("judged", True) for line in output.splitlines()] == [False, True, True]
    assert "3 rows, 1 not judged, 0 right (0.0%), mean value 0.5" in errors
    assert "error: ConnectionError at rewards.py:3: judge is down" in errors
    code, _, errors = call(
        "score",
        "rewards.py:judge",
        str(write(tmp_path / "one.jsonl", [{"completion": "1"}])),
        "--workers",
        "1",
    )
    assert code == 2 and "judged none of 1 rows: error: ConnectionError at rewards.py:3" in errors


def test_fields_of_a_row_reach_the_reward(tmp_path: Path) -> None:
    row = {
        "completion": "no comma",
        "instruction_id_list": ["punctuation:no_comma", "detectable_format:title"],
        "kwargs": [{}, {}],
    }
    rows = write(tmp_path / "rows.jsonl", [row, {**row, "truncated": True}, {**row, "completion": "<<A>> b"}])
    code, output, _ = call("score", "ifeval", str(rows), "--workers", "1", "--args", '{"partial": true}')
    assert code == 0
    verdicts = [json.loads(line) for line in output.splitlines()]
    assert [v["value"] for v in verdicts] == [0.5, 0.0, 1.0]
    assert verdicts[0]["components"] == {"punctuation:no_comma": 1.0, "detectable_format:title": 0.0}
    assert verdicts[1]["reason"] == "truncated"


def test_a_reward_of_ones_own_that_hangs_costs_its_rows_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(HOSTILE))
    rows = write(
        tmp_path / "rows.jsonl", [{"completion": text} for text in ("ok", "hang", "ok", "exit", "raise")]
    )
    code, output, _ = call("score", "hostile:CommandReward", str(rows), "--workers", "1", "--timeout", "0.5")
    assert code == 0
    verdicts = [json.loads(line) for line in output.splitlines()]
    assert [v["value"] for v in verdicts] == [1.0, 0.0, 1.0, 0.0, 0.0]
    assert [v["reason"].partition(":")[0] for v in verdicts] == ["", "timeout", "", "crash", "error"]
    assert [v.get("failure") for v in verdicts] == [None, "timeout", None, "crash", "error"]


def test_a_file_without_rows_has_no_verdicts(tmp_path: Path) -> None:
    rows, out = write(tmp_path / "rows.jsonl", []), tmp_path / "out.jsonl"
    code, output, _ = call("score", "exact", str(rows), "--out", str(out), "--workers", "1", "--json")
    assert code == 0 and out.read_text() == "" and json.loads(output)["mean_value"] is None


# -- the user's input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reward", "line", "message"),
    [
        ("exact", "{", "not a JSON row"),
        ("exact", "[1]", "a row is an object {completion, ...}, not list"),
        ("exact", '{"answer": "4"}', "completion: is missing"),
        ("exact", '{"completion": "4"}', "answer: is missing"),
        ("math", '{"completion": "4"}', "answer: is missing"),
        ("exact", '{"completion": 4, "answer": "4"}', "completion: a string is needed, not int"),
        ("exact", '{"completion": "4", "answer": ["4"]}', "answer: a string is needed, not list"),
        (
            "exact",
            '{"completion": "4", "answer": "4", "truncated": "no"}',
            "truncated: true or false is needed, not 'no'",
        ),
        ("ifeval", '{"completion": "4"}', "instruction_id_list: give a list"),
        (
            "ifeval",
            '{"completion": "4", "instruction_id_list": ["no:such"]}',
            "instruction_id_list[0]: 'no:such' is unknown",
        ),
    ],
)
def test_a_bad_row_is_named_by_line_and_field(tmp_path: Path, reward: str, line: str, message: str) -> None:
    good = {"completion": "4", "answer": "4", "instruction_id_list": ["punctuation:no_comma"]}
    rows, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    rows.write_text(json.dumps(good) + "\n\n" + line + "\n")
    code, _, errors = call("score", reward, str(rows), "--out", str(out))
    assert code == 2 and f"{rows}:3: {message}" in errors
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "'nonsense' is unknown"),
        (["no.such:Reward"], "cannot import 'no.such'"),
        (["exact", "--args", "{"], "--args '{' is not JSON"),
        (["exact", "--args", "[]"], "must be an object"),
        (["exact", "--args", '{"no": 1}'], "does not take reward_args"),
        (["exact", "--timeout", "0"], "timeout_s is 0.0"),
    ],
)
def test_a_bad_reward_or_option_is_named(
    exact_rows: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    out = tmp_path / "out.jsonl"
    code, _, errors = call(
        "score", arguments[0], str(exact_rows), *arguments[1:], "--out", str(out), "--workers", "1"
    )
    assert code == 2 and message in errors
    assert files_in(tmp_path) == ["rows.jsonl"]


def test_paths_are_checked_first(exact_rows: Path, tmp_path: Path) -> None:
    assert call("score", "exact", str(tmp_path / "none.jsonl"))[0] == 2
    assert call("score", "exact", str(exact_rows), "--out", str(tmp_path / "no" / "out.jsonl"))[0] == 2
    assert call("score", "exact", str(exact_rows), "--out", str(tmp_path))[0] == 2


# -- interrupted ---------------------------------------------------------------------------------------------


def test_ctrl_c_leaves_the_old_file_and_nothing_half_written(tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.jsonl", [{"completion": text} for text in ["ok"] * 40 + ["hang"]])
    out = tmp_path / "out.jsonl"
    out.write_text("old\n")
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "rl.cli",
            "rewards",
            "score",
            "hostile:CommandReward",
            str(rows),
            "--out",
            str(out),
            "--timeout",
            "600",
        ],
        env={**os.environ, "PYTHONPATH": str(HOSTILE)},
        stderr=subprocess.PIPE,
        # a background job starts with it ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not any(path.stat().st_size for path in tmp_path.glob(".out.jsonl.*.partial")):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130 and "interrupted" in errors
    assert files_in(tmp_path) == ["out.jsonl", "rows.jsonl"]
    assert out.read_text() == "old\n"


# -- groups --------------------------------------------------------------------------------------------------


def test_neighbours_that_ask_the_same_are_one_group() -> None:
    def row(answer: str, **facts: Any) -> Row:
        return Row(Prompt(id="x", text="", token_ids=(), answer=answer, metadata=facts), "text", False)

    groups = list(groups_of([row("1"), row("1"), row("2"), row("1"), row("1", a=1)]))
    assert [len(group.texts) for group in groups] == [2, 1, 1, 1]
    assert [len(group.texts) for group in groups_of([row("1")] * (MAX_GROUP + 3))] == [MAX_GROUP, 3]


def test_rows_are_read_with_their_defaults(tmp_path: Path) -> None:
    (row,) = read_rows(
        write(tmp_path / "rows.jsonl", [{"completion": "c", "answer": 1.5, "tests": [1], "prompt": "p"}])
    )
    assert (row.text, row.truncated, row.prompt.id, row.prompt.text, row.prompt.answer) == (
        "c",
        False,
        "1",
        "p",
        "1.5",
    )
    assert row.prompt.metadata == {"tests": [1]}
