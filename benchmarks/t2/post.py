"""Post-training curves that were recorded: does a plateau law fitted to their start forecast their end?

    python -m benchmarks.t2.post

Written and committed before the first run. Curves: ``learning_quickstart.json`` (three seeds, pass@1 of 400
held-out prompts x 8 samples at steps 0, 20, ..., 120; the errors of its samples were not recorded and are
taken as those of 3,200 samples at the mean rate, which is too wide), and the runs of ``curricula_runs.jsonl``
with six evaluations or more (16 runs of another task, 800 problems x 8 samples, over tokens). The first four
evaluations are fitted, the last one is forecast.

- F1: the 90% interval of the forecast holds the last value in at least .8 of the curves, on either set.
- F2: the mean absolute error of the forecast is below that of the last fitted value, on either set.
- F3: stopping at the first evaluation (from the fourth on) where even the upper end of the forecast gain is
  below .01 loses at most .01 of pass@1 against the end of the curve, on average over all curves.

Expected: F1 and F2 pass on the quickstart, which still rises at its fourth evaluation; F2 is a toss-up on the
other set. F3 passes because curves this short are seldom stopped.
"""

import json
from typing import Any

import numpy as np

from benchmarks.lib.common import CONSOLE, RESULTS, machine, parser, save
from planner.t2.post import fit_post, sampling_error, stop_early

FITTED, LEAST_EVALUATIONS, LEAST_GAIN = 4, 6, 0.01
Curve = tuple[np.ndarray, np.ndarray, np.ndarray]
"""(compute, pass@1, error), each [T]."""


def quickstart() -> dict[str, Curve]:
    found = {}
    recorded = json.loads((RESULTS / "learning_quickstart.json").read_text(encoding="utf-8"))
    for seed, run in recorded["seeds"].items():
        steps = np.array([float(point["step"]) for point in run["curve"]])
        value = np.array([point["1"] for point in run["curve"]])
        found[f"quickstart {seed}"] = steps, value, np.sqrt(value * (1 - value) / 3200)
    return found


def curricula() -> dict[str, Curve]:
    found = {}
    for line in (RESULTS / "curricula_runs.jsonl").read_text(encoding="utf-8").splitlines():
        run = json.loads(line)
        if len(run["curve"]) < LEAST_EVALUATIONS:
            continue
        counts = [np.array([int(digit, 36) for digit in point["correct"]]) for point in run["curve"]]
        n = np.full(len(counts[0]), run["samples"])
        found[run["key"]] = (
            np.array([float(point["tokens"]) for point in run["curve"]]),
            np.array([(c / n).mean() for c in counts]),
            np.array([sampling_error(n, c, 1) for c in counts]),
        )
    return found


def one(curve: Curve) -> dict[str, Any]:
    compute, value, error = curve
    law = fit_post(compute[:FITTED], value[:FITTED], error[:FITTED])
    guess, low, high = law.forecast(float(compute[-1]))
    stopped = None
    for seen in range(FITTED, len(compute)):
        so_far = fit_post(compute[:seen], value[:seen], error[:seen])
        now, horizon = float(compute[seen - 1]), float(compute[-1])
        if stop_early(so_far, now=now, horizon=horizon, least=LEAST_GAIN).stop:
            stopped = seen - 1
            break
    return {
        "last": float(value[-1]),
        "forecast": guess,
        "low": low,
        "high": high,
        "held": bool(low <= value[-1] <= high),
        "error": abs(guess - float(value[-1])),
        "error_of_last_fitted": abs(float(value[FITTED - 1] - value[-1])),
        "stopped_at": None if stopped is None else float(compute[stopped] / compute[-1]),
        "lost": 0.0 if stopped is None else float(value[-1] - value[stopped]),
    }


def main() -> None:
    args = parser(__doc__ or "").parse_args()
    result: dict[str, Any] = {"machine": machine(), "command": "python -m benchmarks.t2.post", "sets": {}}
    lost = []
    for name, curves in (("quickstart", quickstart()), ("curricula", curricula())):
        rows = {key: one(curve) for key, curve in list(curves.items())[: 2 if args.quick else None]}
        lost += [row["lost"] for row in rows.values()]
        summary = {
            figure: float(np.mean([row[figure] for row in rows.values()]))
            for figure in ("held", "error", "error_of_last_fitted", "lost")
        }
        summary["stopped"] = float(np.mean([row["stopped_at"] is not None for row in rows.values()]))
        result["sets"][name] = {
            **summary,
            "F1": summary["held"] >= 0.8,
            "F2": summary["error"] < summary["error_of_last_fitted"],
            "curves": rows,
        }
        CONSOLE.print(name, len(rows), summary)
    result["F3"] = {"lost": float(np.mean(lost)), "passed": float(np.mean(lost)) <= LEAST_GAIN}
    CONSOLE.print(result["F3"])
    save("t2_post", result, args=args)


if __name__ == "__main__":
    main()
