"""From 8 to 4,096 GPUs, simulated: asynchronous against synchronous by size and tail, failures, money.

    python -m benchmarks.simulate.scale [--quick] [--json FILE]

The shipped system ``h100-7b``: a roofline and assumed shares of the peak, nothing measured. Synchronous takes
turns on all GPUs; asynchronous is the better of two splits at staleness 2. An engine has one GPU up to 256
GPUs and eight from 2,048 on. The batch stays the same at every size: learning, not hardware, sets it.
"""

import itertools
import math
from dataclasses import replace
from typing import Any

from rich.table import Table

from benchmarks.lib.common import CONSOLE, command_line, machine, parser
from benchmarks.simulate.results import read, record
from rl.simulation.goodput import best_interval_s, goodput, spare_engines
from rl.simulation.load import load_system
from rl.simulation.spec import SystemSpec
from rl.simulation.summary import Prediction, predict

SIZES = (8, 64, 512, 4096)
TAILS = (0.4, 1.1)
"""Standard deviation of the logarithm of lengths, at the same mean."""
BATCHES = (128,)
"""Prompts, times 16 rollouts; larger ones take minutes."""
SHARES = (0.5, 0.75)
MEAN_TOKENS = 3000.0
STEPS = 1000
"""Of the run that GPU-hours and money are of."""
STRETCHES = 40


def system(gpus: int, *, prompts: int, sigma: float, share: float | None) -> SystemSpec:
    """``share`` of the GPUs samples; None: synchronous, all of them take turns."""
    tensor = max(1, min(8, gpus // 256))
    engines = max(1, round(gpus * (share or 1.0) / tensor))
    ranks = gpus if share is None else gpus - engines * tensor
    median = MEAN_TOKENS / math.exp(sigma**2 / 2)
    fields = {
        "plan.prompts_per_step": prompts,
        "plan.max_staleness": 0 if share is None else 2,
        "lengths.sigma": sigma,
        "lengths.median": median,
        "engines.count": engines,
        "engines.gpus": tensor,
        "engines.kv_tokens": 900_000 * tensor,
        "learner.ranks": ranks,
        "layout.kind": "colocated" if share is None else "split",
    }
    return load_system("h100-7b", [f"{name}={value}" for name, value in fields.items()])


def simulated(spec: SystemSpec, steps: int) -> Prediction:
    """Without failures of engines in the events: over a few steps they are luck. Those of a day are in
    ``failures_per_day`` and ``goodput``."""
    calm = spec.model_copy(update={"faults": spec.faults.model_copy(update={"gpu_mtbf_hours": 0.0})})
    found = predict(calm, steps=steps, stretches=STRETCHES)
    kept = goodput(spec, found.step_s)
    return replace(found, failures_per_day=kept.failures_per_day, goodput=kept.share)


def row(gpus: int, *, prompts: int, sigma: float, steps: int) -> dict[str, Any]:
    """One size: both ways, and what a run of ``STEPS`` steps takes."""
    sync_spec = system(gpus, prompts=prompts, sigma=sigma, share=None)
    sync = simulated(sync_spec, max(3, steps // 2))
    tried = []
    for share in SHARES:
        spec = system(gpus, prompts=prompts, sigma=sigma, share=share)
        tried.append((spec, simulated(spec, steps)))
    spec, best = max(tried, key=lambda one: one[1].tokens_per_s)
    hours = gpus * best.step_s * STEPS / 3600 / best.goodput
    interval = best_interval_s(spec)
    return {
        "gpus": gpus,
        "prompts": prompts,
        "sigma": sigma,
        "split": f"{spec.engines.count * spec.engines.gpus:g}:{spec.learner.ranks:g}",
        "sync_step_s": round(sync.step_s, 2),
        "async_step_s": round(best.step_s, 2),
        "async_over_sync": round(sync.step_s / best.step_s, 3),
        "async_tokens_per_s_per_gpu": round(best.tokens_per_s / gpus, 1),
        "learner_idle_share": round(best.learner_idle_share, 3),
        "engine_idle_share": round(best.engine_idle_share, 3),
        "staleness_mean": round(best.staleness_mean, 2),
        "failures_per_day": round(best.failures_per_day, 3),
        "goodput": round(best.goodput, 4),
        "spare_engines": spare_engines(spec),
        "checkpoint_interval_s": round(interval),
        "gpu_hours": round(hours, 1),
        "usd": round(hours * spec.usd_per_gpu_hour),
        "sync_usd": round(gpus * sync.step_s * STEPS / 3600 * spec.usd_per_gpu_hour),
    }


def stops_paying(rows: list[dict[str, Any]]) -> int | None:
    """The first size from which the next one is less than half as much faster as it is larger; None: it pays
    to the end."""
    for small, large in itertools.pairwise(rows):
        if small["async_step_s"] / large["async_step_s"] < large["gpus"] / small["gpus"] / 2:
            return int(small["gpus"])
    return None


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument(
        "--sigma", type=float, choices=TAILS, help="only this tail; the other stays as it is"
    )
    args = arguments.parse_args()
    steps, sizes = (3, SIZES[:2]) if args.quick else (4, SIZES)
    before = read("scale", args=args) if args.sigma is not None else {}
    rows: list[dict[str, Any]] = [one for one in before.get("rows", []) if one["sigma"] != args.sigma]
    paying: dict[str, int | None] = dict(before.get("stops_paying_after_gpus", {}))
    for prompts in BATCHES:
        for sigma in TAILS if args.sigma is None else (args.sigma,):
            series = [row(gpus, prompts=prompts, sigma=sigma, steps=steps) for gpus in sizes]
            rows += series
            paying[f"{prompts} prompts, sigma {sigma}"] = stops_paying(series)
            show(series)
    result = {
        "simulated": True,
        "machine": machine(),
        "command": command_line(),
        "system": "h100-7b",
        "mean_tokens": MEAN_TOKENS,
        "steps_of_the_run": STEPS,
        "stops_paying_after_gpus": paying,
        "rows": rows,
    }
    record("scale", result, args=args)


def show(series: list[dict[str, Any]]) -> None:
    """One table for the reader who waits."""
    keys = [key for key in series[0] if key not in ("prompts", "sigma")]
    title = f"simulated: {series[0]['prompts']} prompts x 16, sigma {series[0]['sigma']}"
    shown = Table(*keys, title=title)
    for one in series:
        shown.add_row(*(str(one[key]) for key in keys))
    CONSOLE.print(shown)


if __name__ == "__main__":
    main()
