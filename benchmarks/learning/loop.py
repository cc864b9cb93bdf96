"""Does it pay to train for the samples that a query will get? pass@1, a fixed k and the planner's loop at
four deployment budgets.

    python -m benchmarks.learning.loop [--seeds 0 1 2] [--steps 60] [--quick] [--json FILE] [overrides]

One base of 0.4M parameters (``configs/loop_study.yaml``), one optimizer, the same rollouts a step; arms
differ in the objective alone (``passk`` at k = 1 is RLOO). A deployment budget is an average of so many *base
answers' tokens* for each held-out problem. The planner divides it over the problems by their category, from
outcomes on other problems, for every policy alike; coverage is the unbiased pass@k of each problem at the k
that it got. Uniform k is shown beside it.

Finished runs are remembered (``runs/benchmarks/loop``). Intervals: 95%, paired with the pass@1 arm over seeds
and problems.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks.learning.learning import ROOT, Runs
from benchmarks.lib.common import CONSOLE, command_line, machine, parser, save
from planner.estimators.bootstrap import MIN_SEEDS, bootstrap_mean, seeds_difference
from planner.estimators.pass_at_k import pass_at_k
from planner.planner import Planner, PlannerConfig
from planner.types import Query
from planner.verifiers.verifier import VerifierSpec
from rl.views.evaluations import read_counts
from rollout.statistics import StatisticsStore
from rollout.types import RolloutStat

CONFIG = "loop_study"
BUDGETS = (1, 4, 16, 64)
"""Average tokens a problem, in answers of the base."""
FIXED_K = 4
"""A quarter of the group."""
FIXED = f"fixed k={FIXED_K}"
REFERENCE = "pass@1"
BASE_TOKENS = 10.0
"""Tokens of a base answer, for the targets that training plans with; the budgets of the evaluation use the
measured mean."""
KEY = "deployment"

Rows = list[dict[str, Any]]


def arms(steps: int) -> dict[str, list[str]]:
    """Arm -> overrides. The loop is trained for two of the budgets, with and without its price of length."""
    common = [f"run.steps={steps}", "algorithm.advantage_scale=batch_rms"]
    warmup = min(10, steps // 4)
    loop = [
        "algorithm=planner_loop",
        f"algorithm.advantage.planner.warmup_steps={warmup}",
        f"algorithm.advantage.planner.price_warmup_steps={warmup}",
    ]
    free = "algorithm.advantage.planner.length_price=false"
    return {
        REFERENCE: ["algorithm=passk", "algorithm.advantage.k=1", *common],
        FIXED: ["algorithm=passk", f"algorithm.advantage.k={FIXED_K}", *common],
        **{f"loop@{m}": [*loop, _budget(m), free, *common] for m in (4, 16)},
        **{f"loop@{m}, priced": [*loop, _budget(m), *common] for m in (4, 16)},
    }


def _budget(answers: int) -> str:
    return f"algorithm.advantage.planner.budget_tokens={answers * BASE_TOKENS}"


def main() -> None:
    args = _arguments()
    runs = Runs(ROOT / "runs" / "benchmarks" / f"loop{'-quick' if args.quick else ''}", fresh=args.fresh)
    policies: dict[str, list[tuple[Rows, Rows]]] = {arm: [] for arm in arms(args.steps)}
    base: list[tuple[Rows, Rows]] = []
    targets: dict[str, Any] = {}
    for seed in args.seeds:
        for arm, overrides in arms(args.steps).items():
            every = [
                *overrides,
                f"evaluation.num_prompts={args.prompts}",
                *args.overrides,
                f"run.seed={seed}",
            ]
            run = runs.train(args.config, every, label=f"{arm}, seed {seed}")
            before, after = evaluations(run)
            policies[arm].append(after)
            base = base or [before]
            targets.setdefault(arm, []).append(_targets(run))
    result: dict[str, Any] = {
        "machine": machine(),
        "command": command_line(),
        "base": summary(base, None, base_tokens=mean_tokens(base[0][1])),
        "targets": targets,
        "arms": {},
    }
    for arm, found in policies.items():
        reference = None if arm == REFERENCE else policies[REFERENCE]
        result["arms"][arm] = summary(found, reference, base_tokens=mean_tokens(base[0][1]))
        if arm != FIXED:
            result["arms"][arm]["minus_fixed"] = against(
                found, policies[FIXED], base_tokens=mean_tokens(base[0][1])
            )
    show(result)
    save("loop", result, args=args)


# -- what a policy can do ------------------------------------------------------------------------------------


def evaluations(run: Path) -> tuple[tuple[Rows, Rows], tuple[Rows, Rows]]:
    """(probe, test) rows of the base and of the trained policy: a third of the held-out problems plans, the
    others are judged."""
    found = []
    paths = sorted((run / "eval").glob("version-*.jsonl"))
    for path in (paths[0], paths[-1]):
        counts = next(c for c in read_counts(path, max_tokens=1, top_p=1) if c.sampling.temperature > 0)
        rows = sorted(counts.rows, key=lambda row: str(row["id"]))
        found.append((rows[::3], [row for index, row in enumerate(rows) if index % 3]))
    return found[0], found[1]


def mean_tokens(rows: Rows) -> float:
    """Of one answer."""
    return sum(row["tokens"] for row in rows) / sum(row["n"] for row in rows)


def planned(probe: Rows, test: Rows, tokens: float) -> np.ndarray:
    """[M] k of each test problem, at an average of ``tokens`` for each, planned from the probe's
    categories."""
    store = StatisticsStore([str(row["id"]) for row in probe], sampling_key=KEY)
    for row in probe:
        store.add(_stat(row))
    planner = Planner(store, config=PlannerConfig(k_max=min(row["n"] for row in test)))
    queries = [Query(id=str(row["id"]), category=row["category"]) for row in test]
    return planner.plan(queries, tokens * len(test), verifier=VerifierSpec()).k


def _stat(row: dict[str, Any]) -> RolloutStat:
    share = row["tokens"] / row["n"]
    return RolloutStat(
        plan_step=0,
        prompt_id=str(row["id"]),
        category=row["category"],
        difficulty=row["difficulty"],
        sampling_key=KEY,
        num_rollouts=row["n"],
        num_correct=row["c"],
        num_truncated=0,
        num_tokens=int(share * row["n"]),
        min_policy_version=0,
        max_policy_version=0,
        kept=True,
    )


def coverage(rows: Rows, k: np.ndarray) -> np.ndarray:
    """[M] unbiased pass@k of each problem at its own k [M]; a real k mixes the whole numbers around it, 0
    being no answer."""
    k = np.minimum(np.broadcast_to(np.asarray(k, dtype=np.float64), len(rows)), [row["n"] for row in rows])
    out = np.zeros(len(rows))
    for index, (row, wanted) in enumerate(zip(rows, k, strict=True)):
        low = math.floor(wanted)
        share = wanted - low
        for whole, weight in ((low, 1 - share), (low + 1, share)):
            if whole and weight:
                out[index] += weight * float(pass_at_k(row["n"], row["c"], min(whole, row["n"])))
    return out


def by_budget(probe: Rows, test: Rows, *, base_tokens: float) -> dict[int, dict[str, np.ndarray]]:
    """Budget -> how k is chosen -> [M] coverage."""
    own = mean_tokens(test)
    out = {}
    for budget in BUDGETS:
        tokens = budget * base_tokens
        uniform = coverage(test, np.array(tokens / own))
        # Every query gets one answer at least, so a budget that does not pay that cannot be planned with.
        chosen = coverage(test, planned(probe, test, tokens)) if tokens >= 1.2 * own else uniform
        out[budget] = {"planned": chosen, "uniform": uniform}
    return out


def summary(
    policies: list[tuple[Rows, Rows]], reference: list[tuple[Rows, Rows]] | None, *, base_tokens: float
) -> dict[str, Any]:
    """pass@1 and coverage at every budget, over seeds, and their differences to the reference."""
    tables = [by_budget(*policy, base_tokens=base_tokens) for policy in policies]
    others = [by_budget(*policy, base_tokens=base_tokens) for policy in reference or []]
    single = np.stack([coverage(test, np.array(1)) for _, test in policies])
    out: dict[str, Any] = {
        "pass_at_1": round(float(single.mean()), 4),
        "tokens_per_answer": round(float(np.mean([mean_tokens(test) for _, test in policies])), 2),
        "budgets": {},
    }
    if reference:
        out["pass_at_1_minus"] = _paired(
            single, np.stack([coverage(test, np.array(1)) for _, test in reference])
        )
    for budget in BUDGETS:
        facts: dict[str, Any] = {}
        for way in ("planned", "uniform"):
            mine = np.stack([table[budget][way] for table in tables])
            interval = bootstrap_mean(mine.mean(axis=0))
            facts[way] = {
                "coverage": round(interval.value, 4),
                "ci": [round(interval.low, 4), round(interval.high, 4)],
            }
            if others:
                facts[way]["minus"] = _paired(mine, np.stack([table[budget][way] for table in others]))
        out["budgets"][budget] = {
            **facts["planned"],
            "pass_at_1": out["pass_at_1"],
            "uniform": facts["uniform"],
        }
    return out


def against(
    mine: list[tuple[Rows, Rows]], theirs: list[tuple[Rows, Rows]], *, base_tokens: float
) -> dict[int, dict[str, float] | None]:
    """Budget -> difference in planned coverage of two arms, paired by seed and problem."""
    tables, others = (
        [by_budget(*policy, base_tokens=base_tokens) for policy in side] for side in (mine, theirs)
    )
    return {
        b: _paired(*(np.stack([table[b]["planned"] for table in side]) for side in (tables, others)))
        for b in BUDGETS
    }


def _paired(mine: np.ndarray, theirs: np.ndarray) -> dict[str, float] | None:
    """Of [S, M]; None below three seeds."""
    if len(mine) < MIN_SEEDS:
        return None
    d = seeds_difference(mine - theirs)
    return {"value": round(d.value, 4), "low": round(d.low, 4), "high": round(d.high, 4)}


# -- showing it ----------------------------------------------------------------------------------------------


def _targets(run: Path) -> dict[str, float]:
    """The planner's last targets, and how many groups had no success over the last fifth of the run; {}
    without a planner."""
    last = json.loads((run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    return {name: round(value, 5) for name, value in last.items() if name.startswith("planner/")}


def show(result: dict[str, Any]) -> None:
    """Coverage at each budget; differences to the arm trained on pass@1."""
    table = Table("policy", "pass@1", *(f"{b} answers' tokens" for b in BUDGETS), "tokens/answer")
    table.title = "held-out coverage, planned by category (difference to pass@1 training, 95%)"
    for arm, facts in {"base": result["base"], **result["arms"]}.items():
        cells = [_cell(facts["budgets"][b]["coverage"], facts["budgets"][b].get("minus")) for b in BUDGETS]
        table.add_row(
            arm,
            _cell(facts["pass_at_1"], facts.get("pass_at_1_minus")),
            *cells,
            f"{facts['tokens_per_answer']:.1f}",
        )
    CONSOLE.print(table)


def _cell(value: float, minus: dict[str, float] | None) -> str:
    return f"{value:.3f}" + (
        "" if minus is None else f" {minus['value']:+.3f} ({minus['low']:+.3f} to {minus['high']:+.3f})"
    )


def _arguments() -> argparse.Namespace:
    made = parser(__doc__ or "")
    made.add_argument("--seeds", type=int, nargs="+", default=None, help="default 0 1 2; 0 with --quick")
    made.add_argument("--steps", type=int, default=None, help="default 60; 4 with --quick")
    made.add_argument(
        "--prompts", type=int, default=None, help="held-out problems, a third of which plans; default 600"
    )
    made.add_argument("--fresh", action="store_true", help="forget finished runs")
    made.add_argument("overrides", nargs="*", help="of the config, for every arm")
    args = made.parse_args()
    args.config = CONFIG
    if args.quick:
        args.overrides = ["model.recipe.tokens=60000", *args.overrides]
    args.seeds = args.seeds or ([0] if args.quick else [0, 1, 2])
    args.steps = args.steps or (4 if args.quick else 60)
    args.prompts = args.prompts or (60 if args.quick else 600)
    return args


if __name__ == "__main__":
    main()
