"""The instruction-following reward against published verdicts of the IFEval and IFBench checkers.

    python -m benchmarks.conformance.ifeval --data DIR [--json FILE]

DIR holds ``ifeval_input.jsonl``, ``ifbench_input.jsonl``, ``{gpt4,ifbench}_eval_{strict,loose}.jsonl`` and
``instruction_unit_cases.jsonl``. Every difference must be explained in ``data/conformance_ifeval.yaml``, and
every explanation must still be needed; else the exit code is 1.
"""

import argparse
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from benchmarks.lib.common import CONSOLE, machine
from rewards.ifeval.instructions import read_instructions
from rewards.ifeval.reward import holds

EXPLANATIONS = Path(__file__).parents[1] / "data" / "conformance_ifeval.yaml"
SUITES = {"gpt4_eval": "ifeval_input", "ifbench_eval": "ifbench_input"}
UNIT = "instruction_unit_cases"


@dataclass(slots=True)
class Agreement:
    """Of one file."""

    cases: int = 0
    agree: int = 0
    prompts: int = 0
    prompts_agree: int = 0
    differences: list[str] = field(default_factory=list)
    """``key/position``."""

    def add(self, key: str, ours: list[bool], published: list[bool]) -> None:
        """One prompt's verdicts, [I] each."""
        same = [a == b for a, b in zip(ours, published, strict=True)]
        self.cases += len(same)
        self.agree += sum(same)
        self.prompts += 1
        self.prompts_agree += all(ours) == all(published)
        self.differences += [f"{key}/{position}" for position, equal in enumerate(same) if not equal]


def rows(data: Path, name: str) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for line in (data / f"{name}.jsonl").read_text(encoding="utf-8").split("\n")
        if line.strip()
    ]


def real_responses(data: Path, suite: str, mode: str) -> Agreement:
    prompts = {row["key"]: row for row in rows(data, SUITES[suite])}
    responses = {row["key"]: row["response"] for row in rows(data, f"{suite}_strict")}
    found = Agreement()
    for row in rows(data, f"{suite}_{mode}"):
        checks = [check for _, check in read_instructions(prompts[row["key"]])]
        ours = [holds(check, responses[row["key"]], loose=mode == "loose") for check in checks]
        found.add(str(row["key"]), ours, row["follow_instruction_list"])
    return found


def unit_cases(data: Path) -> Agreement:
    found = Agreement()
    for row in rows(data, UNIT):
        ((_, check),) = read_instructions(
            {"instruction_id_list": [row["instruction_id"]], "kwargs": [row["kwargs"]]}
        )
        found.add(row["id"], [holds(check, row["response"], loose=False)], [row["expected"]])
    return found


def run(data: Path) -> dict[str, Agreement]:
    """Agreement by file."""
    modes = [(suite, mode) for suite in SUITES for mode in ("strict", "loose")]
    return {f"{suite}_{mode}": real_responses(data, suite, mode) for suite, mode in modes} | {
        UNIT: unit_cases(data)
    }


def complaints(found: dict[str, Agreement], explained: dict[str, dict[str, str]]) -> list[str]:
    """Differences without a reason, and reasons without a difference."""
    differences = {f"{name}: {key}" for name, agreement in found.items() for key in agreement.differences}
    reasons = {f"{name}: {key}" for name, entries in explained.items() for key in entries}
    return [f"not explained: {d}" for d in sorted(differences - reasons)] + [
        f"explained, but no difference: {d}" for d in sorted(reasons - differences)
    ]


def show(found: dict[str, Agreement]) -> None:
    table = Table(
        "file",
        "instructions",
        "agree",
        "%",
        "prompts",
        "agree",
        "%",
        title="instruction following: published verdicts",
    )
    for name, a in found.items():
        shares = [
            f"{100 * agree / of:.2f}" if of else "-"
            for agree, of in ((a.agree, a.cases), (a.prompts_agree, a.prompts))
        ]
        table.add_row(
            name, str(a.cases), str(a.agree), shares[0], str(a.prompts), str(a.prompts_agree), shares[1]
        )
    CONSOLE.print(table)


def main() -> int:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--data", type=Path, required=True, help="folder of the published verdicts")
    options.add_argument("--json", type=Path, help="write the result to this file")
    arguments = options.parse_args()
    explained = yaml.safe_load(EXPLANATIONS.read_text(encoding="utf-8"))
    found = run(arguments.data)
    show(found)
    for name, agreement in found.items():
        for key in agreement.differences:
            CONSOLE.print(
                f"{name} {key}: {explained.get(name, {}).get(key, 'NOT EXPLAINED')}", highlight=False
            )
    wrong = complaints(found, explained)
    for complaint in wrong:
        CONSOLE.print(f"[red]{complaint}[/]")
    if arguments.json:
        files = {
            name: {
                "instructions": a.cases,
                "instructions_agree": a.agree,
                "prompts": a.prompts,
                "prompts_agree": a.prompts_agree,
                "differences": a.differences,
            }
            for name, a in found.items()
        }
        result = {"machine": machine(), "files": files, "complaints": wrong}
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
