"""The T² surface: does it find what made the data (simulated families), and what a real ladder says.

    python -m benchmarks.t2                              simulated recovery
    python -m benchmarks.t2 --ladder runs/bases/mini
        the figures of a ladder that t2rl bases eval has scored

Either keeps what the other, and other ladders, left in the results.

The simulation draws counts of 16 (N, D/N) cells x {base, post-trained} from a known surface (200 problems, 64
samples each) and fits the family surface: mean absolute error of pass@1, 4, 16, 64 on held-out cells, what
the surface's choice costs in true accuracy, and how often the 95% bootstrap interval of r* holds the true
one. A simulation of the estimator, not a result of a model.
"""

import json
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.lib.common import CONSOLE, RESULTS, machine, parser, save, show, spread
from planner.t2.budget import Deployment, Measured, end_to_end, two_budgets
from planner.t2.family import FamilySurface, fit_family
from planner.t2.holdout import KS, holdouts
from planner.t2.rows import FamilyRows

SHARED = np.array([np.log(1.6), np.log(0.45), np.log(6.0), np.log(0.4), 0.15, 1.2, -0.15])
TRUTH = FamilySurface(
    shared=SHARED,
    h0=np.array([1.2]),
    t0=np.array([0.6]),
    shares=np.array([1.0]),
    categories=("all",),
    objective=0.0,
)
GRID = [(n, r * n) for n in (2e5, 4e5, 8e5, 1.6e6) for r in (5.0, 20.0, 80.0, 320.0)]
MEASURED = Measured(params=(2e5, 1.6e6), tokens=(1e6, 5.12e8))
DEPLOYMENT = Deployment(total_flops=1e14, queries=5e4, tokens_per_sample=1)
ISOLINE, SERVED = 7.68e13, 8 * 1.6e6
PROBLEMS, SAMPLES = 200, 64


def simulate(seed: int) -> FamilyRows:
    rng = np.random.default_rng(seed)
    params, tokens = (np.tile([cell[i] for cell in GRID], 2) for i in (0, 1))
    post = np.repeat([0, 1], len(GRID))
    a, b = (x[:, 0] for x in TRUTH.beta(params, tokens, post))
    checkpoint, problem = (x.ravel() for x in np.mgrid[: len(params), :PROBLEMS])
    c = rng.binomial(SAMPLES, rng.beta(a[checkpoint], b[checkpoint]))
    return FamilyRows(
        params=params,
        tokens=tokens,
        post=post,
        categories=("all",),
        checkpoint=checkpoint,
        category=np.zeros_like(checkpoint),
        problem=problem,
        n=np.full_like(c, SAMPLES),
        c=c,
    )


def one(seed: int, replicates: int) -> dict[str, float]:
    rows = simulate(seed)
    started = time.perf_counter()
    fitted = fit_family(rows)
    result = {"fit_s": time.perf_counter() - started}
    levels = np.round(np.log(rows.params * rows.tokens) / np.log(4))
    for name, out in holdouts(rows.params, rows.tokens / rows.params, levels).items():
        at = rows.params[out][:, None], rows.tokens[out][:, None]
        guess = fit_family(rows.of(~out), restarts=2).accuracy(*at, np.array(KS), rows.post[out][:, None])
        result[f"{name}_mae"] = float(
            np.abs(guess - TRUTH.accuracy(*at, np.array(KS), rows.post[out][:, None])).mean()
        )
    best = end_to_end(TRUTH.accuracy, DEPLOYMENT, measured=MEASURED)
    chosen = end_to_end(fitted.accuracy, DEPLOYMENT, measured=MEASURED)
    result["choice_costs"] = best.score - float(TRUTH.accuracy(chosen.params, chosen.tokens, chosen.k))
    result["r_star_covered"] = float(_covers(rows, fitted, replicates))
    return result


def _r_star(surface: FamilySurface) -> float:
    return two_budgets(surface.accuracy, train_flops=ISOLINE, served_flops=SERVED, measured=MEASURED).ratio


def _covers(rows: FamilyRows, fitted: FamilySurface, replicates: int) -> bool:
    """Problems here are drawn for each checkpoint anew; a bootstrap that takes them as shared is as wide."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(replicates):
        weights = np.bincount(rng.integers(0, PROBLEMS, PROBLEMS), minlength=PROBLEMS).astype(float)
        found.append(_r_star(fit_family(rows, weights=weights, start=fitted)))
    low, high = np.quantile(found, [0.025, 0.975])
    return bool(low <= _r_star(TRUTH) <= high)


def simulation(args: Namespace) -> dict[str, Any]:
    seeds, replicates = (2, 20) if args.quick else (20, 100)
    runs = [one(seed, replicates) for seed in range(seeds)]
    covered = sum(r.pop("r_star_covered") for r in runs)
    rows = {name: spread([r[name] for r in runs]) for name in runs[0]}
    show(f"simulated families, {seeds} seeds", rows)
    CONSOLE.print(
        f"95% interval of r* held the true one in {covered:.0f} of {seeds}; true r* {_r_star(TRUTH):.0f}"
    )
    return {
        "seeds": seeds,
        "replicates": replicates,
        **rows,
        "r_star_covered": covered / seeds,
        "r_star_true": _r_star(TRUTH),
    }


def ladder(path: Path, *, resamples: int) -> dict[str, Any]:
    from planner.cost.devices import device
    from rl.ladder.analysis.report import plan_bases

    report = plan_bases(
        path, device=device("h100_sxm"), queries=[1e4, 1e5, 1e6], total_flops=None, resamples=resamples
    )
    kept = (
        "ladder",
        "problems",
        "surface",
        "holdouts",
        "shift",
        "end_to_end",
        "discrete",
        "middle_cell",
        "baselines",
    )
    fields = (
        "key",
        "params",
        "tokens",
        "level",
        "post",
        "bits",
        "pass",
        "nll",
        "mean_p",
        "mean_tokens",
        "mode_gap_se",
    )
    return {
        **{name: report[name] for name in kept},
        "checkpoints": [{f: c[f] for f in fields} for c in report["checkpoints"]],
    }


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument(
        "--ladder", type=Path, default=None, help="a directory that t2rl bases eval has scored"
    )
    args = options.parse_args()
    path = args.json or RESULTS / "t2.json"
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if args.ladder is None:
        result["simulation"] = {"machine": machine(), **simulation(args)}
    else:
        found = {"machine": machine(), **ladder(args.ladder, resamples=20 if args.quick else 200)}
        result["ladders"] = result.get("ladders", {}) | {args.ladder.resolve().name: found}
    save("t2", result, args=args)


if __name__ == "__main__":
    main()
