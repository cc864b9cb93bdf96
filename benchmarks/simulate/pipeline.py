"""The simulation against recorded runs of ``benchmarks.speed.pipeline``: three fixed workloads, five layouts.

    python -m benchmarks.simulate.pipeline [--json FILE]

Nothing runs: the seconds are those of ``benchmarks/results/pipeline.json``. Calibration rows and the claim
are in ``benchmarks/simulate/claims_pipeline.yaml``, written before the fit. Fitted: seconds of a decode step
and of a sequence in it (two workloads alone), of a learner's token (the same), what second threads are worth
(one row), and how many cores' work two cores do at once (the calibration rows).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.optimize import nnls

from benchmarks.lib.common import RESULTS, command_line, machine, parser
from benchmarks.lib.parts import FixedLengths
from benchmarks.simulate.results import record, relative_errors, table
from rl.simulation.spec import SystemSpec
from rl.simulation.summary import predict

CLAIMS = Path(__file__).with_name("claims_pipeline.yaml")
ROLLOUTS, PROMPTS = 16, 32
GRID = np.arange(1.0, 2.001, 0.05)
"""Cores' work that two cores are tried at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Processes and their threads."""

    name: str
    engines: int = 1
    ranks: int = 1
    staleness: int = 0
    engine_threads: int = 1
    rank_threads: int = 1


TWO_THREADS = "2 threads each"
LAYOUTS = (
    Layout(name="staleness 0"),
    Layout(name="staleness 1", staleness=1),
    Layout(name="staleness 2", staleness=2),
    Layout(name="2 engines and 2 ranks", engines=2, ranks=2),
    Layout(name=TWO_THREADS, engine_threads=2, rank_threads=2),
)
"""Whole batches; what the simulation cannot do, batches in parts, is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """Seconds of one thread alone; the factors of two threads; cores' work of two cores."""

    step: float
    sampled: float
    token: float
    engine_two: float
    rank_two: float
    cores: float = 2.0


def lengths_of(workload: dict[str, Any]) -> np.ndarray:
    """[32] tokens of the completions of each prompt of a step."""
    made = FixedLengths(
        median=workload["median_tokens"], sigma=workload["sigma"], shortest=8, longest=256, period=PROMPTS
    )
    return made.lengths()


def trained_tokens(workload: dict[str, Any]) -> float:
    """Tokens of a step that the learner takes: solved groups have no gradient."""
    every = workload["solved_every"]
    lengths = lengths_of(workload)
    kept = np.array([not (every and i % every == 0) for i in range(PROMPTS)])
    return float(((lengths + workload["prompt_tokens"]) * kept).sum() * ROLLOUTS)


def fit(mixes: dict[str, Any], claims: dict[str, Any]) -> Fitted:
    """From the parts alone and the calibration rows."""
    rows, engine_s, tokens, learner_s = [], [], [], []
    for name in claims["alone"]:
        mix = mixes[name]
        lengths = lengths_of(mix["workload"])
        rows.append([float(lengths.max()), float(lengths.sum() * ROLLOUTS)])
        engine_s.append(mix["rollout_alone_s"]["median"])
        tokens.append(trained_tokens(mix["workload"]))
        learner_s.append(mix["learner_alone_s"]["median"])
    (step, sampled), _ = nnls(np.array(rows), np.array(engine_s))
    token = float(np.dot(tokens, learner_s) / np.dot(tokens, tokens))
    alone = mixes["1:1"]
    loop = alone["colocated"][TWO_THREADS]["learner_loop_s"]
    base = Fitted(
        step=float(step),
        sampled=float(sampled),
        token=token,
        engine_two=loop["wait_s"] / alone["rollout_alone_s"]["median"],
        rank_two=loop["train_s"] / alone["learner_alone_s"]["median"],
    )
    tried = [Fitted(**(_fields(base) | {"cores": float(cores)})) for cores in GRID]
    return min(tried, key=lambda one: _misfit(one, mixes, claims))


def _fields(fitted: Fitted) -> dict[str, float]:
    return {name: getattr(fitted, name) for name in Fitted.__slots__}


def _misfit(fitted: Fitted, mixes: dict[str, Any], claims: dict[str, Any]) -> float:
    layouts = {layout.name: layout for layout in LAYOUTS}
    return sum(
        float(
            np.log(simulated(fitted, mixes[mix]["workload"], layouts[name]) / measured(mixes[mix], name)) ** 2
        )
        for mix, name in claims["calibration"]
    )


def simulated(fitted: Fitted, workload: dict[str, Any], layout: Layout) -> float:
    """Seconds of a step."""
    every, lengths = workload["solved_every"], lengths_of(workload)
    # Groups that are solved train at no cost: the learner's seconds go to all tokens alike.
    share = trained_tokens(workload) / float((lengths + workload["prompt_tokens"]).sum() * ROLLOUTS)
    assert not every or share < 1
    engine = fitted.engine_two if layout.engine_threads == 2 else 1.0
    rank = fitted.rank_two if layout.rank_threads == 2 else 1.0
    spec = SystemSpec.model_validate(
        {
            "plan": {
                "prompts_per_step": PROMPTS,
                "rollouts_per_prompt": ROLLOUTS,
                "max_staleness": layout.staleness,
            },
            "lengths": {
                "recorded": [[int(n)] * ROLLOUTS for n in lengths],
                "prompt_tokens": workload["prompt_tokens"],
                "max_tokens": 256,
            },
            "engines": {
                "count": layout.engines,
                "max_num_seqs": 512,
                "seconds": {"steps": fitted.step * engine, "sampled": fitted.sampled * engine},
            },
            "learner": {"ranks": layout.ranks, "token_s": fitted.token * share * rank},
            "sync": {"publish_s": 0.008, "push_s": 0.007},
            "layout": {"kind": "cores", "cores": fitted.cores},
        }
    )
    return predict(spec, steps=24).step_s


def measured(mix: dict[str, Any], name: str) -> float:
    """Median over the repeats."""
    return float((mix["ways"] | mix["colocated"])[name]["step_s"]["median"])


def main() -> None:
    args = parser(__doc__ or "").parse_args()
    mixes = json.loads((RESULTS / "pipeline.json").read_text(encoding="utf-8"))["mixes"]
    claims = yaml.safe_load(CLAIMS.read_text(encoding="utf-8"))
    fitted = fit(mixes, claims)
    rows = [
        {
            "name": f"{mix}: {layout.name}",
            "use": "fit" if [mix, layout.name] in claims["calibration"] else "held_out",
            "measured_s": measured(mixes[mix], layout.name),
            "simulated_s": round(simulated(fitted, mixes[mix]["workload"], layout), 4),
        }
        for mix in mixes
        for layout in LAYOUTS
    ]
    table(f"own runs, two cores: {fitted}", rows)
    parts = {"pipeline": rows}
    errors = {use: relative_errors(parts, use) for use in ("fit", "held_out")}
    result = {
        "simulated": True,
        "max_relative_error": errors["held_out"]["max"],
        "machine": machine(),
        "command": command_line(),
        "claims": claims,
        "fitted": _fields(fitted),
        **{f"{use}_relative_error": found for use, found in errors.items()},
        "rows": rows,
    }
    record("own_runs", result, args=args)


if __name__ == "__main__":
    main()
