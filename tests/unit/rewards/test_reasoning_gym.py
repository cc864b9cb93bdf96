"""The reasoning-gym reward: gold scores 1 on every cell, everything else scores 0 and says why."""

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from rewards.gym_grammar import is_algebra, is_arithmetic, value_of
from rewards.reasoning_gym import ReasoningGymReward, example
from rl.config.task_reasoning_gym import ReasoningGymTaskConfig
from rl.pretrain.tokenizer import char_tokenizer
from rl.tasks.reasoning_gym import ReasoningGymTask
from rollout.types import Prompt

REWARD = ReasoningGymReward()
LIBRARY_QUESTIONS = {
    "lcm": ({"max_value": 20},),
    "basic_arithmetic": ({"max_digits": 2},),
    "letter_counting": ({"max_words": 6},),
    "countdown": ({},),
    "maze": ({},),
    "prime_factorization": ({},),
}


def prompts(number: int = 200, **fields: Any) -> list[Prompt]:
    return ReasoningGymTask(
        ReasoningGymTaskConfig(**fields), char_tokenizer(256), max_prompt_tokens=5000
    ).load("test", number)


def wire(prompt: Prompt) -> Prompt:
    """As it arrives in a verifier process."""
    return replace(prompt, metadata=json.loads(json.dumps(prompt.metadata)))


def test_gold_scores_one_on_every_cell() -> None:
    for prompt in prompts():
        result = REWARD(wire(prompt), f"1+1=3,3#{prompt.answer}", truncated=False)
        assert (result.value, result.correct, result.reason) == (1.0, True, ""), prompt.id


@pytest.mark.parametrize("dataset", LIBRARY_QUESTIONS)
def test_gold_scores_one_for_questions_of_the_library(dataset: str) -> None:
    reward = ReasoningGymReward(extraction="answer_tags")
    for prompt in prompts(
        5, style="question", categories=(dataset,), levels=(1,), level_args=LIBRARY_QUESTIONS
    ):
        assert reward(
            wire(prompt), f"So <answer>1</answer>, no: <answer> {prompt.answer} </answer>.", truncated=False
        ).correct


def test_wrong_and_missing_answers_score_zero_with_a_reason() -> None:
    for prompt in prompts(20):
        for text, truncated, reason in [
            ("", False, "empty"),
            (" \n", False, "empty"),
            (prompt.answer, False, "no answer"),
            (f"#{prompt.answer}#", False, "no answer"),
            (f"#{prompt.answer}", True, "truncated"),
            (f"#{prompt.answer}0", False, "wrong"),
            (f"#{prompt.answer} or 7", False, "wrong"),
            (f"#{prompt.answer}#zz", False, "wrong"),
            ("#" + "9" * 5000, False, "wrong"),
        ]:
            result = REWARD(prompt, text, truncated=truncated)
            assert (result.value, result.correct, result.reason) == (0.0, False, reason), (
                prompt.id,
                text[:40],
            )


def test_sorting_is_exact_although_the_library_forgives_errors_of_one() -> None:
    prompt = next(
        p
        for p in prompts(categories=("number_sorting",))
        if p.text.startswith("u ") and p.answer.startswith("0,2")
    )
    off_by_one = "1,2" + prompt.answer[3:]
    assert off_by_one != prompt.answer
    assert REWARD(prompt, f"#{prompt.answer}", truncated=False).correct
    assert not REWARD(prompt, f"#{off_by_one}", truncated=False).correct
    for text in ("#", "#,", "#1,,2", "#one,two", "#1e3,2", f"#[{prompt.answer}]"):
        assert not REWARD(prompt, text, truncated=False).correct


def test_partial_credit_of_the_library_is_not_correctness() -> None:
    prompt = next(p for p in prompts(categories=("spell_backward",), levels=(4,)))
    almost = prompt.answer[:-1] + ("a" if prompt.answer[-1] != "a" else "b")
    assert REWARD(prompt, f"#{almost}", truncated=False).value == 0.0


@pytest.mark.parametrize(
    ("extraction", "text", "correct"),
    [
        ("hash", "#### 12", True),
        ("hash", "12", False),
        ("answer_tags", "<answer>12</answer>", True),
        ("answer_tags", "<answer>12", False),
        ("last_number", "24 and 36: so it is 12.", True),
        ("last_number", "12, not 6", False),
        ("last_number", "twelve", False),
    ],
)
def test_extraction(extraction: str, text: str, correct: bool) -> None:
    prompt, _ = example()
    assert ReasoningGymReward(extraction=extraction)(prompt, text, truncated=False).correct is correct


