"""The reward components against recorded tests of other libraries, and reasoning-gym's own scores.

    python -m benchmarks.conformance.components --data DIR [--json FILE]

DIR holds ``graders/peer_extraction_format_cases.jsonl``, ``graders/peer_answer_cases.jsonl`` and
``reasoning_gym/score_oracle.jsonl``. Rows of the first two are judged where a component has the same formula
(``components_cases.py``). Every disagreement must be explained in
``data/conformance_components.yaml`` (id -> why), and every explanation must still be needed; else the exit
code is 1.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from reasoning_gym.factory import create_dataset
from rich.table import Table

from benchmarks.conformance.components_cases import THEN_ANSWER, judge
from benchmarks.lib.common import CONSOLE, machine
from rewards import build_reward
from rewards.reasoning_gym import NOT_UNDERSTOOD, library_score
from rollout.types import Prompt

EXPLANATIONS = Path(__file__).parents[1] / "data" / "conformance_components.yaml"
Case = tuple[str, str, bool, Any]
"""(suite, id, agrees, what we say)."""


@dataclass(slots=True)
class Agreement:
    """Of one suite."""

    cases: int = 0
    differences: dict[str, Any] = field(default_factory=dict)
    """id -> what we say."""


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def peer_calls(data: Path) -> Iterator[Case]:
    """Recorded calls of format, length and repetition rewards."""
    for row in rows(data / "graders" / "peer_extraction_format_cases.jsonl"):
        judged = judge(row)
        if judged is not None:
            yield row["suite"], row["id"], *judged


def peer_answers(data: Path) -> Iterator[Case]:
    """F1, normalised matching, and maths gated by the format of a thinking model."""
    gated = {
        "math": {"reward": "math", "args": {"extraction": "boxed"}, "gate": "format"},
        "format": {"reward": "format", "args": THEN_ANSWER, "weight": 0},
    }
    rewards = {
        "open-instruct:F1Verifier": build_reward("f1"),
        "open-instruct:PuzzleMatcherVerifier": build_reward("exact", {"normalise": True}),
        "rllm": build_reward("rubric", {"components": gated, "correct": "math"}),
    }
    for row in rows(data / "graders" / "peer_answer_cases.jsonl"):
        reward = rewards.get(row["suite"])
        if reward is None or (row["suite"] == "rllm" and "format" not in row.get("note", "")):
            continue
        golds = row["gold"] if isinstance(row["gold"], list) else [str(row["gold"])]
        prompts = [Prompt(id="case", text="", token_ids=(), answer=gold) for gold in golds]
        value = max(
            (reward(prompt, row["prediction"], truncated=False).value for prompt in prompts), default=0.0
        )
        yield row["suite"], row["id"], abs(value - float(row["expected"])) < 1e-9, value


@lru_cache(maxsize=256)
def generated(name: str, seed: int) -> Any:
    return create_dataset(name, seed=seed, size=5)


def scored(facts: Mapping[str, Any], answer: str | None) -> float:
    """The library's score; 0 where its verifier raises, as some do on an answer of another form, such as an
    empty list."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            return library_score(facts, answer)
        except NOT_UNDERSTOOD:
            return 0.0


def oracle(data: Path) -> Iterator[Case]:
    """Every answer variant of every dataset, its item having been through JSON as on the way to a verifier
    process."""
    for row in rows(data / "reasoning_gym" / "score_oracle.jsonl"):
        metadata = row["metadata"]
        if metadata is None:
            item = generated(row["dataset"], row["seed"])[row["index"]]
            assert item["question"] == row["question"], (
                f"{row['id']}: the installed library makes another item"
            )
            metadata = item["metadata"]
        facts = {
            "dataset": row["dataset"],
            "config": {},
            "entry": {"answer": row["gold"], "metadata": metadata},
        }
        facts = json.loads(json.dumps(facts))
        for variant in row["scores"]:
            score = scored(facts, variant["answer"])
            yield (
                "reasoning_gym",
                f"{row['id']}/{variant['variant']}",
                abs(score - variant["score"]) < 1e-9,
                score,
            )


def run(data: Path) -> dict[str, Agreement]:
    """Agreement by suite."""
    found: dict[str, Agreement] = {}
    for source in (peer_calls, peer_answers, oracle):
        for suite, case, agrees, ours in source(data):
            agreement = found.setdefault(suite, Agreement())
            agreement.cases += 1
            if not agrees:
                agreement.differences[case] = ours
    return found


def complaints(found: dict[str, Agreement], explained: dict[str, str]) -> list[str]:
    """Disagreements without a reason, and reasons without a disagreement."""
    differences = {case for agreement in found.values() for case in agreement.differences}
    return [f"not explained: {case}" for case in sorted(differences - explained.keys())] + [
        f"explained, but they agree: {case}" for case in sorted(explained.keys() - differences)
    ]


def show(found: dict[str, Agreement], explained: dict[str, str]) -> None:
    table = Table(
        "suite",
        "cases",
        "agree",
        "differ",
        title="reward components: recorded expectations of other libraries",
    )
    for suite, a in found.items():
        table.add_row(suite, str(a.cases), str(a.cases - len(a.differences)), str(len(a.differences)))
    CONSOLE.print(table)
    for a in found.values():
        for case, ours in a.differences.items():
            CONSOLE.print(f"{case}: ours {ours!r}; {explained.get(case, 'NOT EXPLAINED')}", highlight=False)


def main() -> int:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--data", type=Path, required=True, help="folder with graders/ and reasoning_gym/")
    options.add_argument("--json", type=Path, help="write the result to this file")
    arguments = options.parse_args()
    explained = yaml.safe_load(EXPLANATIONS.read_text(encoding="utf-8")) or {}
    found = run(arguments.data)
    show(found, explained)
    wrong = complaints(found, explained)
    for complaint in wrong:
        CONSOLE.print(f"[red]{complaint}[/]")
    if arguments.json:
        suites = {suite: {"cases": a.cases, "differences": a.differences} for suite, a in found.items()}
        arguments.json.write_text(
            json.dumps({"machine": machine(), "suites": suites}, indent=2) + "\n", encoding="utf-8"
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
