"""Code rewards against published programs and attacks: agreement of the verdicts, file by file.

python -m benchmarks.conformance.code --data DIR [--only humaneval] [--json FILE]

DIR holds ``code/`` and ``adversarial/`` with the files that docs/rewards_code.md names. A canonical solution
that fails in the sandbox is run once more outside of it, by the plain command of its language: one that fails
there too is no disagreement. Every positive control has a negative one made of it: the same row with a
program that leaves early, or returns nothing.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.conformance.code_cases import FILES, Case, load
from benchmarks.lib.common import machine
from rewards.code.reward import CodeReward
from rollout.types import Prompt

SECONDS = {"code/mbpp_plus": 40}
"""Some of its inputs take the reference ten seconds on this machine alone (sums up to a hundred million)."""
OUTSIDE = {
    "python": ["python3", "program"],
    "cpp": ["sh", "-c", "g++ -x c++ -std=gnu++20 -O1 -w program -o out && ./out"],
    "java": ["sh", "-c", "cp program Main.java && javac Main.java && java -ea Main"],
    "javascript": [
        "sh",
        "-c",
        "(echo 'console.assert = (x) => { if (!x) process.exit(1); };'; cat program) > p.js && node p.js",
    ],
    "rust": ["sh", "-c", "rustc --edition=2021 --test -Awarnings program -o out && ./out"],
    "bash": ["bash", "program"],
    "perl": ["perl", "program"],
    "r": ["Rscript", "--vanilla", "program"],
}


def main() -> None:
    args = arguments()
    table = Table(
        "file",
        "cases",
        "positive",
        "accepted",
        "negative",
        "false accepts",
        "not judged",
        "fail outside",
        "seconds",
    )
    results: dict[str, Any] = {}
    for name in [name for name in FILES if args.only in name]:
        began = time.monotonic()
        seconds = SECONDS.get(name, 10)
        reward = CodeReward(sandbox=args.sandbox, limits={"wall_s": seconds, "cpu_s": seconds})
        with ThreadPoolExecutor(args.workers) as workers:
            verdicts = list(workers.map(partial(judge, reward), load(args.data, name)))
        results[name] = summary(verdicts) | {"seconds": round(time.monotonic() - began, 1)}
        table.add_row(name, *(str(results[name][key]) for key in COLUMNS))
        for row in results[name]["disagreements"]:
            print(name, row)
    Console(width=150).print(table)
    if args.json:
        args.json.write_text(json.dumps({"machine": machine(), "files": results}, indent=1) + "\n")


COLUMNS = (
    "cases",
    "positive",
    "accepted",
    "negative",
    "false_accepts",
    "not_judged",
    "fail_outside",
    "seconds",
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with code/ and adversarial/")
    parser.add_argument("--only", default="", help="files whose name contains this")
    parser.add_argument("--sandbox", default="local")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, default=None)
    return parser.parse_args()


def judge(reward: CodeReward, case: Case) -> dict[str, Any]:
    prompt = Prompt(id=case.id, text="", token_ids=(), answer="", metadata=case.row)
    try:
        result = reward(prompt, case.completion, truncated=False)
    except ValueError as error:
        unjudgeable = (
            "which the sandbox does not find",
            "is unknown",
            "refuses every input",
            "has no unit_tests",
            "no rust test function",
        )
        missing = any(words in str(error) for words in unjudgeable)
        return {"case": case, "correct": False, "reason": str(error)[:200], "missing": missing}
    found = {"case": case, "correct": result.correct, "reason": result.reason, "missing": False}
    if case.expected and not result.correct and case.plain:
        found["outside"] = passes_outside(case.language, case.plain)
    return found


def passes_outside(language: str, plain: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "program").write_text(plain)
        try:
            done = subprocess.run(
                OUTSIDE[language], cwd=folder, capture_output=True, timeout=120, check=False
            )
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == 0


def summary(verdicts: list[dict[str, Any]]) -> dict[str, Any]:
    judged = [v for v in verdicts if not v["missing"]]
    positive = [v for v in judged if v["case"].expected and v.get("outside") is not False]
    negative = [v for v in judged if not v["case"].expected]
    wrong = [v for v in positive if not v["correct"]] + [v for v in negative if v["correct"]]
    missing = Counter(v["case"].language for v in verdicts if v["missing"])
    outside = Counter(v["case"].language for v in judged if v.get("outside") is False)
    return {
        "cases": len(verdicts),
        "positive": len(positive),
        "accepted": sum(v["correct"] for v in positive),
        "negative": len(negative),
        "false_accepts": sum(v["correct"] for v in negative),
        "not_judged": dict(missing),
        "fail_outside": dict(outside),
        "by_language": {
            language: f"{sum(v['correct'] for v in positive if v['case'].language == language)}/{count}"
            for language, count in Counter(v["case"].language for v in positive).items()
        },
        "reasons": dict(Counter(v["reason"] for v in negative).most_common(12)),
        "disagreements": [
            f"{v['case'].id} expected {v['case'].expected}: {v['reason'] or 'accepted'}" for v in wrong
        ],
        "fail_outside_ids": [f"{v['case'].id}: {v['reason']}" for v in judged if v.get("outside") is False],
    }


if __name__ == "__main__":
    main()
