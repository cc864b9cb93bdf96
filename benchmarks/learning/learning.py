"""Does it learn? Any config over several seeds: held-out accuracy after minus before, with intervals, beside
what the base reaches greedily and at temperature 0.6; and, with ``--staleness``, what staleness costs or buys
at equal training time.

    # quickstart, seeds 0 1 2; docs/img/learning_quickstart.svg
    python -m benchmarks.learning.learning
    # another config, with overrides
    python -m benchmarks.learning.learning --config long learner.lr=1e-3
    # the same config at each max_staleness
    python -m benchmarks.learning.learning --staleness 0,1,2 --wall-clock 120

Runs go one after the other into ``runs/benchmarks/``. Finished ones are remembered by their resolved config
and base, so a second call goes on where the first was interrupted (``--fresh`` forgets). The synchronous run
of ``--staleness`` uses both cores at its own best number of threads, found by trial.
"""

import argparse
import hashlib
import json
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks.learning.plot import plot_curves
from benchmarks.lib.common import CONSOLE, command_line, machine, parser, save
from benchmarks.lib.process_tree import run_logged
from planner.estimators.bootstrap import Difference, paired_difference, seeds_difference
from planner.estimators.pass_at_k import pass_at_k
from rl.config.load import dump_config, load_config
from rl.records.metrics import read_metrics
from rl.run.prepare.inputs import locate_model
from rl.views.evaluations import Counts, read_counts

ROOT = Path(__file__).parents[2]
SYNC_THREADS: tuple[tuple[int, int], ...] = ((1, 1), (1, 2), (2, 2))
"""(engine, learner) threads that a synchronous run may use; both processes may run on every core."""
MANY_STEPS = 1_000_000
LEARNER_PROCESS, ENGINE_PROCESS = "ray::Learner", "ray::RolloutWor"
"""How the names of the processes of a learner rank and of an engine start."""


class Runs:
    """Runs ``t2rl train`` and remembers, in ``manifest.json``, what is finished."""

    def __init__(self, directory: Path, *, fresh: bool) -> None:
        if fresh:
            shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._manifest = directory / "manifest.json"
        self._done: dict[str, dict[str, Any]] = (
            json.loads(self._manifest.read_text()) if self._manifest.exists() else {}
        )

    def train(self, config: str, overrides: Sequence[str], *, label: str) -> Path:
        """The finished run directory of this config, trained now unless it was before.

        Raises:
            RuntimeError: the run failed; with the end of its log.
        """
        resolved = load_config(config, list(overrides))
        identity = dump_config(resolved) + locate_model(resolved).name
        key = hashlib.sha256(identity.encode()).hexdigest()[:12]
        if key not in self._done:
            path = self._directory / key
            shutil.rmtree(path, ignore_errors=True)  # what an interrupted call left
            facts = self._run(
                config, [*overrides, f"run.dir={path}", "run.name=run"], path.with_suffix(".log"), label
            )
            self._done[key] = {"label": label, **facts, "finished": time.strftime("%Y-%m-%d %H:%M")}
            self._manifest.write_text(json.dumps(self._done, indent=1) + "\n", encoding="utf-8")
        CONSOLE.print(
            f"{label}: {self._done[key]['seconds']:.0f} s in all, finished {self._done[key]['finished']}"
        )
        return self._directory / key / "run"

    def facts(self, run: Path) -> dict[str, Any]:
        """What was noted when that run finished: ``seconds``, ``learner_peak_mib`` and ``engine_peak_mib``
        (of the largest process of each kind)."""
        return self._done[run.parent.name]

    @staticmethod
    def _run(config: str, overrides: Sequence[str], log: Path, label: str) -> dict[str, Any]:
        CONSOLE.print(f"{label}: training, see {log}")
        started = time.monotonic()
        clock = run_logged([sys.executable, "-m", "rl.cli", "train", config, *overrides, "tracker=none"], log)
        peaks = {
            f"{name}_peak_mib": clock.peak_memory_mib(process)
            for name, process in (("learner", LEARNER_PROCESS), ("engine", ENGINE_PROCESS))
        }
        return {
            "seconds": round(time.monotonic() - started, 1),
            **{name: None if peak is None else round(peak, 1) for name, peak in peaks.items()},
        }


# -- reading a run -------------------------------------------------------------------------------------------


def evaluations(run: Path) -> dict[int, dict[float, Counts]]:
    """Version -> temperature -> counts; 0 is greedy."""
    files = sorted((run / "eval").glob("version-*.jsonl"))
    found = {int(f.stem.split("-")[1]): read_counts(f, max_tokens=1, top_p=1) for f in files}
    return {version: {c.sampling.temperature: c for c in counts} for version, counts in found.items()}


def per_problem(counts: Counts, k: int = 1) -> np.ndarray:
    """[problems] pass@k, in order of problem id."""
    rows = sorted(counts.rows, key=lambda row: str(row["id"]))
    return np.asarray(pass_at_k([r["n"] for r in rows], [r["c"] for r in rows], k))


