"""The simulation against published step times: fitted to some rows, held against the others.

    python -m benchmarks.simulate.published [--quick] [--json FILE] [--part NAME]

Rows, their split and the claims are in ``benchmarks/data/rl_step_times.yaml``, written before any fit. Sizes
of the fits: verl 7B four figures (seconds of a decode step and of a sequence in it, of the learner's token
and update) on four rows; nemo one figure on three rows; marin two figures on two rows of each code version.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import yaml
from scipy.optimize import minimize

from benchmarks.lib.common import command_line, machine, parser
from benchmarks.simulate.results import DATA, read, record, relative_errors, table
from rl.simulation.spec import SystemSpec
from rl.simulation.summary import predict

Row = dict[str, Any]
SCALE = 16
"""The verl systems are simulated at a sixteenth of their engines, ranks and prompts: what an engine and a
rank does stays the same, and the longest answer is at the limit either way."""
MINI = 32
"""Prompts of one optimizer update of verl."""
UPDATES = 16
"""Updates of a verl step of 512 prompts."""
LENGTHS = {"median": 6000.0, "sigma": 0.9, "prompt_share": 0.5, "max_tokens": 28_672, "prompt_tokens": 200.0}
"""Assumed: the tables print no lengths but the limit."""
FORWARD = 1 / 3
"""A pass without a gradient, as a share of one with."""


def fit(
    objective: Callable[[np.ndarray], Sequence[float]], start: Sequence[float], *, rounds: int
) -> np.ndarray:
    """Figures > 0 of least squared log errors; ``objective`` gives those errors."""
    at = np.log(start)
    simplex = np.vstack([at, at + 0.5 * np.eye(len(at))])
    found = minimize(
        lambda x: float(np.sum(np.square(objective(np.exp(x))))),
        at,
        method="Nelder-Mead",
        options={"maxfev": rounds, "xatol": 0.01, "fatol": 1e-4, "initial_simplex": simplex},
    )
    return np.exp(found.x)


# -- verl ----------------------------------------------------------------------------------------------------


def verl_step(row: Row, figures: np.ndarray, *, prompts: int = 512) -> float:
    """Simulated seconds of one step of 512 prompts."""
    step, sampled, token, update = figures.tolist()
    sync = row["mode"] == "sync"
    # Asynchronously, a plan is what one update takes; weights travel once in 16 of them.
    plan = {
        "prompts_per_step": (prompts if sync else prompts // UPDATES) // SCALE,
        "rollouts_per_prompt": 16,
        "max_staleness": 0 if sync else 20 * UPDATES,
        "pipeline_depth": 0 if sync else UPDATES - 1 + round(UPDATES * row["stale"]),
        "order": "plan" if sync else "arrival",
    }
    spec = SystemSpec.model_validate(
        {
            "plan": plan,
            "lengths": LENGTHS,
            "engines": {
                "count": max(1, row["engines"] // SCALE),
                "max_num_seqs": 1024,
                "seconds": {"steps": step, "sampled": sampled},
            },
            "learner": {
                "ranks": max(1, row["learner"] // SCALE),
                # A synchronous step computes the old log-probs with a forward pass of its own.
                "token_s": token * (1 + (FORWARD if sync else 0.0)),
                "update_s": update,
                "updates_per_batch": UPDATES if sync else 1,
            },
            "sync": {"publish_s": 0.5, "push_s": 0.5, "every": 1 if sync else UPDATES},
            "layout": {"kind": "colocated" if sync else "split"},
        }
    )
    if sync:
        return predict(spec, steps=6, warm=0, stretches=60).step_s
    return UPDATES * predict(spec, steps=3 * UPDATES, warm=3 * UPDATES, stretches=60).step_s


def verl(rows: Sequence[Row], rounds: int) -> tuple[np.ndarray, list[Row]]:
    """Figures of the 7B table, and its rows with what was simulated."""
    fitted = [row for row in rows if row["use"] == "fit"]

    def errors(figures: np.ndarray) -> list[float]:
        return [float(np.log(verl_step(row, figures) / row["step_s"])) for row in fitted]

    figures = fit(errors, (3e-3, 1e-4, 1.2e-4, 1.0), rounds=rounds)
    return figures, [row | {"simulated_s": verl_step(row, figures)} for row in rows]


def tail_share(figures: np.ndarray) -> float:
    """Share of a synchronous sampling phase that no number of engines shortens, 32 GPUs as in the table."""
    step, sampled, *_ = figures.tolist()
    tail = step * LENGTHS["max_tokens"]
    tokens = float(np.mean(np.minimum(_lengths(), LENGTHS["max_tokens"])))
    return tail / (tail + sampled * tokens * 512 * 16 / 32)


def _lengths() -> np.ndarray:
    rng = np.random.default_rng(0)
    return LENGTHS["median"] * np.exp(LENGTHS["sigma"] * rng.standard_normal(100_000))


def from_sync(row: Row, share: float) -> float:
    """The asynchronous step that follows from the parts of a synchronous one: sampling has a tail that stays
    and work that is shared out, updates are all work; the old log-probs are the engines' own."""
    tail, work = share * row["gen_s"], (1 - share) * row["gen_s"] * row["gpus"]
    update = (row["update_s"] + row.get("reference_s", 0.0)) * row["gpus"]
    limit, engines = 1000, row["engines"]
    one_step = "stale" not in row
    depth = 1 if one_step else UPDATES - 1 + round(UPDATES * row["stale"])
    pieces = 1 if one_step else UPDATES
    groups = 32 * UPDATES // pieces
    spec = SystemSpec.model_validate(
        {
            "plan": {
                "prompts_per_step": groups,
                "rollouts_per_prompt": 1,
                "max_staleness": depth if one_step else 20 * UPDATES,
                "pipeline_depth": depth,
                "order": "plan" if one_step else "arrival",
            },
            "lengths": {"median": 200, "sigma": 0.9, "max_tokens": limit, "prompt_tokens": 0},
            "engines": {
                "count": engines,
                "max_num_seqs": 1024,
                "seconds": {"steps": tail / limit, "sampled": work / _tokens(200, 0.9, limit, 512)},
            },
            "learner": {"step_s": update / row["learner"] / pieces},
            "sync": {"every": pieces},
        }
    )
    steps = 8 if one_step else 2 * UPDATES
    return pieces * predict(spec, steps=steps, warm=steps, stretches=50).step_s


