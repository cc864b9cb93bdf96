"""A run's texts are chosen, shown harmlessly, and become rows that the next stage takes."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from rl.cli import app
from rl.commands.samples.bounds import Bounds
from rl.commands.samples.export import pair_rows, sft_rows
from rl.config.stages import DpoConfig, SftConfig
from rl.pretrain.tokenizer import char_tokenizer
from rl.records.rollouts.files import RolloutFile, file_name
from rl.records.rollouts.schema import schema
from rl.records.rollouts.thinning import Folder, with_count
from rl.stages.preference import examples_of_file
from rl.stages.supervised import sft_examples

runner = CliRunner()


def rollout(step: int, index: int, **given: Any) -> dict[str, Any]:
    """One row; every second completion is right."""
    right = index % 2 == 1
    row: dict[str, Any] = {
        "attempt": 1,
        "step": step,
        "group_id": step,
        "index": index,
        "prompt_id": f"p{step % 2}",
        "category": "gcd" if step % 2 else "sum",
        "prompt": f"a{step % 2}=",
        "completion": f"#{step}{index}",
        "reward": float(right),
        "components": [],
        "judged": True,
        "reason": "" if right else "wrong",
        "correct": right,
        "kept": step != 2,
        "decision": "" if step != 2 else "odd",
        "advantage": 0.5,
        "length": 2 + index,
        "finish_reason": "stop",
        "version_max": step,
        "staleness": 0,
        "temperature": 1.0,
    }
    return row | given


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Four steps of four rollouts, with one that was not judged, one truncated, one with a bracket in it."""
    path = tmp_path / "mine"
    path.mkdir()
    (path / "attempts.jsonl").write_text('{"attempt": 1, "restored_step": 0}\n')
    folder = Folder(path / "rollouts", max_bytes=1 << 30, notice=print)
    for step in range(4):
        rows = [rollout(step, index) for index in range(4)]
        if step == 3:
            rows[0] |= {"judged": False, "reason": "crash", "failure": "crash"}
            rows[1] |= {"finish_reason": "length"}
            rows[2] |= {"completion": "[red]#[/red]\x1b[2J"}
        name = folder.path / file_name("step", step, 1)
        file = RolloutFile(path=name, kind="step", number=step, attempt=1)
        folder.put(file, with_count(pa.Table.from_pylist(rows, schema=schema(tokens=False))))
    return path


def asked(run: Path, *options: str) -> list[dict[str, Any]]:
    result = runner.invoke(app, ["samples", str(run), "--json", "--limit", "99", *options])
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    ("options", "places"),
    [
        (["--step", "1"], [(1, 0), (1, 1), (1, 2), (1, 3)]),
        (["--step", "2:", "--correct"], [(2, 1), (2, 3), (3, 1), (3, 3)]),
        (["--step", ":1", "--wrong", "--category", "sum"], [(0, 0), (0, 2)]),
        (["--reward", ">0.5", "--length", "<=3"], [(0, 1), (1, 1), (2, 1), (3, 1)]),
        (["--dropped", "--correct"], [(2, 1), (2, 3)]),
        (["--reason", "CRASH"], [(3, 0)]),
        (["--reason", "", "--step", "0"], [(0, 1), (0, 3)]),
        (["--grep", "#13"], [(1, 3)]),
        (["--prompt", "p1", "--step", "3", "--wrong"], [(3, 2)]),
        (["--best", "2"], [(3, 1), (3, 3)]),
        (["--worst", "1", "--step", "3"], [(3, 2)]),
    ],
)
def test_filters_and_orders(run: Path, options: list[str], places: list[tuple[int, int]]) -> None:
    assert [(row["step"], row["index"]) for row in asked(run, *options)] == places


def test_what_a_model_wrote_is_text_and_nothing_else(run: Path) -> None:
    result = runner.invoke(app, ["samples", str(run), "--step", "3"])
    assert "[red]#[/red]\\x1b[2J" in result.stdout and "\x1b[2J" not in result.stdout
    assert "not judged crash" in result.stdout and "4 of 16 rollouts match" in result.stderr


