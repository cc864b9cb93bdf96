"""The planner: adaptive allocation against uniform k at equal tokens, its speed, and the forecasts
(``benchmarks/forecast/``).

    python -m benchmarks.planner [--parts adaptive speed forecast] [--redraws 200] [--quick] [--json
    FILE]

*Speed* wants an otherwise idle machine. Parts that are not run keep their last figures.

Outcomes are recorded ones. Of each task the planner sees a probe of a few samples, drawn anew in every redraw
and paid from its budget; coverage is measured on the other outcomes, by the unbiased estimator, for every
arm.
"""

import argparse
from collections.abc import Callable
from typing import Any

from rich.table import Table

from benchmarks.forecast.__main__ import part as forecast_part
from benchmarks.lib.common import CONSOLE, machine, parser
from benchmarks.planner.adaptive import ARMS, run
from benchmarks.planner.results import merge
from benchmarks.planner.speed import allocation, streaming
from benchmarks.planner.tasks import DATA, Tasks, monkeys, quickstart

CASES = {"monkeys": [(128, 16), (32, 4), (512, 64)], "quickstart": [(4, 1), (8, 1), (8, 2)]}
"""(samples a task, of which probe)."""


def main() -> None:
    options = parser(__doc__)
    options.add_argument(
        "--redraws",
        type=int,
        default=200,
        help="of the forecasts' samples; the probe is redrawn a tenth as often",
    )
    options.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    args = options.parse_args()
    for part in args.parts:
        merge(PARTS[part](args), args=args)


def adaptive(args: argparse.Namespace) -> dict[str, Any]:
    """Coverage of every arm at equal tokens."""
    before = machine()
    redraws = 2 if args.quick else max(args.redraws // 10, 2)
    results = {tasks.name: _cases(tasks, redraws, quick=args.quick) for tasks in _populations()}
    _show(results)
    main_case = results["monkeys"][0]
    return {
        "adaptive.gain": main_case["gain"]["value"],
        "adaptive.gain_ci_low": main_case["gain"]["low"],
        "adaptive.gain_ci_high": main_case["gain"]["high"],
        "adaptive.parallel_gain": main_case["gain_parallel"]["value"],
        "adaptive.parallel_regret": main_case["regret_parallel"],
        "adaptive.cases": results,
        "adaptive.redraws": redraws,
        "adaptive.machine": before,
    }


def speed(args: argparse.Namespace) -> dict[str, Any]:
    """Seconds for a million queries; ``allocate_1e6_s`` is the slowest kind's median by the wall clock."""
    before = machine()
    took = allocation(queries=100_000 if args.quick else 1_000_000, repeats=3 if args.quick else 7)
    keys: dict[str, Any] = {
        "adaptive.streaming": streaming(repeats=2 if args.quick else 5),
        "allocate_1e6": took,
        "allocate_1e6_machine": before,
    }
    if not args.quick:
        keys["allocate_1e6_s"] = max(
            found["wall_s"]["median"] for found in took.values() if isinstance(found, dict)
        )
    CONSOLE.print_json(data=keys)
    return keys


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "adaptive": adaptive,
    "speed": speed,
    "forecast": forecast_part,
}


def _populations() -> list[Tasks]:
    recorded = (DATA / "quickstart_base_counts.jsonl").exists()
    return [monkeys(), quickstart()] if recorded else [monkeys()]


def _cases(tasks: Tasks, redraws: int, *, quick: bool) -> list[dict[str, Any]]:
    cases = CASES[tasks.name][: 1 if quick else None]
    return [
        run(tasks, samples=s, probe=p, redraws=redraws, seed=i, note=CONSOLE.print)
        for i, (s, p) in enumerate(cases)
    ]


def _show(results: dict[str, list[dict[str, Any]]]) -> None:
    gains = ("gain", "gain_parallel", "gain_beyond_stopping")
    table = Table("tasks", "samples", "probe", *ARMS, *gains, title="coverage at equal tokens")
    for name, cases in results.items():
        for case in cases:
            said = [
                f"{case[g]['value']:+.4f} ({case[g]['low']:+.4f} to {case[g]['high']:+.4f})" for g in gains
            ]
            coverage = [f"{case['coverage'][arm]:.4f}" for arm in ARMS]
            table.add_row(
                f"{name} ({case['tasks']})",
                str(case["samples_per_task"]),
                str(case["probe"]),
                *coverage,
                *said,
            )
    CONSOLE.print(table)
