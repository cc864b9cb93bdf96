"""Named suites: rows of the published files arrive as prompts that their rewards can judge."""

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from rewards import REWARDS, build_reward, check_reward
from rl.commands.suites.command import shots_wanted, unescaped
from rl.evaluation.suites import SUITES, load_suite
from rl.evaluation.suites.packaged import packaged_file
from rl.evaluation.suites.task import Shots, SuiteTask, chosen, shots_of, suite_file
from rollout.types import Prompt

ROWS: dict[str, dict[str, Any]] = {
    "aime": {"problem": "Find n.", "answer": 42},
    "gsm8k": {"question": "Ann has 40 figs and buys 2. How many?", "answer": "40 + 2 = 42\n#### 42"},
    "humaneval": {
        "task_id": "HumanEval/0",
        "prompt": 'def twice(n: int) -> int:\n    """Twice n."""\n',
        "entry_point": "twice",
        "canonical_solution": "    return 2 * n\n",
        "test": "def check(candidate):\n    assert candidate(21) == 42\n",
    },
    "ifbench": {
        "key": "3",
        "prompt": "Write without spaces.",
        "instruction_id_list": ["format:no_whitespace"],
        "kwargs": [{"N": None}],
    },
    "ifeval": {
        "key": 7,
        "prompt": "Write without commas.",
        "instruction_id_list": ["punctuation:no_comma"],
        "kwargs": [{}],
    },
    "math500": {
        "problem": "What is $6 \\cdot 7$?",
        "answer": "42",
        "subject": "Algebra",
        "level": 2,
        "unique_id": "test/algebra/1.json",
    },
    "mbpp": {
        "task_id": 11,
        "text": "Write a function twice(n).",
        "test_list": ["assert twice(21) == 42"],
        "test_setup_code": "",
    },
    "multiarith": {"input": "Ann has 40 figs and buys 2. How many?", "target": 42},
    "svamp": {
        "Body": "Ann has 40 figs",
        "Question": "How many after buying 2?",
        "Answer": 42.0,
        "Type": "Addition",
    },
}
"""One row of each published form, of our own making."""
RIGHT = {"math": "So it is \\boxed{42}.", "ifeval": "figs"}


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=inner)


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def prompt_of(name: str, tmp_path: Path, tokenizer: Any) -> tuple[SuiteTask, Prompt]:
    file = write(tmp_path / f"{load_suite(name).stems[0]}.jsonl", ROWS[name])
    task = SuiteTask(name, suite_file(name, tmp_path), tokenizer, max_prompt_tokens=4096)
    (prompt,) = task.load("test")
    assert task.origin(prompt) == f"{file}:1"
    return task, prompt


def test_there_is_a_row_for_every_suite() -> None:
    packaged = {name for name in SUITES if packaged_file(name) is not None}
    assert packaged == {"instructions"} and {*ROWS, *packaged} == set(SUITES)
    assert {load_suite(name).reward for name in SUITES} <= set(REWARDS)


@pytest.mark.parametrize("name", [name for name in ROWS if name not in ("humaneval", "mbpp")])
def test_the_reward_judges_the_published_row(name: str, tmp_path: Path, tokenizer: Any) -> None:
    task, prompt = prompt_of(name, tmp_path, tokenizer)
    reward = build_reward(task.reward_name, task.reward_args)
    check_reward(reward, [prompt])
    assert reward(prompt, RIGHT[task.reward_name], truncated=False).correct
    wrong = "So it is \\boxed{41}." if task.reward_name == "math" else "figs, or not, at all"
    assert not reward(prompt, wrong, truncated=False).correct


def test_categories_levels_and_ids_of_the_file_arrive(tmp_path: Path, tokenizer: Any) -> None:
    _, maths = prompt_of("math500", tmp_path, tokenizer)
    assert (maths.id, maths.category, maths.difficulty) == ("math500/test/test/algebra/1.json", "Algebra", 2)
    _, svamp = prompt_of("svamp", tmp_path, tokenizer)
    assert (svamp.category, svamp.answer) == ("Addition", "42")
    assert "Ann has 40 figs. How many after buying 2?" in svamp.text
    _, code = prompt_of("mbpp", tmp_path, tokenizer)
    assert code.metadata["tests"] == ["assert twice(21) == 42"]


