"""``t2rl tasks check`` on rows: what is wrong with them is counted and named before a run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast
from typer.testing import CliRunner

from rl.cli import app
from rl.commands.tasks.check import is_data
from rl.commands.tasks.data_report import histogram
from rl.commands.tasks.tokens import Facts
from rollout.types import Prompt

Write = Callable[..., str]
ROWS = [
    {"q": "Natalia sold clips to 48 of her friends in April.", "a": "72"},
    {"q": "Natalia sold clips to 50 of her friends in April.", "a": "75"},
    {"q": "natalia sold clips to 50  of her friends in April.", "a": "75"},
    {"q": "A robe takes 2 bolts of blue fiber.", "a": "three"},
    {"q": "Something else that is asked.", "a": "3"},
]
NUMBERS = "task.reward=tests.unit.tasks.reference_rewards:Numbers"


def check(*arguments: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(app, ["tasks", "check", *arguments, "--json"], env={"COLUMNS": "200"})
    assert result.exit_code in (0, 1), result.output
    return result.exit_code, json.loads(result.output)


def failed(found: dict[str, Any]) -> dict[str, str]:
    return {one["check"]: one["problem"] for one in found["findings"] if not one["passed"]}


def test_a_file_that_is_whole_passes_and_one_that_is_not_names_its_rows(jsonl: Write, tmp_path: Path) -> None:
    columns = ["--column", "prompt=q", "--column", "answer=a", NUMBERS]
    code, found = check(jsonl([ROWS[0], ROWS[4]]), *columns)
    assert code == 0 and failed(found) == {}
    assert found["data"]["rows"]["train"] == 2 and "repeated" not in found["data"]
    assert found["data"]["words of a prompt"] == {"min": 5, "median": 7, "95%": 9, "max": 10}

    held_out = jsonl([{"q": ROWS[4]["q"].upper(), "a": 3}, {"q": "A new one.", "a": 1}], "test.jsonl")
    code, found = check(jsonl([*ROWS, {"q": None, "a": 1}]), *columns, f"task.test={held_out}")
    assert code == 1
    problems = failed(found)
    assert set(problems) == {
        "every row can be used",
        "held-out prompts are not in train",
        "no answer is rejected by its own reward",
    }
    assert "data.jsonl:6: the prompt is empty" in problems["every row can be used"]
    assert "test.jsonl:1 and" in problems["held-out prompts are not in train"]
    assert "1 of 7:" in problems["no answer is rejected by its own reward"]
    assert "data.jsonl:4: 'three' (no number)" in problems["no answer is rejected by its own reward"]
    assert "1 repeat an earlier one word for word, and 1 nearly" in found["data"]["repeated"]


def test_data_and_configs_are_told_apart(tmp_path: Path) -> None:
    for name in ("rows.jsonl", "rows.csv.gz", "rows.parquet", "hf:openai/gsm8k:main:train", str(tmp_path)):
        assert is_data(name), name
    for name in ("quickstart", "examples/sums.yaml"):
        assert not is_data(name), name


def saved(tokenizer: PreTrainedTokenizerFast, path: Path, **generation: Any) -> str:
    """A directory with the files that a look at tokens reads."""
    tokenizer.save_pretrained(path)
    (path / "config.json").write_text("{}")
    (path / "generation_config.json").write_text(json.dumps(generation))
    return str(path)


def test_tokens_of_a_policy_are_looked_at(
    jsonl: Write, tmp_path: Path, tokenizer: Any, chat_tokenizer: Any
) -> None:
    columns = ["--column", "prompt=q", "--column", "answer=a", NUMBERS]
    rows = jsonl([ROWS[0], {"q": "<s><s>twice", "a": 1}])
    model = saved(tokenizer, tmp_path / "plain", eos_token_id=[5, 7])
    _, found = check(rows, *columns, "--model", model, "rollout.max_model_len=60", "rollout.max_tokens=20")
    assert set(failed(found)) == {"every prompt fits", "one start token"}
    assert "1 of 2 are longer than 40 tokens" in failed(found)["every prompt fits"]
    assert found["data"]["one prompt"][:3] == ["<s>", "N", "a"]

    ends_nowhere = saved(tokenizer, tmp_path / "endless")
    _, found = check(jsonl([ROWS[0]]), *columns, "--model", ends_nowhere)
    assert "names an end token" in failed(found)["an end token that is sampled"]


@pytest.mark.parametrize(("eos", "problem"), [([5, 60], ""), ([5], "(id 60), which is")])
def test_a_turn_of_a_chat_must_end_with_an_end_token(
    chat_tokenizer: Any, tmp_path: Path, eos: list[int], problem: str, monkeypatch: Any
) -> None:
    template = chat_tokenizer.chat_template.replace("{{ m.content }}", "{{ m.content }};")
    monkeypatch.setattr(chat_tokenizer, "chat_template", template)
    semicolon = chat_tokenizer(";", add_special_tokens=False)["input_ids"][0]
    eos = [semicolon if one == 60 else one for one in eos]
    facts = Facts(tokenizer=chat_tokenizer, ends=frozenset(eos))
    chat = Prompt(id="c", text="[user]hi;[assistant]", token_ids=(1,), answer="")
    assert facts.is_chat(chat) and not facts.is_chat(Prompt(id="t", text="hi", token_ids=(1,), answer=""))
    assert problem.replace("60", str(semicolon)) in facts.end_problem(chat=True)
    assert bool(problem) == bool(facts.end_problem(chat=True)) and facts.end_problem(chat=False) == ""


def test_a_bar_for_every_range_of_lengths() -> None:
    assert histogram(np.array([1, 1, 1, 3])) == " █ ▃"
    assert len(histogram(np.arange(500))) == 24
