"""Curricula: what presets do to the share of rollouts that can teach, and what choosing costs. One layer a
section, never mixed.

    python -m benchmarks.curricula [--layers simulation cost] [--seeds 0 1 2 3 4] [--quick] [--json
    FILE] # hours: see below
    python -m benchmarks.curricula --layers real --split dev [--arms uniform knapsack ...]
    [overrides]

*Simulation*: presets as shipped drive a simulated learner (``curricula.simulation``) over pools of known pass
rates: frozen ones, moving ones, and a logistic learner; differences to ``uniform`` are paired by seed, with
95% intervals. No results of a model.

*Real runs* (only when asked for): ``curriculum_study`` on the tiny base, arms of ``real.py`` at
equal rollout tokens. Finished runs are in a committed ledger, ``results/curricula_runs.jsonl``, and are not
trained again.

*Cost*: one step of 16,384 rollouts chosen from pools of 10^3 to 10^7 prompts.

A full run writes the layers it measured into ``benchmarks/results/curricula.json`` and keeps the others.
"""

import argparse
import json
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks.curricula import cost as curricula_cost
from benchmarks.curricula import real as curricula_real
from benchmarks.curricula import simulation as curricula_simulation
from benchmarks.curricula.pools import FROZEN
from benchmarks.lib.common import CONSOLE, RESULTS, command_line, machine, parser, save

LAYERS = ("simulation", "cost", "real")
GAIN = 0.40
FOUND_WITHIN = 20
COST_MS, COST_MIB = 100.0, 1024.0


def main() -> None:
    args = _arguments()
    result = _earlier(args)
    command = command_line()
    if "simulation" in args.layers:
        arms, refused = curricula_simulation.usable(tuple(curricula_simulation.ARMS))
        if args.quick:
            arms = [arm for arm in arms if arm in ("uniform", "mixed", "knapsack", "sec", "dump")]
        found = curricula_simulation.run(
            seeds=args.seeds, steps=48 if args.quick else args.steps, arms=arms, note=CONSOLE.print
        )
        result["simulated"] = {
            "machine": machine(),
            "command": command,
            "not_run": refused,
            **found,
            **headlines(found),
        }
        show_simulation(result["simulated"])
    if "cost" in args.layers:
        sizes = (1_000, 100_000) if args.quick else tuple(args.sizes)
        result["cost"] = {
            "machine": machine(),
            "command": command,
            **_cost(sizes, plans=3 if args.quick else 9),
        }
        show_cost(result["cost"])
    if "real" in args.layers:
        result["real"] = _real(args, result.get("real", {}), command)
    result["targets"] = targets(result)
    for target in result["targets"]:
        CONSOLE.print(
            f"{'met   ' if target['met'] else 'MISSED'}  {target['target']}: {target['found']}",
            highlight=False,
        )
    save("curricula", result, args=args)


def _arguments() -> argparse.Namespace:
    made = parser(__doc__ or "")
    made.add_argument("--layers", nargs="+", choices=LAYERS, default=list(LAYERS[:2]))
    made.add_argument(
        "--split",
        choices=("dev", "test"),
        default="dev",
        help="of the real runs: dev to tune and choose, test once",
    )
    made.add_argument(
        "--arms",
        nargs="+",
        choices=[*curricula_real.ARMS, *curricula_real.CANDIDATES],
        default=list(curricula_real.ARMS),
    )
    made.add_argument("overrides", nargs="*", help="of the real runs' config, for every arm alike")
    made.add_argument("--seeds", nargs="+", type=int, default=None, help="at least three for intervals")
    made.add_argument("--steps", type=int, default=80)
    made.add_argument("--sizes", nargs="+", type=int, default=[10**k for k in range(3, 8)])
    args = made.parse_args()
    if args.layers == ["real"]:
        args.seeds = args.seeds or list(
            curricula_real.DEV_SEEDS if args.split == "dev" else curricula_real.TEST_SEEDS
        )
    args.seeds = args.seeds or (list(range(3)) if args.quick else list(range(5)))
    return args


