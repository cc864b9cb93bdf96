"""``t2rl rewards check``: sound rewards pass, each hole is found, rates and their file are right."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from planner.verifiers.file import read_verifier
from planner.verifiers.verifier import VerifierSpec
from rewards.battery import CASES, attempts
from rewards.gold_forms import FORMS, best_form, gold_of, items_of
from rl.cli import app
from rl.commands.rewards.check_rates import rates_of
from rollout.types import Prompt

runner = CliRunner()
ROWS = [{"prompt": f"What is {n} and {n + 1}?", "answer": str(2 * n + 1)} for n in range(100, 106)]


@pytest.fixture(autouse=True)
def _own_rewards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "rewards"))


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def call(*arguments: str) -> tuple[int, str, str]:
    result = runner.invoke(app, ["rewards", "check", "--workers", "1", *arguments], env={"COLUMNS": "200"})
    return result.exit_code, result.stdout, result.stderr


def failed(reward: str, rows: Path, *more: str) -> tuple[int, set[str], dict[str, Any]]:
    code, output, _ = call("--reward", reward, "--rows", str(rows), "--json", *more)
    report = json.loads(output)
    cases = {case["case"]: case for case in report["cases"]}
    return code, {name for name, case in cases.items() if case["passed"] is False}, cases


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write(tmp_path / "rows.jsonl", ROWS)


def test_the_maths_reward_passes_with_every_case_tried(rows: Path) -> None:
    code, failures, cases = failed("math", rows)
    assert (code, failures) == (0, set())
    assert cases.keys() == {"gold", *CASES}
    assert cases["gold"]["accepted"] == cases["gold"]["tried"] == len(ROWS)
    assert all(case["tried"] and not case["accepted"] for name, case in cases.items() if name != "gold")


@pytest.mark.parametrize(
    ("reward", "holes"),
    [
        ("Contains", {"hedged", "several"}),
        ("Generous", set(CASES)),
        ("Mean", {"gold"}),
        ("Obedient", {"injected"}),
    ],
)
def test_each_hole_is_found(reward: str, holes: set[str], rows: Path) -> None:
    code, failures, cases = failed(f"leaky_rewards:{reward}", rows)
    assert (code, failures) == (1, holes)
    assert all(cases[name]["example"] for name in holes)


def test_what_is_allowed_does_not_fail(rows: Path) -> None:
    code, failures, cases = failed("leaky_rewards:Contains", rows, "--allow", "hedged", "--allow", "several")
    assert (code, failures) == (0, set())
    assert cases["hedged"]["accepted"] > 0
    assert call("--reward", "math", "--rows", str(rows), "--allow", "hedges")[0] == 2


def test_a_task_of_a_config_is_checked_without_a_model(tmp_path: Path) -> None:
    data = write(
        tmp_path / "data.jsonl", [{"question": row["prompt"], "answer": row["answer"]} for row in ROWS * 1]
    )
    code, output, _ = call(
        "gsm8k", f"task.train={data}", f"task.dev={write(tmp_path / 'dev.jsonl', _renamed())}"
    )
    assert code == 0, output
    assert "right completions (box)" in output
    code, output, _ = call(
        "gsm8k", f"task.train={data}", "task.reward=leaky_rewards:Contains", "--split", "train"
    )
    assert (code, "FAILED" in output) == (1, True)


def _renamed() -> list[dict[str, Any]]:
    return [{"question": f"Say {row['prompt']}", "answer": f"Well. #### {row['answer']}"} for row in ROWS]


def test_where_no_gold_can_be_made_it_is_said_and_a_column_gives_one(tmp_path: Path) -> None:
    bare = write(tmp_path / "bare.jsonl", [{"prompt": "Write."}, {"prompt": "Write more."}])
    code, output, _ = call("--reward", "leaky_rewards:LongEnough", "--rows", str(bare))
    assert (code, "gold_completion" in output) == (0, True)
    full = [
        {"prompt": "Write.", "gold_completion": text} for text in ("one two three four five", "too short")
    ]
    code, failures, cases = failed("leaky_rewards:LongEnough", write(tmp_path / "full.jsonl", full))
    assert (code, failures) == (1, {"gold"})
    assert (
        cases["gold"]["accepted"],
        cases["gold"]["tried"],
        cases["truncated"]["tried"],
        cases["hedged"]["tried"],
    ) == (
        1,
        2,
        2,
        0,
    )
    assert "too short" in cases["gold"]["example"]


def test_rates_by_hand(tmp_path: Path) -> None:
    right = [{"completion": f"\\boxed{{{n}}}", "answer": n, "label": True} for n in range(18)]
    missed = [
        {"completion": "sieben", "answer": 7, "label": 1},
        {"completion": "acht", "answer": 8, "label": 1},
    ]
    wrong = [{"completion": f"\\boxed{{{n + 1}}}", "answer": n, "label": False} for n in range(9)]
    taken = [{"completion": "\\boxed{5}", "answer": 5, "label": 0}]
    judged, spec = write(tmp_path / "judged.jsonl", [*right, *missed, *wrong, *taken]), tmp_path / "spec.json"
    code, output, errors = call(
        "--reward", "math", "--labelled", str(judged), "--write-spec", str(spec), "--json"
    )
    assert code == 0, errors
    rates = json.loads(output)["rates"]
    assert (rates["fpr"], rates["tpr"], rates["wrong"], rates["right"]) == (0.1, 0.9, 10, 20)
    # Wilson, z = 1.959964, 1 of 10: centre (.1 + .19207) / 1.38415 = .21101, half width .19311.
    assert rates["fpr_interval"] == pytest.approx([0.01788, 0.40415], abs=2e-4)
    assert read_verifier(spec) == VerifierSpec(fpr=0.1, tpr=0.9)
    counts = write(tmp_path / "counts.jsonl", [{"id": "a", "n": 8, "c": 2}, {"id": "b", "n": 8, "c": 6}])
    plan = ["plan", "queries", str(counts), "--budget-tokens", "4000", "--json"]
    told = runner.invoke(app, [*plan, "--verifier-fpr", "0.1", "--verifier-tpr", "0.9"])
    filed = runner.invoke(app, [*plan, "--verifier-file", str(spec)])
    assert filed.exit_code == 0
    assert json.loads(filed.stdout) == json.loads(told.stdout)
    assert runner.invoke(app, [*plan, "--verifier-file", str(spec), "--verifier-fpr", "0.1"]).exit_code == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not JSON"),
        ("[1]", "an object"),
        ('{"fpr": 0.1}', "tpr: a share from 0 to 1"),
        ('{"fpr": true, "tpr": 1}', "fpr: a share"),
        ('{"fpr": 0.9, "tpr": 0.5}', "must satisfy"),
    ],
)
def test_a_wrong_rates_file_is_refused(content: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "spec.json"
    file.write_text(content)
    with pytest.raises(ValueError, match=words):
        read_verifier(file)
    with pytest.raises(ValueError, match="no such file"):
        read_verifier(tmp_path / "other.json")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name either a task"),
        (["quickstart", "--reward", "math"], "name either a task"),
        (["quickstart", "--split", "best"], "choose one of train, dev, test"),
        (["--reward", "math"], "give --rows FILE"),
        (["--reward", "math", "--rows", "missing.jsonl"], "missing.jsonl: no such file"),
        (["quickstart", "--write-spec", "x.json"], "give --labelled FILE"),
        (["--reward", "math", "--labelled", "missing.jsonl"], "no such file"),
        (["quikstart"], "no such config"),
    ],
)
def test_wrong_calls_are_the_users(arguments: list[str], words: str) -> None:
    code, _, errors = call(*arguments)
    assert code == 2
    assert words in " ".join(errors.split())


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"completion": "1", "answer": 1}, "label: is missing"),
        ({"completion": "1", "answer": 1, "label": "yes"}, "true or false"),
    ],
)
def test_labels_are_checked(row: dict[str, Any], words: str, tmp_path: Path) -> None:
    code, _, errors = call("--reward", "math", "--labelled", str(write(tmp_path / "judged.jsonl", [row])))
    assert (code, words in errors) == (2, True)


def test_both_labels_are_needed_and_useless_verdicts_are_not_written(tmp_path: Path) -> None:
    one = write(tmp_path / "one.jsonl", [{"completion": "#### 1", "answer": 1, "label": True}])
    code, _, errors = call("--reward", "math", "--labelled", str(one))
    assert (code, "no row has the label false" in errors) == (2, True)
    both = write(
        tmp_path / "both.jsonl",
        [{"completion": "#### 1", "answer": 1, "label": label} for label in (True, False)],
    )
    spec = tmp_path / "spec.json"
    code, _, errors = call("--reward", "math", "--labelled", str(both), "--write-spec", str(spec))
    assert (code, "is not below tpr" in errors, spec.exists()) == (2, True, False)


# -- parts ---------------------------------------------------------------------------------------------------


def prompt(answer: str, **facts: Any) -> Prompt:
    return Prompt(id=answer, text=f"say {answer}", token_ids=(), answer=answer, metadata=facts)


def test_golds_are_made_of_what_a_prompt_has() -> None:
    solved = prompt("", tests=[{"stdin": "", "stdout": "1"}], canonical_solution="puts 1", language="ruby")
    items = items_of(
        [prompt("7"), prompt("Sum. #### 8"), prompt("9", gold_completion="nine"), solved, prompt("")], {}
    )
    assert [item.kind for item in items] == ["answer", "answer", "answer", "program", "open"]
    golds = [gold_of(item, "box") for item in items]
    assert golds == [FORMS["box"]("7"), FORMS["box"]("8"), "nine", "```ruby\nputs 1\n```", None]


def test_the_form_is_the_one_that_most_prompts_take() -> None:
    assert best_form([{"box": False, "text": True}, {"box": True, "text": True}]) == "text"
    assert best_form([{"box": True, "text": True}]) == "box"


def test_another_answer_is_really_another() -> None:
    items = items_of([prompt("1,000"), prompt("1000.0"), prompt("2")], {})
    given = {attempt.text for attempt in attempts(0, items, "text") if attempt.case == "other gold"}
    assert given == {"2"}
    alone = attempts(0, items[:1], "text")
    assert {attempt.text for attempt in alone if attempt.case == "hedged"} == {
        "1,000 or 1001",
        "1001 or 1,000",
        "1,000 or maybe 1001",
    }
    assert not [attempt for attempt in alone if attempt.case == "other gold"]
    programs = [prompt("", tests=["x"], canonical_solution=code) for code in ("a = 1", "a = 1", "a = 2")]
    assert [a.text for a in attempts(0, items_of(programs, {}), "text") if a.case == "other gold"] == [
        "```python\na = 2\n```"
    ]


def test_truncated_completions_end_within_their_answer() -> None:
    items = items_of([prompt("1234"), prompt("5")], {})
    [cut] = [attempt for attempt in attempts(0, items, "box") if attempt.case == "truncated"]
    assert (cut.text, cut.truncated) == ("The answer is \\boxed{12", True)


def test_rates_are_shares_of_each_kind() -> None:
    rates = rates_of([True, False, True, True], [True, True, False, True])
    assert ((rates.tpr.c, rates.tpr.n), (rates.fpr.c, rates.fpr.n)) == ((2, 3), (1, 1))


def test_programs_and_given_completions_end_a_thinking_that_the_prompt_opened() -> None:
    opened = {"id": "p", "text": "q <think>", "token_ids": (), "answer": ""}
    rows = [
        {"tests": ["assert f(1)"], "canonical_solution": "def f(x): return x"},
        {"gold_completion": "Rain."},
    ]
    items = items_of([Prompt(**opened, metadata=facts) for facts in rows], {})
    assert [gold_of(item, "box") for item in items] == [
        "It follows.</think>\n```python\ndef f(x): return x\n```",
        "It follows.</think>\nRain.",
    ]
