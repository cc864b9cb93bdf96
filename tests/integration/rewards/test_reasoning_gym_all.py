"""Every dataset of the installed reasoning-gym: the right answer scores 1 after the way through JSON, others
do not."""

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest
from reasoning_gym.composite import DatasetSpec
from reasoning_gym.factory import DATASETS, create_dataset

from rewards.gym_grammar import EVALUATED
from rewards.reasoning_gym import ReasoningGymReward, library_score
from rollout.types import Prompt

SOLUTIONS = {
    "graph_color": "possible_answer",
    "propositional_logic": "example_answer",
    "rubiks_cube": "example_correct_answer",
}
"""Datasets without a reference answer -> where their metadata show one."""
UNSOLVED = {"boxnet", "rush_hour"}
"""Datasets that judge by rules, and whose items come without any solution."""
PARTS = [
    {"name": "gcd", "weight": 1, "config": {"max_value": 50}},
    {"name": "arc_agi", "weight": 1, "config": {}},
]
REWARD = ReasoningGymReward(extraction="answer_tags")


def prompt_of(name: str, index: int) -> Prompt:
    config: dict[str, Any] = {"datasets": PARTS} if name == "composite" else {}
    made = {"datasets": [DatasetSpec(**part) for part in PARTS]} if name == "composite" else {}
    entry = create_dataset(name, seed=7, size=2, **made)[index]
    facts = {
        "dataset": name,
        "config": config,
        "entry": {"answer": entry["answer"], "metadata": entry["metadata"]},
        "answer_format": "plain",
    }
    return Prompt(
        id=name,
        text=entry["question"],
        token_ids=(),
        answer=str(entry["answer"]),
        metadata=json.loads(json.dumps(facts)),
    )


def same(text: str, gold: str) -> bool:
    try:
        return float(text) == float(gold)
    except ValueError:
        return text == gold


GENERATES = {"basic_arithmetic", "codeio"}
"""Datasets that evaluate their own text when they make an item, and nothing when they judge one."""
OWN_PARSER = {"propositional_logic"}


def test_every_verifier_that_evaluates_is_known() -> None:
    """A new version of the library may have others."""
    found = {
        name
        for name, (kind, _) in DATASETS.items()
        if re.search(r"\b(?:eval|exec|parse_expr|sympify)\(", Path(inspect.getfile(kind)).read_text())
    }
    assert found == EVALUATED.keys() | GENERATES | OWN_PARSER


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_every_dataset(name: str, tmp_path: Path) -> None:
    for index in range(2):
        prompt = prompt_of(name, index)
        REWARD.check(prompt)
        code = f'__import__("pathlib").Path("{tmp_path}/ran").touch()'
        for text in (code, f"#{code}", f"[{code}]", f"x.{code}", f"{code} or 1"):
            assert not REWARD(prompt, f"<answer>{text}</answer>", truncated=False).correct, text
            assert not (tmp_path / "ran").exists(), "the answer was run"
        for text in ("certainly wrong", "0", "1", "True", "No", "[]", "{}", "nan", "nan+nanj", "-", "None"):
            if not same(text, prompt.answer):
                assert not REWARD(prompt, f"<answer>{text}</answer>", truncated=False).correct, text
        if name in UNSOLVED:
            assert prompt.metadata["entry"]["answer"] is None
            continue
        gold = prompt.answer
        if name in SOLUTIONS:
            shown = prompt.metadata["entry"]["metadata"][SOLUTIONS[name]]
            gold = shown if isinstance(shown, str) else json.dumps(shown)
        assert library_score(prompt.metadata, gold) == 1.0
        assert REWARD(prompt, f"So it is <answer>{gold}</answer>", truncated=False).correct