def test_an_unknown_extraction_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"'boxed' is unknown; use one of \['answer_tags', 'hash', 'last_number', 'whole'\]"
    ):
        ReasoningGymReward(extraction="boxed")


def item(dataset: str, answer: str, metadata: dict[str, Any], config: dict[str, Any] | None = None) -> Prompt:
    facts = {
        "dataset": dataset,
        "config": config or {},
        "entry": {"answer": answer, "metadata": metadata},
        "answer_format": "plain",
    }
    return Prompt(id=dataset, text="", token_ids=(1,), answer=answer, metadata=facts)


@pytest.mark.parametrize(
    ("prompt", "text", "correct"),
    [
        (item("puzzle24", "(8-5)*(7+1)", {"numbers": [8, 5, 7, 1]}), "(7 + 1) * (8 - 5)", True),
        (item("puzzle24", "(8-5)*(7+1)", {"numbers": [8, 5, 7, 1]}), "6+6+6+6", False),
        (item("puzzle24", "8*6/(4-2)", {"numbers": [7, 7, 2, 6]}), "7*7/2 - 6/6", False),
        (item("puzzle24", "1*1*4*6", {"numbers": [5, 5, 2, 1]}), "5*5 - 1/2", False),  # 24.5
        (item("countdown", "3*4+5", {"numbers": [3, 4, 5], "target": 17}), "5 + 4*3", True),
        (item("countdown", "3*4+5", {"numbers": [3, 4, 5], "target": 17}), "17", False),
        (item("countdown", "3*4+5", {"numbers": [3, 4, 5], "target": 17}), "5 + 4**3", False),
        (item("binary_matrix", "0 1", {}), "[[0, 1]]", False),
        (item("binary_matrix", "0 1", {}), "0 1", True),
        (item("bitwise_arithmetic", "0x3", {"problem": "(0x1 + 0x2)"}), "0x3", True),
        (item("bitwise_arithmetic", "0x3", {"problem": "max(1, 3)"}), "0x3", False),
        (item("polynomial_multiplication", "x**2 - 1", {}), "(x - 1)*(x + 1)", False),
        (item("polynomial_multiplication", "x**2 - 1", {}), "-1 + x**2", True),
        (
            item("simple_integration", "x**2/2 + C", {"integrand": "x", "variable": "x"}),
            "x**2/2 + 0.5 + C",
            True,
        ),
        (item("simple_integration", "C", {"integrand": "max(0, 0)", "variable": "x"}), "C", False),
    ],
)
def test_expressions(prompt: Prompt, text: str, correct: bool) -> None:
    assert REWARD(prompt, f"#{text}", truncated=False).correct is correct


@pytest.mark.parametrize(
    "text", ["__import__('os')", "x.real", "a_b", "max(1, 2)", "'x'", "[1]", "1.x", "x;y"]
)
def test_what_is_more_than_mathematics_is_no_algebra(text: str) -> None:
    assert not is_algebra(text) and not is_arithmetic(text)


@pytest.mark.parametrize("text", ["2*x**2 + .5*x + 1.", "sin(x)*exp(-x)/3 + log(x, 2) + C", "asin(X)", "1e5"])
def test_what_sympy_prints_is_algebra(text: str) -> None:
    assert is_algebra(text)


def test_no_text_takes_the_grammars_long() -> None:
    """Each would be divided in more ways than there are atoms; a match that tries them never ends."""
    for text in ("1" * 1900 + "_", "1.5" * 600 + "_", "0x11 " * 300 + "_"):
        assert not is_arithmetic(text) and not is_algebra(text)
        told = item("bitwise_arithmetic", "0x3", {"problem": text})
        assert not REWARD(told, "#0x3", truncated=False).correct


def test_a_deep_text_is_wrong_and_not_an_error() -> None:
    deep = "(" * 900 + "1" + ")" * 900
    prompt = item("countdown", "1", {"numbers": [1], "target": 1})
    assert not REWARD(prompt, f"#{deep}", truncated=False).correct
    with pytest.raises(ValueError, match="no expression"):
        value_of(deep)


def test_it_needs_no_torch() -> None:
    code = (
        "import sys, rewards.reasoning_gym; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
