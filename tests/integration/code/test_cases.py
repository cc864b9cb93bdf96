"""Attacks and positive controls, and canonical solutions, with the verdicts that they must get."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.code.conftest import Judge

DATA = Path(__file__).parent / "data"


def rows(name: str, key: str) -> list[Any]:
    lines = (DATA / name).read_text().splitlines()
    return [pytest.param(json.loads(line), id=json.loads(line)[key]) for line in lines]


@pytest.mark.parametrize("row", rows("sandbox_cases.jsonl", "id"))
def test_attacks_fail_and_controls_pass(row: dict[str, Any], judge: Judge) -> None:
    result = judge(row["code"], {**row["task_def"], "language": row["language"]})
    assert result.correct == bool(row["expected_reward"])
    assert bool(result.reason) != result.correct


@pytest.mark.parametrize("row", rows("humaneval.jsonl", "task_id"))
def test_canonical_solutions_pass_as_body_and_as_block(row: dict[str, Any], judge: Judge) -> None:
    facts = {
        "language": "python",
        "prompt": row["prompt"],
        "tests": row["test"],
        "entry_point": row["entry_point"],
    }
    assert judge(row["canonical_solution"], facts).correct
    assert judge(f"So:\n```python\n{row['prompt']}{row['canonical_solution']}```", facts).correct
    assert not judge("    return ...\n", facts).correct
    assert not judge("    raise SystemExit(0)\n", facts).correct
