"""The fitted cost model against loads that it has not seen: ``python -m benchmarks.speed.cost``.

For the base of each config (``--config``; quickstart and smollm2 unless told) an engine of this process gets
closed loads of two prompt lengths. A cost is fitted to their steps
(docs/methods/cost.md#fitted-to-a-load-test).
Then, started again, it gets loads of other lengths and concurrencies, requests by the clock, and the arrivals
of a trace where ``--trace`` names one; the cost model, through a simulated engine, says how long they take.

Claims, written before the first run:

- ``relative_error`` of tokens/s on held-out loads is at most 10% (median over loads) for every model;
- that of the time between tokens too; the time to the first token is worse, since it depends on when a
  request arrives within a step.
"""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.lib.common import CONSOLE, machine, parser, save
from planner.cost.measured import MeasuredCost, cost_to_json, fit
from rl.commands.bench.command import load_test
from rl.commands.bench.measure import measured, observations, predicted
from rl.commands.bench.points import BenchOptions, LoadPoint, load_points
from rl.commands.evaluate import resolve
from rl.config.load import load_config
from rl.run.prepare.inputs import locate_model
from rollout.vllm_args import batched_tokens

SEEN: dict[str, Any] = {"concurrency": (1, 2, 4, 8), "prompt_tokens": (24, 96), "answer_tokens": (24,)}
UNSEEN: dict[str, Any] = {"concurrency": (3, 6, 12), "prompt_tokens": (48, 128), "answer_tokens": (40,)}
MAX_MODEL_LEN = 192
KINDS = ("tokens_per_s", "between_p50_s", "first_p50_s")


def main() -> None:
    args = parser("The fitted cost model against loads that it has not seen.")
    args.add_argument("--config", action="append", metavar="NAME", help="whose base and engine; may repeat")
    args.add_argument("--trace", type=Path, default=None, help="JSONL of arrivals: t or t_ms, in, out")
    given = args.parse_args()
    before = machine()
    results = {}
    for name in given.config or ("quickstart", "smollm2"):
        results[name] = asyncio.run(one_model(name, trace=given.trace, quick=given.quick))
        CONSOLE.print(name, results[name]["relative_error"])
    worst = max(result["relative_error"]["tokens_per_s"]["median"] for result in results.values())
    save("cost", {"machine": before, "relative_error": worst, "models": results}, args=given)


async def one_model(name: str, *, trace: Path | None, quick: bool) -> dict[str, Any]:
    """Fitted on the seen loads, judged on the others; one engine after the other."""
    settings = [f"rollout.max_model_len={MAX_MODEL_LEN}", "rollout.max_num_seqs=64", "rollout.cores=null"]
    config, model = resolve(locate_model(load_config(name)), [name, *settings])
    fitted_on = load_points(BenchOptions(**SEEN), max_model_len=MAX_MODEL_LEN)
    closed = load_points(BenchOptions(**UNSEEN), max_model_len=MAX_MODEL_LEN)
    tested = await load_test(config, model, fitted_on[:4] if quick else fitted_on, tell=CONSOLE.print)
    cost = fit(tested.observed())
    limits = {"max_seqs": tested.engine.max_num_seqs, "max_batched_tokens": batched_tokens(tested.engine)}
    # Half of what the engine can do, so that requests neither pile up nor find it idle.
    rate = round(0.5 / (cost.prefill_work_s(48) + 40 * cost.step_s(8, 68) / 8), 3)
    by_clock = BenchOptions(
        concurrency=(1,),
        prompt_tokens=(48,),
        answer_tokens=(40,),
        arrival_rate=(rate,),
        trace=trace,
        requests=24,
    )
    unseen = closed[:2] if quick else closed + load_points(by_clock, max_model_len=MAX_MODEL_LEN)[1:]
    again = await load_test(config, model, unseen, seed=1, tell=CONSOLE.print)
    rows = [
        judged(point, measured(timed), cost, limits)
        for point, timed in zip(again.points, again.timed, strict=True)
    ]
    return {
        "model": model.name,
        "dtype": tested.engine.dtype,
        "threads": tested.engine.num_threads,
        "relative_error": {kind: spread_of([row["error"][kind] for row in rows]) for kind in KINDS},
        "cost": cost_to_json(cost),
        "fitted_on": [point.name for point in tested.points],
        "held_out": rows,
        "observations": sum(
            len(observations(p, t)) for p, t in zip(tested.points, tested.timed, strict=True)
        ),
    }


def judged(point: LoadPoint, seen: Any, cost: MeasuredCost, limits: dict[str, int]) -> dict[str, Any]:
    """One held-out load: measured, predicted, and the relative error of each figure."""
    said = predicted(point, cost, **limits)
    saw = {kind: getattr(seen, kind) for kind in KINDS}
    return {
        "load": point.name,
        "measured": saw,
        "predicted": {kind: said[kind] for kind in KINDS},
        "error": {kind: abs(said[kind] / saw[kind] - 1) for kind in KINDS},
    }


def spread_of(errors: list[float]) -> dict[str, float]:
    """Median and largest."""
    return {"median": float(np.median(errors)), "max": max(errors)}


if __name__ == "__main__":
    main()
