"""How far the maths reward agrees with published verdicts, and that attacks and hedges score nothing.

    python -m benchmarks.conformance.maths --data DIR [--json FILE] [--only NAME ...]

DIR holds ``graders/``, ``adversarial/`` and ``math/`` (``maths_cases.py`` names the files). Every
completion is judged in a verifier process, as in training. A disagreement must be explained in
``benchmarks/data/conformance_maths.yaml`` (id -> why); one that is not, or an explanation that nothing needs
any more, fails the script.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from benchmarks.conformance.maths_cases import SUITES, Case, Extraction
from benchmarks.lib.common import CONSOLE, machine
from rewards.processes.pool import VerifierPool
from rollout.types import Failure, Prompt, RewardResult

EXPLANATIONS = Path(__file__).parents[1] / "data" / "conformance_maths.yaml"
TIMEOUT_S = 5.0


class Judge:
    """One pool for each set of arguments."""

    def __init__(self) -> None:
        self._pools: dict[str, VerifierPool] = {}

    async def __call__(
        self, golds: Sequence[str], texts: Sequence[str], args: dict[str, Any]
    ) -> list[list[RewardResult]]:
        """[references][texts] results."""
        key = json.dumps(args, sort_keys=True)
        if key not in self._pools:
            self._pools[key] = VerifierPool("math", args, timeout_s=TIMEOUT_S)
            await self._pools[key].start()
        prompts = [Prompt(id="conformance", text="?", token_ids=(), answer=gold) for gold in golds]
        return [await self._pools[key].score(prompt, texts, [False] * len(texts)) for prompt in prompts]

    async def close(self) -> None:
        """Stop every process."""
        for pool in self._pools.values():
            await pool.close()


async def run_suite(judge: Judge, cases: Sequence[Case | Extraction]) -> dict[str, Any]:
    """Counts, and the disagreements as {id, expected, reason}."""
    wrong: list[dict[str, Any]] = []
    groups: dict[tuple[tuple[str, ...], str], list[Case]] = defaultdict(list)
    timeouts = 0
    for case in cases:
        if isinstance(case, Case):
            groups[case.golds, json.dumps(case.args, sort_keys=True)].append(case)
        elif not case.agrees():
            wrong.append({"id": case.id, "expected": case.expected, "reason": "another extraction"})
    for (golds, args), members in groups.items():
        verdicts = await judge(golds, [case.text for case in members], json.loads(args))
        for case, results in zip(members, zip(*verdicts, strict=True), strict=True):
            correct = any(result.correct for result in results)
            timeouts += any(result.failure is Failure.TIMEOUT for result in results)
            errors = [result.reason for result in results if result.failure not in (None, Failure.TIMEOUT)]
            if errors or (case.expected is not None and case.expected != correct):
                wrong.append(
                    {"id": case.id, "expected": case.expected, "reason": (errors or [results[0].reason])[0]}
                )
    return {
        "cases": len(cases),
        "agree": len(cases) - len(wrong),
        "timeouts": timeouts,
        "disagreements": wrong,
    }


async def run(data: Path, only: Sequence[str]) -> dict[str, Any]:
    """Name of suite -> counts."""
    judge, outcome = Judge(), {}
    try:
        for name, (file, read) in SUITES.items():
            if only and not any(part in name for part in only):
                continue
            began = time.monotonic()
            outcome[name] = {"file": file, **await run_suite(judge, list(read(data / file)))}
            outcome[name]["seconds"] = round(time.monotonic() - began, 1)
            CONSOLE.print(
                f"{name}: {outcome[name]['agree']} of {outcome[name]['cases']} in"
                f" {outcome[name]['seconds']} s"
            )
    finally:
        await judge.close()
    return outcome


def show(outcome: dict[str, Any], explanations: dict[str, str]) -> int:
    """Print the table and the disagreements; the number of those without an explanation."""
    table = Table("cases of", "file", "cases", "agree", "%", "explained", "timeouts", title="maths reward")
    unexplained = 0
    for name, suite in outcome.items():
        known = sum(row["id"] in explanations for row in suite["disagreements"])
        unexplained += len(suite["disagreements"]) - known
        share = f"{100 * suite['agree'] / suite['cases']:.2f}"
        table.add_row(
            name,
            suite["file"],
            str(suite["cases"]),
            str(suite["agree"]),
            share,
            str(known),
            str(suite["timeouts"]),
        )
    CONSOLE.print(table)
    for name, suite in outcome.items():
        for row in suite["disagreements"]:
            why = explanations.get(row["id"], "NOT EXPLAINED")
            CONSOLE.print(
                f"{name}: {row['id']}: expected {row['expected']}, got {row['reason'] or 'right'}: {why}",
                markup=False,
            )
    return unexplained


def main() -> int:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument(
        "--data", type=Path, required=True, help="folder with graders/, adversarial/ and math/"
    )
    options.add_argument(
        "--json", type=Path, default=None, help="write counts and disagreements to this file"
    )
    options.add_argument("--only", nargs="*", default=[], help="only suites whose name contains one of these")
    args = options.parse_args()
    explanations: dict[str, str] = yaml.safe_load(EXPLANATIONS.read_text(encoding="utf-8")) or {}
    outcome = asyncio.run(run(args.data, args.only))
    unexplained = show(outcome, explanations)
    found = {row["id"] for suite in outcome.values() for row in suite["disagreements"]}
    stale = [] if args.only else sorted(set(explanations) - found)
    if stale:
        CONSOLE.print(
            f"explained but agreeing: {', '.join(stale)}; take them out of {EXPLANATIONS.name}", markup=False
        )
    if args.json:
        args.json.write_text(
            json.dumps({"machine": machine(), "suites": outcome}, indent=2) + "\n", encoding="utf-8"
        )
    return 1 if unexplained or stale else 0


if __name__ == "__main__":
    sys.exit(main())