def _earlier(args: argparse.Namespace) -> dict[str, Any]:
    """The layers of the last full result that this call does not measure."""
    path = args.json or RESULTS / "curricula.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() and not args.quick else {}


def _real(args: argparse.Namespace, earlier: dict[str, Any], command: str) -> dict[str, Any]:
    """One split's comparison beside the other's; the headlines come from test only."""
    found = curricula_real.run(split=args.split, arms=args.arms, seeds=args.seeds, overrides=args.overrides)
    figures = curricula_real.compare(found)
    curricula_real.show(args.split, figures)
    own = {"machine": machine(), "command": command, "arms": figures}
    if {"length", "fixed length"} <= found.keys():
        own["lengths"] = curricula_real.lengths(found)
    out = earlier | {args.split: own}
    return out | curricula_real.headlines(out)


def _cost(sizes: tuple[int, ...], *, plans: int) -> dict[str, Any]:
    return curricula_cost.run(sizes=sizes, plans=plans, note=CONSOLE.print)


def headlines(found: dict[str, Any]) -> dict[str, Any]:
    """The keys that documents quote: gains relative to uniform on pool ``mixed`` from its second epoch on,
    and the slowest find."""
    out: dict[str, Any] = {}
    for arm, figures in found["pools"]["mixed"].items():
        out[arm] = {
            "effective_gradient_ratio_gain": figures["effective_gradient_ratio"]["relative"]["mean"],
            "effective_prompt_ratio_gain": figures["effective_prompt_ratio"]["relative"]["mean"],
        }
    for arm in ("sec", "dump"):
        if arm in found["moving"]:
            steps = [step for by_seed in found["moving"][arm]["steps_to_find"] for step in by_seed]
            out[arm]["steps_to_find_max"] = None if None in steps else max(steps)
    return out


def targets(result: dict[str, Any]) -> list[dict[str, Any]]:
    """What was asked for, what was found, and whether that is enough; only layers that are there."""
    out: list[dict[str, Any]] = []
    if "simulated" in result:
        out += _simulated_targets(result["simulated"])
    out += curricula_real.targets(result.get("real", {}))
    cost = result.get("cost", {})
    if "choose_1e6_ms" in cost:
        found = (
            f"{cost['choose_1e6_ms']:.0f} ms, {cost['choose_1e6_peak_mib']:.0f} MiB (slowest preset, median"
            " plan)"
        )
        met = cost["choose_1e6_ms"] <= COST_MS and cost["choose_1e6_peak_mib"] <= COST_MIB
        out.append(
            {"target": "a step over 1,000,000 prompts in 100 ms and 1 GiB", "found": found, "met": met}
        )
    return out


def _simulated_targets(simulated: dict[str, Any]) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for name in FROZEN:
        out += _frozen_targets(name, simulated["pools"][name])
    for arm in ("sec", "dump"):
        if arm not in simulated["moving"]:
            continue
        moving = simulated["moving"][arm]
        slowest, gain = simulated[arm]["steps_to_find_max"], moving["effective_gradient_ratio"]["difference"]
        out.append(
            {
                "target": (
                    f"{arm}: finds the learnable category within {FOUND_WITHIN} steps, every time it moves"
                ),
                "found": f"slowest {slowest}, by seed {moving['steps_to_find']}",
                "met": slowest is not None and slowest <= FOUND_WITHIN,
            }
        )
        out.append(
            {
                "target": f"{arm}: beats uniform there (effective gradient ratio)",
                "found": f"{gain['mean']:+.3f} ({_limits(gain, '.3f')})",
                "met": gain["low"] is not None and gain["low"] > 0,
            }
        )
    return out


