"""Named suites: rows of the published files arrive as prompts that their rewards can judge."""

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from rewards import REWARDS, build_reward, check_reward
from rl.evaluation.suites import SUITES, load_suite
from rl.evaluation.suites.packaged import packaged_file
from rl.evaluation.suites.task import SuiteTask, chosen, suite_file
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


def test_the_same_problems_are_chosen_whatever_else_the_file_holds() -> None:
    prompts = [Prompt(id=f"p{i}", text="", token_ids=(0,), answer="") for i in range(100)]
    some = chosen(prompts, 10)
    assert len(some) == 10 and some == [p for p in prompts if p in some]
    assert chosen(prompts[::-1], 10)[::-1] == some
    assert {p.id for p in chosen(prompts, 5)} < {p.id for p in some}
    assert chosen(prompts, None) == prompts