def cost(run: Path) -> dict[str, float]:
    """What the training of a run took: start-up and evaluations are not in it."""
    rows = read_metrics(run / "metrics.jsonl")
    return {
        "steps": len(rows),
        "train_s": round(sum(row["time/step_s"] for row in rows), 1),
        "tokens": rows[-1]["rollout/total_tokens"],
        "rollouts": sum(row["rollout/rollouts"] for row in rows),
        "staleness_mean": round(statistics.mean(row.get("buffer/staleness_mean", 0.0) for row in rows), 3),
    }


def metrics_of(run: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Metric -> (before, after), each [problems]."""
    found = evaluations(run)
    first, last = found[min(found)], found[max(found)]
    sampled = next(t for t in first if t > 0)
    ks = sorted({1, min(row["n"] for row in first[sampled].rows)})
    out = {f"pass@{k}": (per_problem(first[sampled], k), per_problem(last[sampled], k)) for k in ks}
    for temperature in (t for t in first if t != sampled):
        name = "greedy" if temperature == 0 else f"pass@1 at T={temperature:g}"
        out[name] = (per_problem(first[temperature]), per_problem(last[temperature]))
    return out


def interval(difference: Difference) -> dict[str, float]:
    """Rounded, for the JSON."""
    return {key: round(value, 4) for key, value in asdict(difference).items()}


# -- the learning figure -------------------------------------------------------------------------------------


def learning(args: argparse.Namespace, runs: Runs) -> dict[str, Any]:
    """One run for each seed: after minus before per seed and over seeds, and the curves."""
    steps = load_config(args.config, args.overrides).run.steps
    seeds: dict[int, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    result: dict[str, Any] = {"seeds": {}}
    for seed in args.seeds:
        every = f"evaluation.every={max(1, steps // args.points)}"
        run = runs.train(
            args.config, [*args.overrides, every, f"run.seed={seed}"], label=f"{args.config}, seed {seed}"
        )
        seeds[seed] = metrics_of(run)
        result["seeds"][seed] = {
            "cost": cost(run),
            "metrics": {
                name: _change(before, after, paired_difference(before, after))
                for name, (before, after) in seeds[seed].items()
            },
            "curve": [
                {"step": version, **{f"{t:g}": round(c.pass_rate, 4) for t, c in at.items()}}
                for version, at in evaluations(run).items()
            ],
        }
    names = list(next(iter(seeds.values())))
    result["over_seeds"] = {name: _over_seeds([seeds[s][name] for s in args.seeds]) for name in names}
    result["problems"] = len(seeds[args.seeds[0]][names[0]][0])
    _show(result)
    return result


def _over_seeds(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
    before, after = (np.stack(side) for side in zip(*pairs, strict=True))
    return _change(before, after, seeds_difference(after - before))


def _change(before: np.ndarray, after: np.ndarray, difference: Difference) -> dict[str, Any]:
    return {
        "before": round(before.mean(), 4),
        "after": round(after.mean(), 4),
        "difference": interval(difference),
    }


def _show(result: dict[str, Any]) -> None:
    table = Table(
        "seed", "metric", "before", "after", "after - before", title="held-out accuracy (95% intervals)"
    )
    groups = {str(seed): facts["metrics"] for seed, facts in result["seeds"].items()} | {
        "all": result["over_seeds"]
    }
    for label, metrics in groups.items():
        for name, row in metrics.items():
            table.add_row(
                label, name, f"{row['before']:.3f}", f"{row['after']:.3f}", _span(row["difference"])
            )
        table.add_section()
    CONSOLE.print(table)


def _span(d: dict[str, float]) -> str:
    return f"{d['value']:+.3f} [{d['low']:+.3f}, {d['high']:+.3f}]"


# -- equal wall-clock at several stalenesses -----------------------------------------------------------------


def staleness(args: argparse.Namespace, runs: Runs) -> dict[str, Any]:
    """The same config at each ``max_staleness`` for the same training time; every bound minus the first one,
    seed by seed."""
    bounds = [int(b) for b in args.staleness.split(",")]
    budget = [f"run.wall_clock_s={args.wall_clock}", f"run.steps={MANY_STEPS}", "evaluation.every=0"]
    threads = best_sync(args, runs) if 0 in bounds else []
    reached: dict[int, list[dict[str, np.ndarray]]] = {bound: [] for bound in bounds}
    costs: dict[int, list[dict[str, float]]] = {bound: [] for bound in bounds}
    for seed in args.seeds:  # interleaved: all bounds see the same weather
        for bound in bounds:
            own = [f"stream.max_staleness={bound}", f"run.seed={seed}", *(threads if bound == 0 else [])]
            run = runs.train(
                args.config, [*args.overrides, *budget, *own], label=f"max_staleness {bound}, seed {seed}"
            )
            reached[bound].append({name: after for name, (_, after) in metrics_of(run).items()})
            costs[bound].append(cost(run))
    result: dict[str, Any] = {
        "wall_clock_s": args.wall_clock,
        "synchronous_overrides": threads,
        "max_staleness": {},
    }
    for bound in bounds:
        metrics = {}
        for name in reached[bound][0]:
            after = np.stack([seed[name] for seed in reached[bound]])
            first = np.stack([seed[name] for seed in reached[bounds[0]]])
            metrics[name] = {
                "after": round(after.mean(), 4),
                "per_seed": after.mean(axis=1).round(4).tolist(),
            }
            if bound != bounds[0]:
                metrics[name][f"minus_staleness_{bounds[0]}"] = interval(seeds_difference(after - first))
        result["max_staleness"][bound] = {"metrics": metrics, "cost": costs[bound]}
    _show_staleness(result, first=bounds[0])
    return result


def best_sync(args: argparse.Namespace, runs: Runs) -> list[str]:
    """Overrides of the fastest synchronous layout: a few steps of each are timed."""
    rates: dict[tuple[int, int], float] = {}
    for engine, learner in SYNC_THREADS:
        trial = [
            f"run.steps={args.trial_steps}",
            "stream.max_staleness=0",
            "evaluation.num_prompts=1",
            *_threads(engine, learner),
        ]
        run = runs.train(
            args.config, [*args.overrides, *trial], label=f"trial, synchronous, threads {engine}:{learner}"
        )
        rows = read_metrics(run / "metrics.jsonl")[args.trial_steps // 3 :]
        rates[engine, learner] = len(rows) / sum(row["time/step_s"] for row in rows)
    CONSOLE.print(
        "synchronous steps/s by threads (engine, learner):", {k: round(v, 3) for k, v in rates.items()}
    )
    return _threads(*max(rates, key=rates.__getitem__))


def _threads(engine: int, learner: int) -> list[str]:
    counts = [f"rollout.num_threads={engine}", f"learner.num_threads={learner}"]
    return [*counts, "rollout.cores=null", "learner.cores=null"]


def _show_staleness(result: dict[str, Any], *, first: int) -> None:
    title = f"held-out accuracy after {result['wall_clock_s']:g} s of training"
    table = Table(
        "max_staleness",
        "steps",
        "mean staleness",
        "metric",
        "after",
        f"minus max_staleness={first}",
        title=title,
    )
    for bound, facts in result["max_staleness"].items():
        steps = "/".join(str(c["steps"]) for c in facts["cost"])
        stale = f"{statistics.mean(c['staleness_mean'] for c in facts['cost']):.2f}"
        for name, row in facts["metrics"].items():
            difference = row.get(f"minus_staleness_{first}")
            table.add_row(
                str(bound), steps, stale, name, f"{row['after']:.3f}", _span(difference) if difference else ""
            )
        table.add_section()
    CONSOLE.print(table)


# -- the command ---------------------------------------------------------------------------------------------


def main() -> None:
    args = _arguments()
    stem = "staleness" if args.staleness else args.config
    runs = Runs(
        ROOT / "runs" / "benchmarks" / f"learning-{Path(stem).stem}{'-quick' if args.quick else ''}",
        fresh=args.fresh,
    )
    facts = {
        "machine": machine(),
        "command": command_line(),
        "config": args.config,
    }
    result = facts | (staleness(args, runs) if args.staleness else learning(args, runs))
    save(f"learning_{Path(stem).stem}", result, args=args)
    picture = args.picture or (
        None if args.quick or args.staleness else ROOT / "docs" / "img" / f"learning_{Path(stem).stem}.svg"
    )
    if picture is not None:
        plot_curves(result, picture)
        CONSOLE.print(f"picture: {picture}")


def _arguments() -> argparse.Namespace:
    made = parser(__doc__ or "")
    made.add_argument("--config", default=None, help="default quickstart; debug with --quick")
    made.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1, 2], help="at least three, for the interval over seeds"
    )
    made.add_argument("--points", type=int, default=10, help="evaluations along each run")
    made.add_argument("--eval-prompts", type=int, default=None, help="held-out prompts, default 400")
    made.add_argument(
        "--staleness", default=None, help="comma-separated max_staleness values; the first is compared with"
    )
    made.add_argument(
        "--wall-clock",
        type=float,
        default=None,
        help="training seconds of each run of --staleness, default 120",
    )
    made.add_argument("--trial-steps", type=int, default=9, help="of each synchronous layout tried")
    made.add_argument("--picture", type=Path, default=None, help="default docs/img/learning_CONFIG.svg")
    made.add_argument("--fresh", action="store_true", help="forget finished runs")
    made.add_argument("overrides", nargs="*", help="of the config")
    args = made.parse_args()
    args.config = args.config or ("debug" if args.quick else "quickstart")
    args.wall_clock = args.wall_clock or (3.0 if args.quick else 120.0)
    if args.quick:
        args.points, args.trial_steps = min(args.points, 2), 3
    prompts = args.eval_prompts or (None if args.quick else 400)
    args.overrides = [*([f"evaluation.num_prompts={prompts}"] if prompts else []), *args.overrides]
    if len(args.seeds) < 3:
        made.error("--seeds: an interval over seeds needs at least three")
    return args


if __name__ == "__main__":
    main()
