"""Published verdicts of the IFEval and IFBench checkers on real responses; ``data/README.md`` says whose they
are."""

import json
from pathlib import Path
from typing import Any

import pytest

from rewards.ifeval.instructions import read_instructions
from rewards.ifeval.reward import IFEvalReward, holds
from rollout.types import Prompt

DATA = Path(__file__).parent / "data"


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


VERDICTS = rows("ifeval_verdicts.jsonl")
CASES = rows("ifeval_unit_cases.jsonl")
EVERYDAY = rows("ifeval_everyday.jsonl")


@pytest.mark.parametrize("mode", ["strict", "loose"])
@pytest.mark.parametrize("row", VERDICTS, ids=[f"{row['source']}-{row['key']}" for row in VERDICTS])
def test_real_responses_get_their_published_verdicts(row: dict[str, Any], mode: str) -> None:
    prompt = Prompt(
        id="p",
        text="",
        token_ids=(),
        answer="",
        metadata={k: row[k] for k in ("instruction_id_list", "kwargs")},
    )
    result = IFEvalReward(mode=mode)(prompt, row["response"], truncated=False)
    assert list(result.components.values()) == [float(followed) for followed in row[mode]]
    assert result.correct == all(row[mode])
    assert result.value == float(all(row[mode]))


@pytest.mark.parametrize("case", CASES, ids=[f"{case['id']} {case['instruction_id']}" for case in CASES])
def test_published_unit_cases(case: dict[str, Any]) -> None:
    ((_, check),) = read_instructions(
        {"instruction_id_list": [case["instruction_id"]], "kwargs": [case["kwargs"]]}
    )
    assert holds(check, case["response"], loose=False) == case["expected"]


@pytest.mark.parametrize(
    "case", EVERYDAY, ids=[f"{case['instruction_id']} {case['response'][:20]!r}" for case in EVERYDAY]
)
def test_everyday_responses(case: dict[str, Any]) -> None:
    metadata = {"instruction_id_list": [case["instruction_id"]], "kwargs": [case["kwargs"]]}
    prompt = Prompt(id="p", text="", token_ids=(), answer="", metadata=metadata)
    IFEvalReward().check(prompt)
    assert IFEvalReward()(prompt, case["response"], truncated=False).correct == case["followed"]
