"""``t2rl plan queries`` from the command line."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rl.cli import app

ROWS = [
    {"id": "easy", "n": 16, "c": 15, "category": "sums", "tokens": 160},
    {"id": "hard", "n": 16, "c": 1, "category": "sums", "tokens": 320},
    {"id": "new", "n": 0, "c": 0, "category": "sums"},
]


def write(path: Path, rows: list[Any]) -> str:
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8"
    )
    return str(path)


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["plan", "queries", *arguments])


@pytest.mark.parametrize(
    "options",
    [[], ["--mode", "sequential"], ["--verifier-fpr", "0.05", "--loss", "1"], ["--no-verifier"]],
    ids=" ".join,
)
def test_json_out(tmp_path: Path, options: list[str]) -> None:
    result = call(write(tmp_path / "c.jsonl", ROWS), "--budget-tokens", "400", "--json", *options)
    assert result.exit_code == 0, result.output
    plan = json.loads(result.stdout)
    assert plan["expected_tokens"] <= 400
    assert plan["lambda"] > 0
    assert [q["id"] for q in plan["queries"]] == ["easy", "hard", "new"]
    easy = plan["queries"][0]
    assert easy["expected_tokens"] == pytest.approx(10 * easy["k"]) or plan["mode"] == "sequential"
    assert (
        plan["expected_correct_interval"][0]
        <= plan["expected_correct"]
        <= plan["expected_correct_interval"][1]
    )


def test_table_out(tmp_path: Path) -> None:
    result = call(write(tmp_path / "c.jsonl", ROWS), "--budget-tokens", "400")
    assert result.exit_code == 0
    assert "easy" in result.stdout
    assert "lambda" in result.stdout


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (["{"], [], "c.jsonl:1: not JSON"),
        ([ROWS[0], {"id": "x", "n": 4}], [], "c.jsonl:2: c missing"),
        ([ROWS[0], {"id": "x", "n": 4, "c": 9}], [], "c.jsonl:2: c is 9"),
        ([ROWS[0], {"id": "x", "n": -1, "c": 0}], [], "c.jsonl:2: n is -1"),
        ([{**ROWS[0], "tokens": "many"}], [], "c.jsonl:1: tokens is 'many'"),
        ([ROWS[0], ROWS[0]], [], "c.jsonl:2: id 'easy'"),
        (ROWS, ["--mode", "both"], "--mode both"),
        (ROWS, ["--verifier-fpr", "1.5"], "--verifier-fpr 1.5"),
        (ROWS, ["--budget-tokens", "-3"], "--budget-tokens -3"),
        ([{"id": "x", "n": 0, "c": 0}], ["--budget-tokens", "1"], "do not pay"),
    ],
)
def test_bad_input_exits_with_2_and_says_where(
    tmp_path: Path, rows: list[Any], options: list[str], message: str
) -> None:
    result = call(write(tmp_path / "c.jsonl", rows), "--budget-tokens", "400", *options)
    assert result.exit_code == 2
    assert message in result.output


def test_ids_with_odd_line_separators_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    rows = [ROWS[0] | {"id": "one\u2028two\u0085three"}, ROWS[1]]
    path.write_text(
        "\ufeff" + "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )
    result = call(str(path), "--budget-tokens", "400", "--json")
    assert [q["id"] for q in json.loads(result.stdout)["queries"]] == ["one\u2028two\u0085three", "hard"]
    measured = CliRunner().invoke(app, ["passk", str(path), "--k", "1", "--json"])
    assert measured.exit_code == 0, measured.output
