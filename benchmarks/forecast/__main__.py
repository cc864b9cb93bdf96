"""Forecasts of pass@256 from 32 samples a problem, on real success counts: leave one model out, redraw 32 of
10,000, compare.

    python -m benchmarks.forecast [--redraws 200] [--quick] [--json FILE]

Seven models, 89 problems each. A model's forecasts know other models only: six on the same benchmark; the
broad reference adds other benchmarks. Which method is used for it (``selected``) is chosen on those six, each
foretold without itself and without the left-out one. The same redraws serve every method; adaptive spending
has the same total.
"""

import argparse
import time
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks.forecast.data import Population, originals, reruns
from benchmarks.forecast.methods import Said, posterior, with_reference, without_reference
from benchmarks.forecast.outside import outside
from benchmarks.forecast.score import nested, score
from benchmarks.lib.common import CONSOLE, machine, parser, spread
from benchmarks.planner.results import merge
from planner.forecast import forecast
from planner.forecast.reference import LEAST, Reference, from_counts

K, SAMPLES, ENOUGH = 256, 32, 1
SAME, BROAD = "reference: same benchmark", "reference: broad"
ADAPTIVE = f"{SAME}, adaptive spending"
References = dict[str, Reference]


def part(args: argparse.Namespace) -> dict[str, Any]:
    """The keys ``forecast.*`` of ``planner.json``."""
    redraws, inner = (12, 4) if args.quick else (args.redraws, 20)
    machine_before = machine()
    models = originals()
    everyone = {SAME: _reference(models), BROAD: _reference([*models, *reruns(LEAST)])}
    draws = {m.name: _redraw(m, redraws, seed=100 + i) for i, m in enumerate(models)}
    truth = {m.name: m.truth(K) for m in models}
    said = {m.name: _foretell(draws[m.name], _without(everyone, m.name), alone=True) for m in models}
    inside = {m.name: _others(m.name, draws, everyone, said, inner) for m in models}
    choice = {name: nested(said[name], inside[name], truth) for name in truth}
    for name, made in choice.items():
        said[name].update(made.said)
    methods = score(said, truth)
    selected = methods["selected"]
    return {
        "forecast.k256_abs_error": selected["abs_error"],
        "forecast.k256_bias": selected["bias"],
        "forecast.coverage_90": selected["coverage_90"],
        "forecast.coverage_95": selected["coverage_95"],
        "forecast.selected": {name: made.method for name, made in choice.items()},
        "forecast.interval_scale": {name: made.scale for name, made in choice.items()},
        "forecast.truth": truth,
        "forecast.methods": methods,
        "forecast.outside": outside(everyone[SAME], everyone[BROAD], quick=args.quick),
        "forecast.runtime_ms": _runtime(draws),
        "forecast.redraws": redraws,
        "forecast.machine": machine_before,
    }


def _reference(populations: list[Population]) -> Reference:
    return from_counts({p.name: (p.n, p.c) for p in populations})


def _without(known: References, name: str) -> References:
    """Less every population of a model, on any benchmark."""
    model = name[name.index("Pythia") :]
    return {key: reference.without(model) for key, reference in known.items()}


def _redraw(model: Population, redraws: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Equal and adaptive counts of the same total."""
    rng = np.random.default_rng(seed)
    budget = SAMPLES * len(model.n)
    return [(model.redraw(SAMPLES, rng), model.spend(budget, ENOUGH, rng)) for _ in range(redraws)]


def _foretell(
    draws: list[tuple[np.ndarray, np.ndarray]], known: References, *, alone: bool
) -> dict[str, np.ndarray]:
    """[R] for each method; ``alone`` adds those that know no other model."""
    rows: list[Said] = []
    for equal, adaptive in draws:
        rows.append({**with_reference(equal, K, known), **posterior(ADAPTIVE, adaptive, K, known[SAME])})
        if alone:
            rows[-1].update(without_reference(equal, K))
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def _others(
    left_out: str,
    draws: dict[str, list],
    everyone: References,
    said: dict[str, dict[str, np.ndarray]],
    inner: int,
) -> dict[str, dict[str, np.ndarray]]:
    """Forecasts of the six other models, each from the remaining five: ``left_out`` has no part in what is
    chosen for it."""
    result = {}
    for name in draws:
        if name != left_out:
            alone = {key: values[:inner] for key, values in said[name].items()}
            result[name] = {
                **alone,
                **_foretell(draws[name][:inner], _without(_without(everyone, left_out), name), alone=False),
            }
    return result


def _runtime(draws: dict[str, list]) -> dict[str, dict[str, float]]:
    """Milliseconds, wall-clock and of this process's CPU, of ``forecast`` with the shipped reference and all
    models beside it."""
    wall, cpu = [], []
    for redrawn in draws.values():
        before = time.perf_counter(), time.process_time()
        forecast(redrawn[0][0], K)
        wall.append(1e3 * (time.perf_counter() - before[0]))
        cpu.append(1e3 * (time.process_time() - before[1]))
    return {"wall": spread(wall), "cpu": spread(cpu)}


def show(result: dict[str, Any]) -> None:
    """One row a method."""
    names = list(result["forecast.truth"])
    table = Table(
        "method",
        "mean abs. error",
        "bias",
        "covers 90%",
        "covers 95%",
        *[n.removeprefix("MATH Pythia ") for n in names],
    )
    for method, row in sorted(result["forecast.methods"].items(), key=lambda item: item[1]["abs_error"]):
        covers = [f"{row[key]:.2f}" if key in row else "" for key in ("coverage_90", "coverage_95")]
        each = [f"{row['models'][n]['abs_error']:.3f} ({row['models'][n]['bias']:+.3f})" for n in names]
        table.add_row(method, f"{row['abs_error']:.4f}", f"{row['bias']:+.3f}", *covers, *each)
    CONSOLE.print(table)
    CONSOLE.print("selected:", result["forecast.selected"])
    CONSOLE.print("outside of the reference's data:", result["forecast.outside"])


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--redraws", type=int, default=200, help="of 32 from 10,000 samples for each model")
    args = made.parse_args()
    result = part(args)
    show(result)
    merge(result, args=args)


if __name__ == "__main__":
    main()