def _tokens(median: float, sigma: float, limit: int, count: int) -> float:
    rng = np.random.default_rng(0)
    return count * float(np.minimum(median * np.exp(sigma * rng.standard_normal(100_000)), limit).mean())


# -- nemo and marin ------------------------------------------------------------------------------------------


def nemo_step(row: Row, sampling: float) -> float:
    """One step off policy on half of the GPUs each. What does not shrink with the number of GPUs follows from
    two synchronous rows; where there is one, it is taken as half of the step."""
    sizes = sorted(row["sync"])
    if len(sizes) == 2:
        small, large = sizes
        work = max(0.0, (row["sync"][small] - row["sync"][large]) / (1 / small - 1 / large))
    else:
        work = 0.5 * row["sync"][sizes[0]] * sizes[0]
    fixed = row["sync"][sizes[-1]] - work / sizes[-1]
    half = fixed + work / (row["gpus"] / 2)
    spec = SystemSpec.model_validate(
        {
            "plan": {"prompts_per_step": 8, "max_staleness": row.get("staleness", 1)},
            "lengths": {"median": 100, "sigma": 0, "prompt_tokens": 0},
            "engines": {"seconds": {"steps": sampling * half / 100}},
            "learner": {"step_s": (1 - sampling) * half},
        }
    )
    return predict(spec, steps=12).step_s


