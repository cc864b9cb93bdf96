"""Cascades over recorded verdicts: what asking small models first saves at equal accuracy.

    python -m benchmarks.planner.cascade --data DIR [--completions FILE]

DIR holds ``gsm8k_solved_by_models.jsonl`` (verdicts of twelve models on the same 910 GSM8K problems, one
answer each; published with GSM-Plus, no licence file, not shipped). FILE holds completions of four of the
models with their gold answers; how often two wrong answers are the same number is counted in it.

Written and committed before the first run. Cost is the number of weights (7, 13, 70), which is the FLOPs of a
token: all answers are taken to be equally long, since the file has no lengths. GPT-3.5 and GPT-4 are left
out: their sizes are not known. Half of the problems choose the cascade (the cheapest that is as accurate as
the best single model there), the other half score it.

Statistics: saving = 1 - cost of the cascade / cost of the best single model; difference = its accuracy minus
the single model's. Both on problems that did not choose; 95% intervals over 1,000 random halves, each half
drawn again with replacement.

- V, a perfect verifier, three rungs at most. Not a way to serve GSM8K: nothing checks its answers at test
  time. It bounds what any verifier could save. Passes if the saving's interval is above 0
  and the difference's above -.02.
- A1, agreement of two models, escalated where they differ, when two wrong answers always agree (collision 1).
  The same threshold.
- A0, the same with wrong answers that never agree (collision 0). The same threshold.
- AM, the same with the collision measured in FILE, at the upper end of its 95% interval. The same threshold.

Expected: V passes by far; A0 passes; A1 fails (agreeing wrong answers cost accuracy that the best single
model does not lose); AM lies between.
"""

import json
import re
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.lib.common import CONSOLE, machine, parser, save
from planner.cascade import (
    Verdicts,
    candidates,
    collision_rate,
    saving,
    saving_replicates,
    tabulate,
)
from planner.estimators.bootstrap import wilson

FILE = "gsm8k_solved_by_models.jsonl"
CLOSED = ("gpt-3.5-turbo", "gpt4")
LEAST_DIFFERENCE = -0.02
DEPTH = 3


def load(folder: Path) -> Verdicts:
    rows = [json.loads(line) for line in (folder / FILE).read_text(encoding="utf-8").splitlines()]
    rows.sort(key=lambda row: row["gsm8k_test_idx"])
    names = sorted({model for row in rows for model in row["correct_by"]} - set(CLOSED))
    c = np.array([[model in row["correct_by"] for row in rows] for model in names]).astype(int)
    size = np.array([float(name.rsplit("_", 1)[1].removesuffix("b")) for name in names])
    return Verdicts(
        models=tuple(names), n=np.ones_like(c), c=c, cost=np.repeat(size[:, None], c.shape[1], axis=1)
    )


def measured_collision(path: Path) -> dict[str, Any]:
    """Pairs of wrong answers of different open models, and how many are the same number."""
    answers: dict[str, dict[int, str | None]] = defaultdict(dict)
    golds: dict[int, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        golds[row["question_idx"]] = row["gold"]
        answers[row["model"]][row["question_idx"]] = (
            row["gold"] if row["expected"] else last_number(row["completion"])
        )
    same = both = 0
    for a, b in combinations(sorted(set(answers) - set(CLOSED)), 2):
        shared = sorted(set(answers[a]) & set(answers[b]))
        equal, wrong = collision_rate(
            [answers[a][q] for q in shared], [answers[b][q] for q in shared], [golds[q] for q in shared]
        )
        same, both = same + equal, both + wrong
    low, high = wilson(same, both)
    return {"equal": same, "both_wrong": both, "rate": same / both, "low": float(low), "high": float(high)}


def last_number(text: str) -> str | None:
    """Without thousands separators and trailing zeros, so that equal numbers are equal strings."""
    found = re.findall(r"-?\d[\d,]*(?:\.\d+)?", text)
    return f"{float(found[-1].replace(',', '')):g}" if found else None


def judge(verdicts: Verdicts, *, gate: str, collision: float, replicates: int) -> dict[str, Any]:
    """The choice on even problems scored on odd ones, with intervals over random halves."""
    table = tabulate(list(candidates(verdicts, gate=gate, depth=DEPTH, collision=collision)), verdicts)
    problems = np.arange(verdicts.n.shape[1])
    point = saving(table, None, choose=problems[::2], score=problems[1::2])
    drawn = saving_replicates(table, None, replicates=replicates)
    report: dict[str, Any] = {
        "gate": gate,
        "collision": collision,
        "candidates": len(table.cascades),
        "single": table.cascades[table.best_single(problems[::2])].name(verdicts.models),
        "chosen": table.cascades[point.chosen].name(verdicts.models),
    }
    for name in ("saving", "difference"):
        low, high = np.quantile([getattr(d, name) for d in drawn], [0.025, 0.975])
        report[name] = {"estimate": getattr(point, name), "low": float(low), "high": float(high)}
    report["passed"] = report["saving"]["low"] > 0 and report["difference"]["low"] > LEAST_DIFFERENCE
    return report


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--data", type=Path, required=True, help="the folder of the verdicts")
    options.add_argument("--completions", type=Path, default=None, help="completions with gold answers")
    args = options.parse_args()
    verdicts, replicates = load(args.data), 50 if args.quick else 1000
    result: dict[str, Any] = {
        "machine": machine(),
        "command": "python -m benchmarks.planner.cascade --data DIR --completions FILE",
        "problems": verdicts.n.shape[1],
        "accuracy": {m: float(verdicts.c[i].mean()) for i, m in enumerate(verdicts.models)},
        "replicates": replicates,
        "saving": {},
    }
    arms = {"V": ("verifier", 1.0), "A1": ("agreement", 1.0), "A0": ("agreement", 0.0)}
    if args.completions is not None:
        result["collision"] = measured_collision(args.completions)
        arms["AM"] = ("agreement", result["collision"]["high"])
    for name, (gate, collision) in arms.items():
        found = judge(verdicts, gate=gate, collision=collision, replicates=replicates)
        result["saving"][name] = found
        CONSOLE.print(name, found)
    save("cascade", result, args=args)


if __name__ == "__main__":
    main()
