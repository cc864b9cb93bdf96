"""The output of ``t2rl simulate``. Every figure of it is marked as simulated."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from rl.records.jsonl import plain
from rl.simulation.calibrate import Calibration, calibrate
from rl.simulation.load import load_system, system_yaml
from rl.simulation.search import Advice, Option, search
from rl.simulation.spec import SystemSpec
from rl.simulation.summary import Prediction, predict, synchronous

SIMULATED = "simulated, not measured"


def calibrate_cli(runs: Sequence[Path], *, to: Path | None, as_json: bool) -> None:
    """Fit a system to runs; print it as YAML, or write it to ``to`` and say how well it fits.

    Raises:
        ValueError: a run lacks what is needed.
    """
    found = calibrate(runs)
    if to is not None:
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(system_yaml(found.spec), encoding="utf-8")
    if as_json:
        print(json.dumps(plain(_fit_json(found))))
    elif to is None:
        print(system_yaml(found.spec), end="")
    else:
        _show_fit(found, to)


def _fit_json(found: Calibration) -> dict[str, Any]:
    return {
        "spec": found.spec.model_dump(mode="json"),
        "engine": {"points": found.engine.points, "error": found.engine.error},
        "learner": {"points": found.learner.points, "error": found.learner.error},
        "runs": [
            {"run": h.run, "measured_s": h.measured_s, "simulated_s": h.simulated.step_s, "error": h.error}
            for h in found.held
        ],
    }


def _show_fit(found: Calibration, to: Path) -> None:
    console = Console(highlight=False)
    console.print(
        f"engine steps fitted to {found.engine.points} groups, median error {found.engine.error:.1%};"
        f" updates to {found.learner.points} steps, {found.learner.error:.1%}"
    )
    table = Table("run", "step, measured (s)", "simulated (s)", "error", box=None)
    for held in found.held:
        simulated = f"{held.simulated.step_s:.3f}"
        table.add_row(held.run, f"{held.measured_s:.3f}", simulated, f"{held.error:+.1%}")
    console.print(table)
    console.print(f"written to {to}; next: t2rl simulate predict {to} plan.max_staleness=2")


def predict_cli(
    name: str, overrides: Sequence[str], *, steps: int, seed: int, against_sync: bool, as_json: bool
) -> None:
    """Run a system in simulated time and print what it did.

    Raises:
        ValueError: the system cannot run.
    """
    spec = load_system(name, overrides)
    found = predict(spec, steps=steps, seed=seed)
    sync = predict(synchronous(spec), steps=steps, seed=seed) if against_sync else None
    gain = {} if sync is None else {"sync_step_s": sync.step_s, "over_sync": _gain(found, sync)}
    if as_json:
        print(json.dumps(plain({**found.to_json(), **gain})))
        return
    console = Console(highlight=False)
    console.print(f"[bold]{SIMULATED}[/]: {spec.note or name}")
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for label, value in prediction_rows(spec, found):
        table.add_row(label, value)
    if sync is not None:
        table.add_row(
            "synchronous step", f"{sync.step_s:.3g} s; this is {_gain(found, sync):.2f} times as fast"
        )
    console.print(table)


def _gain(found: Prediction, sync: Prediction) -> float:
    return found.tokens_per_s / sync.tokens_per_s


def prediction_rows(spec: SystemSpec, found: Prediction) -> list[tuple[str, str]]:
    """Label and value for people."""
    rows = [
        ("step", f"{found.step_s:.3g} s, the learner's update {found.train_s:.3g} s of it"),
        ("learner waits", f"{found.learner_idle_share:.0%} of the time"),
        ("engines wait", f"{found.engine_idle_share:.0%}"),
        ("trained", f"{found.rollouts_per_s:,.1f} rollouts/s, {found.tokens_per_s:,.0f} tokens/s"),
        ("sampled in vain", f"{found.discarded_share:.0%} of the tokens"),
        ("staleness", f"{found.staleness_mean:.2f} mean, {found.staleness_max} at most"),
        ("GPU-hours a step", f"{found.gpu_hours_per_step:.3g} on {found.gpus:g} devices"),
    ]
    if found.failures_per_day:
        text = f"{found.failures_per_day:.2g} a day, training keeps {found.goodput:.1%} of the time"
        rows.append(("failures", text))
    if spec.usd_per_gpu_hour:
        text = f"{found.usd_per_step:.3g} a step, {found.usd_per_million_tokens:.3g} a million trained tokens"
        rows.append(("USD", text))
    rows += [(f"groups {name}".replace("_", " "), f"{n:,}") for name, n in found.counts.items() if n]
    return rows


def plan_cli(
    name: str, overrides: Sequence[str], *, gpus: int, max_staleness: int, steps: int, as_json: bool
) -> None:
    """Recommend split, staleness, batch and redundancy for so many GPUs.

    Raises:
        ValueError: the system cannot run, or does not fit.
    """
    spec = load_system(name, overrides)
    advice = search(spec, gpus, max_staleness=max_staleness, steps=steps)
    if as_json:
        print(json.dumps(plain(_advice_json(advice))))
    else:
        _show_advice(spec, advice)


def _option_json(option: Option) -> dict[str, Any]:
    spec = option.spec
    return {
        "layout": spec.layout.kind,
        "engines": spec.engines.count,
        "ranks": spec.learner.ranks,
        "max_staleness": spec.plan.max_staleness,
        "prompts_per_step": spec.plan.prompts_per_step,
        **option.found.to_json(),
    }


def _advice_json(advice: Advice) -> dict[str, Any]:
    return {
        "chosen": _option_json(advice.chosen),
        "spare_engines": advice.spare_engines,
        "checkpoint_every": advice.checkpoint_every,
        "splits": [_option_json(one) for one in advice.splits],
        "staleness": [_option_json(one) for one in advice.staleness],
        "batches": [_option_json(one) for one in advice.batches],
    }


def _show_advice(spec: SystemSpec, advice: Advice) -> None:
    console = Console(highlight=False)
    console.print(f"[bold]{SIMULATED}[/]: {spec.note}")
    parts = (("split", advice.splits), ("staleness", advice.staleness), ("batch", advice.batches))
    names = (
        "GPUs",
        "staleness",
        "prompts",
        "step (s)",
        "tokens/s",
        "learner idle",
        "engine idle",
        "USD/Mtok",
    )
    for title, options in parts:
        table = Table(*names, title=title, title_justify="left", box=None)
        for one in options:
            found, plan = one.found, one.spec.plan
            mark = "[bold]*[/] " if one is advice.chosen else ""
            table.add_row(
                mark + one.layout,
                str(plan.max_staleness),
                str(plan.prompts_per_step),
                f"{found.step_s:.3g}",
                f"{found.tokens_per_s:,.0f}",
                f"{found.learner_idle_share:.0%}",
                f"{found.engine_idle_share:.0%}",
                f"{found.usd_per_million_tokens:.3g}",
            )
        console.print(table)
    chosen = advice.chosen
    text = f"take GPUs {chosen.layout}, plan.max_staleness={chosen.spec.plan.max_staleness},"
    text += f" plan.prompts_per_step={chosen.spec.plan.prompts_per_step}"
    if advice.spare_engines:
        text += f", {advice.spare_engines} spare engines"
    if advice.checkpoint_every:
        text += f", a checkpoint every {advice.checkpoint_every} steps"
    console.print(text)