def test_the_chat_template_brings_the_suites_own_wording(tmp_path: Path, tokenizer: Any) -> None:
    chat = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer,
        chat_template="{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}",
    )
    file = write(tmp_path / "gsm8k.jsonl", ROWS["gsm8k"])
    texts = [
        SuiteTask("gsm8k", file, use, max_prompt_tokens=4096, chat=through).load("test")[0].text
        for use, through in ((chat, None), (chat, False), (tokenizer, None))
    ]
    assert texts[0].startswith("[user]Ann has") and "\\boxed{}" in texts[0]
    assert texts[1] == texts[2] == f"Question: {ROWS['gsm8k']['question']}\nAnswer:"


def test_a_missing_file_is_named_with_all_its_names(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"suite ifeval: no file in .*input_data.jsonl.*--suite ifeval=FILE"):
        suite_file("ifeval", tmp_path)
    (tmp_path / "ifeval").mkdir()
    inner = write(tmp_path / "ifeval" / "input_data.jsonl", ROWS["ifeval"])
    assert suite_file("ifeval", tmp_path) == inner


def test_a_wrong_file_is_said_with_line_and_columns(tmp_path: Path, tokenizer: Any) -> None:
    file = write(tmp_path / "x.jsonl", ROWS["gsm8k"], ROWS["multiarith"])
    task = SuiteTask("gsm8k", file, tokenizer, max_prompt_tokens=4096)
    with pytest.raises(
        ValueError, match=r"x.jsonl:2: no column question \(columns: input, target\); gsm8k is"
    ):
        task.load("test")
    with pytest.raises(ValueError, match=r"suite 'gsm9k' is unknown.*gsm8k"):
        load_suite("gsm9k")


def test_the_same_problems_are_chosen_whatever_else_the_file_holds(tmp_path: Path, tokenizer: Any) -> None:
    rows = [f"p{i}" for i in range(100)]
    some = chosen(rows, 10, id_of=str)
    assert len(some) == 10 and some == [row for row in rows if row in some]
    assert chosen(rows[::-1], 10, id_of=str)[::-1] == some
    assert set(chosen(rows, 5, id_of=str)) < set(some)
    assert chosen(rows, None, id_of=str) == rows
    file = write(tmp_path / "gsm8k.jsonl", *(gsm8k_row(i) for i in range(20)))
    task = SuiteTask("gsm8k", file, tokenizer, max_prompt_tokens=4096, limit=4)
    ids = [f"gsm8k/test/{i}" for i in range(20)]
    assert [prompt.id for prompt in task.load("test")] == chosen(ids, 4, id_of=str)


def gsm8k_row(i: int) -> dict[str, Any]:
    return {
        "id": i,
        "question": f"Ann has {i} figs and buys 2. How many?",
        "answer": f"{i} + 2\n#### {i + 2}",
    }


def shot_of(row: dict[str, Any]) -> str:
    return f"Question: {row['question']}\nAnswer: {row['answer']}\n\n"


def test_worked_examples_are_of_the_train_split_and_never_of_what_is_asked(
    tmp_path: Path, tokenizer: Any
) -> None:
    asked, train = [gsm8k_row(i) for i in (0, 1)], [gsm8k_row(i) for i in range(100, 108)]
    file = write(tmp_path / "gsm8k_test.jsonl", *asked)
    # The train file holds a problem that is asked, under another id and in another spelling.
    leak = {**asked[0], "id": "leak", "question": asked[0]["question"].upper()}
    write(tmp_path / "gsm8k_train.jsonl", leak, *train)
    shots = shots_of("gsm8k", 8, file=None, beside=tmp_path)
    prompts = SuiteTask("gsm8k", file, tokenizer, max_prompt_tokens=4096, shots=shots).load("test")
    for prompt, row in zip(prompts, asked, strict=True):
        assert prompt.text.endswith(f"Question: {row['question']}\nAnswer:")
        assert all(shot_of(one) in prompt.text for one in train) and "ANN" not in prompt.text
    with pytest.raises(ValueError, match="train has 8 other rows"):
        nine = Shots(count=9, file=tmp_path / "gsm8k_train.jsonl")
        SuiteTask("gsm8k", file, tokenizer, max_prompt_tokens=4096, shots=nine).load("test")
    # One file alone: the examples are what is left of it.
    both = write(tmp_path / "one.jsonl", *train)
    task = SuiteTask(
        "gsm8k", both, tokenizer, max_prompt_tokens=4096, limit=5, shots=Shots(count=3, file=both)
    )
    texts = [prompt.text for prompt in task.load("test")]
    questions = {text.rpartition("Question: ")[2] for text in texts}
    assert len(questions) == 5 and not any(
        text.count(q) > (text.endswith(q)) for q in questions for text in texts
    )