def test_one_prompt_over_the_versions(run: Path) -> None:
    result = runner.invoke(app, ["samples", str(run), "--prompt", "p0"], env={"COLUMNS": "100"})
    assert "version 0: 2 of 4 right" in result.stdout and "version 2: 2 of 4 right" in result.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--category", "gdc"], "Did you mean 'gcd'?"),
        (["--prompt", "p11"], "Did you mean 'p1'?"),
        (["--step", "x"], "--step x: give a number, a range"),
        (["--best", "1", "--worst", "1"], "give one of them"),
        (["--eval"], "no texts of evaluations yet"),
    ],
)
def test_mistakes_are_said(run: Path, options: list[str], words: str) -> None:
    result = runner.invoke(app, ["samples", str(run), *options])
    assert result.exit_code == 2 and words in result.output


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("records: {rollouts: none}", "records.rollouts is none"),
        ("run: {name: mine}", "before 0.3.0"),
        ("{stage: sft, records: null}", "a run of t2rl sft"),
        ("records: {rollouts: all}", "the first step is not over"),
    ],
)
def test_a_run_without_texts_says_why(tmp_path: Path, config: str, words: str) -> None:
    (tmp_path / "config.yaml").write_text(config + "\n")
    result = runner.invoke(app, ["samples", str(tmp_path)])
    assert result.exit_code == 2 and words in result.output


def test_accepted_rows_are_those_that_t2rl_sft_trains_on(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    assert runner.invoke(app, ["samples", str(run), "--sft", str(file), "--per-prompt", "3"]).exit_code == 0
    config = SftConfig.model_validate({"model": {"kind": "recipe"}, "data": {"path": str(file)}})
    tokenizer = char_tokenizer(64)
    texts = [
        tokenizer.decode(e.completions[0], skip_special_tokens=True) for e in sft_examples(config, tokenizer)
    ]
    assert texts == ["#01", "#03", "#11", "#13", "#21", "#33"], "right, ended by themselves, three a prompt"


def test_pairs_are_those_that_t2rl_dpo_trains_on(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    assert runner.invoke(app, ["samples", str(run), "--pairs", str(file), "--per-prompt", "2"]).exit_code == 0
    config = DpoConfig.model_validate({"model": {"kind": "recipe"}, "pairs": {"path": str(file)}})
    tokenizer = char_tokenizer(64)
    pairs = [
        tuple(tokenizer.decode(ids, skip_special_tokens=True) for ids in example.completions)
        for example in examples_of_file(config.pairs, tokenizer)
    ]
    assert pairs == [("#01", "#00"), ("#03", "#02"), ("#11", "#10"), ("#13", "#12")]
    again = runner.invoke(app, ["samples", str(run), "--pairs", str(file)])
    assert again.exit_code == 2 and "is there already" in again.output


def test_no_text_is_both_chosen_and_rejected() -> None:
    rows = [rollout(0, 0, completion="x"), rollout(0, 1, completion="x"), rollout(0, 2, completion="")]
    assert list(pair_rows(rows, most=9)) == []
    assert list(sft_rows(rows, most=9)) == [{"prompt": "a0=", "completion": "x"}]


def test_nothing_to_write_is_said(run: Path, tmp_path: Path) -> None:
    result = runner.invoke(app, ["samples", str(run), "--wrong", "--sft", str(tmp_path / "rows.jsonl")])
    assert result.exit_code == 2 and "Loosen the filters" in result.output


@pytest.mark.parametrize(
    ("text", "inside"),
    [("3", [3]), ("2:4", [2, 3, 4]), ("<3", [0, 1, 2]), (">=3", [3, 4, 5]), (">3", [4, 5]), (":1", [0, 1])],
)
def test_bounds_by_step(text: str, inside: list[int]) -> None:
    steps = Bounds.parse(text, option="--step").steps()
    assert steps is not None and [step for step in range(6) if step in steps] == inside
