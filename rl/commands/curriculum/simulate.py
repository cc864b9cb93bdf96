"""``t2rl curriculum simulate``: a preset on a simulated learner, with the stream of a run's config."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from curricula.simulation.build import LearnerKind, build_simulation
from curricula.simulation.rows import SimulatedPool, read_rows
from curricula.simulation.simulate import Schedule
from rl.commands.curriculum.bins import figure, label, mean_of, stretches
from rl.commands.curriculum.heatmap import HeatMap, check_suffix
from rl.config.load import load_config
from rl.config.schema import Config
from rl.records.jsonl import plain
from rl.records.progress import ProgressDisplay
from rollout.types import SamplingConfig

SHOWN = (
    ("effective gradient", "effective_gradient_ratio", ".3f"),
    ("effective prompt", "effective_prompt_ratio", ".3f"),
)
RATIOS = ("effective_gradient_ratio", "effective_prompt_ratio", "trained_effective_ratio")
TITLE = "effective share of rollouts (gradient), of prompts, and of the rollouts trained on"
COUNTS = ("rollouts_generated", "rollouts_trained", "tokens_generated", "refill_rounds")


def simulate(
    preset: str,
    overrides: Sequence[str],
    *,
    pool: Path,
    steps: int | None,
    seed: int | None,
    base: str,
    learner: LearnerKind,
    rate: float,
    as_json: bool,
    heatmap: Path | None,
) -> None:
    """Run and print.

    Raises:
        ValueError: the config, the pool or the preset is wrong.
    """
    if heatmap is not None:
        check_suffix(heatmap)
    config = simulated_config(base, preset, overrides, steps=steps, seed=seed)
    rows = read_rows(pool)
    with ProgressDisplay(config.run.steps, shown=SHOWN) as progress:
        found = run_simulation(config, rows, learner=learner, rate=rate, progress=progress)
    result = {"preset": preset, "overrides": list(overrides), "pool": str(pool), "learner": learner, **found}
    if heatmap is not None:
        HeatMap.of(result["steps"]).write(heatmap)
    if as_json:
        print(json.dumps(plain(result)))
        return
    show(result, Console())


def simulated_config(
    base: str, preset: str, overrides: Sequence[str], *, steps: int | None, seed: int | None
) -> Config:
    """The config of a run with ``curriculum=preset``.

    Raises:
        ConfigError: as ``load_config``.
    """
    more = [f"curriculum={preset}"]
    more += [] if steps is None else [f"run.steps={steps}"]
    more += [] if seed is None else [f"run.seed={seed}"]
    return load_config(base, [*more, *overrides])


def run_simulation(
    config: Config,
    pool: SimulatedPool,
    *,
    learner: LearnerKind,
    rate: float,
    progress: ProgressDisplay | None = None,
) -> dict[str, Any]:
    """``{seed, schedule, steps, summary}``; ``steps`` holds one row a step.

    Raises:
        ValueError: the parts do not fit the pool.
    """
    stream, rollout = config.stream, config.rollout
    schedule = Schedule(
        steps=config.run.steps,
        prompts_per_step=stream.prompts_per_step,
        rollouts_per_prompt=stream.rollouts_per_prompt,
        max_staleness=stream.max_staleness,
        refill_rounds=stream.refill_rounds,
    )
    sampling = SamplingConfig(
        temperature=rollout.temperature, top_p=rollout.top_p, max_tokens=rollout.max_tokens
    )
    simulation = build_simulation(
        config.curriculum.model_dump(),
        pool=pool,
        schedule=schedule,
        seed=config.run.seed,
        sampling=sampling,
        learner=learner,
        rate=rate,
    )
    rows = simulation.run(
        on_step=lambda row: None if progress is None else progress.update(row["step"] + 1, row)
    )
    return {"seed": config.run.seed, "schedule": asdict(schedule), "steps": rows, "summary": summary(rows)}


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means of the ratios, sums of the counts, and each category's share of all rollouts."""
    heat = HeatMap.of(rows)
    rollouts = heat.counts[:, :, 1].sum(axis=1)
    return {
        **{key: mean_of(rows, key) for key in RATIOS},
        **{key: int(sum(row[key] for row in rows)) for key in COUNTS},
        "category_share": {
            name: float(n / rollouts.sum()) for name, n in zip(heat.categories, rollouts, strict=True)
        },
        "pool_pass_rate_first": rows[0]["pool_pass_rate"],
        "pool_pass_rate_last": rows[-1]["pool_pass_rate"],
    }


def show(result: dict[str, Any], console: Console) -> None:
    """Tables for a terminal."""
    rows, total = result["steps"], result["summary"]
    table = Table(
        "step",
        "gradient",
        "prompt",
        "of trained",
        "sizes",
        "rollouts",
        "trained",
        "refills",
        title=TITLE,
        title_justify="left",
    )
    for part in stretches(len(rows)):
        some = [rows[i] for i in part]
        sizes = [int(size) for row in some for size in row["group_sizes"]]
        table.add_row(
            label([row["step"] for row in some]),
            *(figure(mean_of(some, key)) for key in RATIOS),
            f"{min(sizes)}-{max(sizes)}",
            *(
                figure(float(np.sum([row[key] for row in some])), ",.0f")
                for key in ("rollouts_generated", "rollouts_trained")
            ),
            figure(float(np.sum([row["refill_rounds"] for row in some])), ".0f"),
        )
    console.print(
        f"[bold]simulation[/] of curriculum={result['preset']}, not of a model: pass rates are put in"
    )
    console.print(TITLE)
    console.print(table)
    console.print(HeatMap.of(rows).picture(width=max(10, console.width - 40), colour=console.is_terminal))
    console.print(
        f"all steps: effective gradient {figure(total['effective_gradient_ratio'])}, effective prompt"
        f" {figure(total['effective_prompt_ratio'])}; {total['rollouts_generated']:,} rollouts generated,"
        f" {total['rollouts_trained']:,} trained; pass rate of the pool {total['pool_pass_rate_first']:.3f}"
        f" -> {total['pool_pass_rate_last']:.3f}",
        highlight=False,
    )