def test_in_a_chat_examples_are_turns_with_the_box_that_is_asked_for(tmp_path: Path, tokenizer: Any) -> None:
    chat = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer,
        chat_template="{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}",
    )
    found: dict[str, str] = {}
    rows: dict[str, dict[str, Any]] = {
        "gsm8k": gsm8k_row(7),
        "svamp": ROWS["svamp"],
        "math500": {**ROWS["math500"], "solution": "Thus $\\boxed{42}$."},
        "mbpp": {**ROWS["mbpp"], "code": "def twice(n):\r\n    return 2 * n"},
    }
    for name, row in rows.items():
        key = next(k for k in ("question", "Question", "problem", "text") if k in row)
        asked = {**row, key: f"Other: {row[key]}"}
        file, train = write(tmp_path / "a.jsonl", asked), write(tmp_path / "b.jsonl", {**row, "task_id": 1})
        shots = Shots(count=1, file=train)
        (prompt,) = SuiteTask(name, file, chat, max_prompt_tokens=4096, shots=shots).load("test")
        found[name] = prompt.text.split("[assistant]")[1].split("[user]")[0]
    assert found == {
        "gsm8k": "7 + 2\n\\boxed{9}",
        "svamp": "\\boxed{42}",
        "math500": "Thus $\\boxed{42}$.",
        "mbpp": "```python\ndef twice(n):\n    return 2 * n\n```",
    }


@pytest.mark.parametrize(
    ("shots", "files", "said"),
    [
        ("5", "", r"no file for worked examples \(none of gsm8k_train.*--shots-file gsm8k=FILE"),
        ("gsm8k=x", "", "--shots: 'x' is no number"),
        ("svamp=2", "", "svamp is not among --suite gsm8k,ifeval"),
        ("ifeval=2", "ifeval=FILE", "rows of ifeval have no worked answers"),
        ("2", "FILE", "names no suite"),
    ],
)
def test_examples_that_cannot_be_had_are_said(
    tmp_path: Path, tokenizer: Any, shots: str, files: str, said: str
) -> None:
    suites = {name: write(tmp_path / f"{name}.jsonl", ROWS[name]) for name in ("gsm8k", "ifeval")}
    files = files.replace("FILE", str(suites["ifeval"]))
    with pytest.raises(ValueError, match=said):
        for name, one in shots_wanted(shots, files, suites).items():
            SuiteTask(name, suites[name], tokenizer, max_prompt_tokens=4096, shots=one)


def test_one_number_is_for_all_suites_with_worked_answers(tmp_path: Path) -> None:
    suites = {name: write(tmp_path / f"{name}.jsonl", ROWS[name]) for name in ("gsm8k", "ifeval", "mbpp")}
    for name in ("gsm8k_train", "mbpp_train"):
        write(tmp_path / f"{name}.jsonl", ROWS[name.split("_")[0]])
    found = shots_wanted("5,mbpp=3", "", suites)
    assert {name: one.count for name, one in found.items()} == {"gsm8k": 5, "mbpp": 3}
    assert unescaped("\\n\\nQuestion:") == "\n\nQuestion:"


def test_a_model_without_a_chat_template_stops_at_the_next_question(tmp_path: Path, tokenizer: Any) -> None:
    file = write(tmp_path / "gsm8k.jsonl", ROWS["gsm8k"])
    task = SuiteTask("gsm8k", file, tokenizer, max_prompt_tokens=4096)
    assert task.stop == ("\nQuestion:",)
    assert task.suite.stop and not SuiteTask("gsm8k", file, tokenizer, max_prompt_tokens=9, chat=True).stop
