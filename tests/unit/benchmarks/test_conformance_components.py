"""The conformance scripts judge whatever a recorded call holds, lists of nothing too."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.conformance import components as conformance_components
from benchmarks.conformance import ifeval as conformance_ifeval
from benchmarks.conformance.components_cases import judge


@pytest.mark.parametrize(
    ("suite", "call", "expected", "ours"),
    [
        ("open-r1", {"fn": "format_reward", "args": [[]]}, [], []),
        ("open-r1", {"fn": "format_reward", "args": [[[]]]}, [0.0], [0.0]),
        ("open-r1", {"fn": "tag_count_reward", "args": [[]], "path": ["[0]"]}, None, None),
        ("verifiers-xml", {"fn": "parse_answer", "args": [[]]}, "", ""),
        ("verifiers-think", {"fn": "parse", "args": [[]]}, "", ""),
        ("open-r1", {"fn": "len_reward", "args": [[], []]}, [], []),
    ],
)
def test_calls_with_empty_lists(suite: str, call: dict[str, Any], expected: Any, ours: Any) -> None:
    assert judge({"suite": suite, "call": call, "op": "==", "expected": expected}) == (True, ours)


def test_a_question_without_references_is_wrong(tmp_path: Path) -> None:
    row = {
        "suite": "open-instruct:F1Verifier",
        "id": "x",
        "gold": [],
        "prediction": "4\u2028",
        "expected": 0.0,
    }
    (tmp_path / "graders").mkdir()
    (tmp_path / "graders" / "peer_answer_cases.jsonl").write_text(
        json.dumps(row, ensure_ascii=False) + "\n\n", encoding="utf-8"
    )
    assert list(conformance_components.peer_answers(tmp_path)) == [
        ("open-instruct:F1Verifier", "x", True, 0.0)
    ]


def test_an_answer_that_the_librarys_verifier_does_not_take_scores_0() -> None:
    facts = {
        "dataset": "pool_matrix",
        "config": {},
        "entry": {"answer": "1", "metadata": {"solution": [[1.0]]}},
    }
    assert conformance_components.scored(facts, "[]") < 1.0


def test_empty_files_have_no_shares() -> None:
    conformance_ifeval.show({"empty": conformance_ifeval.Agreement()})