def nemo(rows: Sequence[Row], rounds: int) -> tuple[float, list[Row]]:
    """The share of sampling, and the rows with what was simulated."""
    fitted = [row for row in rows if row["use"] == "fit"]

    def errors(x: np.ndarray) -> list[float]:
        share = float(x[0] / (1 + x[0]))
        return [float(np.log(nemo_step(row, share) / row["step_s"])) for row in fitted]

    odds = fit(errors, (1.5,), rounds=rounds)[0]
    share = float(odds / (1 + odds))
    return share, [row | {"simulated_s": nemo_step(row, share)} for row in rows]


def marin_wall(row: Row, figures: np.ndarray) -> float:
    """Simulated seconds of 100 updates; groups train in order of arrival and old ones are thrown away."""
    sampled, train = figures.tolist()
    spec = SystemSpec.model_validate(
        {
            "plan": {
                "prompts_per_step": 16,
                "rollouts_per_prompt": 8,
                "max_staleness": row["staleness"],
                "order": "arrival",
            },
            "lengths": {"median": 1200, "sigma": 0.8, "max_tokens": 4096, "prompt_tokens": 200},
            "engines": {
                "count": 1,
                "max_num_seqs": 128,
                "seconds": {"steps": sampled * 32, "sampled": sampled},
            },
            "learner": {"step_s": train},
            "sync": {"publish_s": row["copies_s"] / 100, "push_s": row["copies_s"] / 100},
        }
    )
    return 100 * predict(spec, steps=30, stretches=100).step_s


def marin(rows: Sequence[Row], rounds: int) -> tuple[list[float], list[Row]]:
    """Two figures of one code version, and its rows with what was simulated."""
    fitted = [row for row in rows if row["use"] == "fit"]

    def errors(figures: np.ndarray) -> list[float]:
        return [float(np.log(marin_wall(row, figures) / row["wall_s"])) for row in fitted]

    figures = fit(errors, (1.2e-4, 25.0), rounds=rounds)
    return figures.tolist(), [row | {"simulated_s": marin_wall(row, figures)} for row in rows]


def run_part(name: str, data: Mapping[str, Any], known: Mapping[str, Any], rounds: int) -> dict[str, Any]:
    """Fit one table and simulate its rows: ``{fitted, rows}``. ``known`` holds the parts done before."""
    if name == "verl_7b":
        figures, rows = verl(data[name], rounds)
        named = dict(zip(("step_s", "sequence_s", "token_s", "update_s"), figures.tolist(), strict=True))
        return {"fitted": named | {"tail_share": tail_share(figures)}, "rows": rows}
    if name == "verl_from_sync":
        share = known["verl_7b"]["fitted"]["tail_share"]
        rows = [row | {"simulated_s": from_sync(row, share)} for row in data[name]]
        return {"fitted": {}, "rows": rows}
    if name == "nemo":
        sampling, rows = nemo(data[name], rounds)
        return {"fitted": {"sampling_share": sampling}, "rows": rows}
    fitted, rows = {}, []
    for version in ("main", "branch"):
        # Two figures on two rows: a dozen rounds are enough.
        found, more = marin([row for row in data[name] if row["name"] == version], min(rounds, 12))
        fitted[version] = dict(zip(("sequence_s", "train_s"), found, strict=True))
        rows += more
    return {"fitted": fitted, "rows": rows}


PARTS = ("verl_7b", "verl_from_sync", "nemo", "marin")


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--part", choices=PARTS, help="only this one; the others stay as they are")
    args = arguments.parse_args()
    data = yaml.safe_load((DATA / "rl_step_times.yaml").read_text(encoding="utf-8"))
    parts = dict(read("published", args=args).get("parts", {}))
    for name in [args.part] if args.part else PARTS:
        parts[name] = run_part(name, data, parts, 6 if args.quick else 40)
        table(f"{name}: {parts[name]['fitted']}", parts[name]["rows"])
    rows = {name: part["rows"] for name, part in parts.items()}
    result = {
        "simulated": True,
        "machine": machine(),
        "command": command_line(),
        "claims": data["claims"],
        "train_relative_error": relative_errors(rows, "fit"),
        "held_out_relative_error": relative_errors(rows, "held_out"),
        "parts": parts,
    }
    record("published", result, args=args)


if __name__ == "__main__":
    main()
