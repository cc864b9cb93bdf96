"""The computation and the tables behind ``t2rl plan queries``."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from planner.allocation.demand import Unknown
from planner.estimators.counts_file import CountRow, read_counts_file
from planner.planner import Planner, PlannerConfig
from planner.types import Mode, Query, ServingPlan
from planner.verifiers.file import read_verifier
from planner.verifiers.verifier import VerifierSpec
from rollout.statistics import StatisticsStore
from rollout.types import RolloutStat

KEY = "file"
SHOWN = 40
"""Rows of the table; --json has all."""


def plan_queries_cli(
    path: Path,
    budget: float,
    *,
    mode: str,
    rates: tuple[float, float] | None,
    verifier_file: Path | None,
    loss: float,
    tokens_per_sample: float,
    temperature: float | None,
    as_json: bool,
) -> None:
    """Read, plan, print.

    Raises:
        ValueError: the user's input, with option or line and field.
    """
    verifier = None if rates is None else _verifier(*rates, verifier_file)
    rows = read_counts_file(path, temperature=temperature, least=0)
    plan = plan_rows(
        rows, budget, mode=_mode(mode), verifier=verifier, loss=loss, tokens_per_sample=tokens_per_sample
    )
    if as_json:
        print(json.dumps(to_json(plan, budget, rows)))
    else:
        _show(plan, budget, rows, path)


def plan_rows(
    rows: Sequence[CountRow],
    budget: float,
    *,
    mode: Mode,
    verifier: VerifierSpec | None,
    loss: float = 0.0,
    tokens_per_sample: float = 256.0,
) -> ServingPlan:
    """A plan for rows of counts; the counts are of true successes, the verifier's errors are those it will
    make when serving."""
    if not 0 < budget < float("inf"):
        raise ValueError(f"--budget-tokens {budget:g}: it must be a number above 0")
    store = StatisticsStore([], sampling_key=KEY, discount=1.0)
    planner = Planner(store, config=PlannerConfig(unknown=Unknown(tokens=tokens_per_sample)))
    for row in rows:
        if row.n:
            planner.observe(_stat(row, tokens_per_sample))
    queries = [Query(id=row.id, category=row.category or "default") for row in rows]
    return planner.plan(queries, budget, mode=mode, verifier=verifier, loss=loss)


def to_json(plan: ServingPlan, budget: float, rows: Sequence[CountRow]) -> dict[str, Any]:
    """The plan as one JSON object."""
    low, high = plan.interval
    return {
        "mode": plan.mode,
        "budget_tokens": budget,
        "expected_tokens": float(plan.tokens.sum()),
        "lambda": plan.price if np.isfinite(plan.price) else None,
        "expected_coverage": float(plan.coverage.mean()),
        "expected_correct": float(plan.correct.mean()),
        "expected_correct_interval": [low, high],
        "expected_wrong": float(plan.wrong.mean()),
        "queries": [
            {
                "id": row.id,
                "category": row.category,
                "strategy": plan.strategy[i],
                "k": int(plan.k[i]),
                "expected_coverage": float(plan.coverage[i]),
                "expected_correct": float(plan.correct[i]),
                "expected_wrong": float(plan.wrong[i]),
                "expected_tokens": float(plan.tokens[i]),
            }
            for i, row in enumerate(rows)
        ],
    }


def _show(plan: ServingPlan, budget: float, rows: Sequence[CountRow], path: Path) -> None:
    table = Table(
        "query",
        "category",
        "c / n",
        "k",
        "coverage",
        "right",
        "wrong",
        "tokens",
        title=f"{path.name}: {plan.mode}",
    )
    for i, row in enumerate(rows[:SHOWN]):
        figures = (plan.coverage[i], plan.correct[i], plan.wrong[i])
        shown = [f"{x:.3f}" for x in figures]
        table.add_row(
            escape(row.id),
            escape(row.category or ""),
            f"{row.c} / {row.n}",
            str(plan.k[i]),
            *shown,
            f"{plan.tokens[i]:.0f}",
        )
    console = Console()
    console.print(table)
    if len(rows) > SHOWN:
        console.print(f"... and {len(rows) - SHOWN} more queries: --json has them all")
    low, high = plan.interval
    most = "at most " if plan.mode == "sequential" else ""
    price = f"lambda {plan.price:.3g} a token" if np.isfinite(plan.price) else "nothing is worth buying"
    console.print(
        f"{len(rows)} queries, {most}{int(plan.k.sum())} samples, {plan.tokens.sum():.0f} of {budget:.0f}"
        f" tokens expected; right {plan.correct.mean():.3f} ({low:.3f} to {high:.3f}), wrong"
        f" {plan.wrong.mean():.3f}; {price}",
        highlight=False,
    )


def _stat(row: CountRow, tokens_per_sample: float) -> RolloutStat:
    """One group that holds all samples of a row."""
    tokens = row.n * tokens_per_sample if row.tokens is None else row.tokens
    return RolloutStat(
        plan_step=0,
        prompt_id=row.id,
        category=row.category or "default",
        difficulty=0,
        sampling_key=KEY,
        num_rollouts=row.n,
        num_correct=row.c,
        num_truncated=0,
        num_tokens=int(max(round(tokens), row.n)),
        min_policy_version=0,
        max_policy_version=0,
        kept=True,
    )


def _mode(text: str) -> Mode:
    if text == "parallel":
        return "parallel"
    if text == "sequential":
        return "sequential"
    raise ValueError(f"--mode {text}: choose parallel or sequential")


def _verifier(fpr: float, tpr: float, file: Path | None) -> VerifierSpec:
    if file is not None:
        if (fpr, tpr) != (0.0, 1.0):
            raise ValueError("--verifier-file: gives both rates; leave --verifier-fpr and --verifier-tpr out")
        return read_verifier(file)
    try:
        return VerifierSpec(fpr=fpr, tpr=tpr)
    except ValueError as error:
        raise ValueError(f"--verifier-fpr {fpr:g}, --verifier-tpr {tpr:g}: {error}") from error