def _frozen_targets(name: str, pool: dict[str, Any]) -> list[dict[str, Any]]:
    """Knapsack against uniform where pass rates do not move and are learnt from the run's own rollouts."""
    base = pool["uniform"]["effective_gradient_ratio"]["mean"]
    out = [
        {
            "target": f"pool {name}: uniform's effective gradient ratio is under 0.5",
            "found": f"{base:.3f}",
            "met": base < 0.5,
        }
    ]
    for arm in (arm for arm in pool if arm.startswith("knapsack")):
        for prefix, when in (("", "from the second epoch on"), ("whole_run_", "over the whole run")):
            relative = pool[arm][f"{prefix}effective_gradient_ratio"]["relative"]
            difference = pool[arm][f"{prefix}effective_prompt_ratio"]["difference"]
            out.append(
                {
                    "target": (
                        f"pool {name}: {arm}: effective gradient ratio at least 40% above uniform's {when}"
                    ),
                    "found": f"{relative['mean']:+.1%} ({_limits(relative, '.1%')})",
                    "met": relative["mean"] >= GAIN,
                }
            )
            out.append(
                {
                    "target": f"pool {name}: {arm}: effective prompt ratio not below uniform's {when}",
                    "found": f"{difference['mean']:+.4f} ({_limits(difference, '.4f')})",
                    "met": difference["mean"] >= 0,
                }
            )
        out += _filter_target(name, pool, arm)
    return out


def _filter_target(name: str, pool: dict[str, Any], arm: str) -> list[dict[str, Any]]:
    """Effective rollouts for each one generated, against the filter with refills on uniform draws; nothing if
    that was not run."""
    if "mixed" not in pool:
        return []
    mine, theirs = (
        np.array(pool[a]["whole_run_effective_gradient_ratio"]["by_seed"]) for a in (arm, "mixed")
    )
    ahead = curricula_simulation.interval(mine - theirs)
    target = (
        f"pool {name}: {arm}: more effective rollouts per rollout generated than uniform with the mixed"
        " filter"
    )
    found = f"{ahead['mean']:+.3f} ({_limits(ahead, '.3f')})"
    return [{"target": target, "found": found, "met": ahead["low"] is not None and ahead["low"] > 0}]


def _limits(interval: dict[str, float | None], spec: str) -> str:
    if interval["low"] is None or interval["high"] is None:
        return "no interval"
    return f"{interval['low']:+{spec}} to {interval['high']:+{spec}}"


def show_simulation(simulated: dict[str, Any]) -> None:
    """One table a pool."""
    for pool, arms in simulated["pools"].items():
        table = Table(
            "arm", "gradient", "vs uniform (95%)", "prompt", "vs uniform (95%)", "rollouts", "last pass rate"
        )
        table.title = (
            f"SIMULATION, pool {pool}: effective ratios after the first {simulated['first_steps_left_out']}"
            " steps"
        )
        for arm, figures in arms.items():
            cells = []
            for key in curricula_simulation.METRICS:
                difference = figures[key]["difference"]
                cells += [
                    f"{figures[key]['mean']:.3f}",
                    f"{difference['mean']:+.3f} ({_limits(difference, '.3f')})",
                ]
            generated, last = figures["rollouts_generated"]["mean"], figures["pool_pass_rate_last"]["mean"]
            table.add_row(arm, *cells, f"{generated:,.0f}", f"{last:.3f}")
        CONSOLE.print(table)
    for arm, why in simulated["not_run"].items():
        CONSOLE.print(f"not run: {arm}: {why}")


def show_cost(cost: dict[str, Any]) -> None:
    """Median milliseconds of a plan, by preset and pool size."""
    sizes = list(cost["by_size"])
    table = Table(
        "preset",
        *(f"{int(size):,}" for size in sizes),
        title=f"ms to choose {cost['budget']:,} rollouts (median, max)",
    )
    for preset in curricula_cost.PRESETS:
        spreads = [cost["by_size"][size]["plan_ms"][preset] for size in sizes]
        table.add_row(preset, *(f"{s['median']:.1f}, {s['max']:.1f}" for s in spreads))
    table.add_row(
        "peak MiB of a plan",
        *(f"{max(cost['by_size'][size]['plan_peak_mib'].values()):.0f}" for size in sizes),
    )
    CONSOLE.print(table)
