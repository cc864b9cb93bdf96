"""A simulated system from recorded runs: fit its seconds, then hold it against the runs' own steps."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl.simulation.fit import EngineFit, LearnerFit, fit_engine, fit_learner
from rl.simulation.from_config import layout_of, with_config
from rl.simulation.recorded import WARM_STEPS, RecordedRun
from rl.simulation.spec import SystemSpec
from rl.simulation.summary import Prediction, predict

MAX_RECORDED = 256
"""Groups whose lengths are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A run's own steps beside the simulated ones."""

    run: str
    measured_s: float
    """Median step."""
    simulated: Prediction

    @property
    def error(self) -> float:
        """Error of the simulated step, relative to the measured one."""
        return self.simulated.step_s / self.measured_s - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A system, and how well it fits the runs that it was fitted to."""

    spec: SystemSpec
    engine: EngineFit
    learner: LearnerFit
    held: list[Held]


def calibrate(paths: Sequence[Path]) -> Calibration:
    """Fit one system to runs of one model on one machine. Its plan, layout and counts are the first run's.

    Raises:
        ValueError: a run lacks what is needed; names the file and the fix.
    """
    runs = [RecordedRun.read(path) for path in paths]
    alone = [run for run in runs if _undisturbed(run)] or runs
    engine = fit_engine(
        [
            (
                run,
                run.view.setting("rollout.num_engines", 1),
                run.view.setting("rollout.max_num_seqs", 256),
            )
            for run in alone
        ]
    )
    learner = fit_learner(alone)
    spec = _fit_cores(_fix_start(_assembled(runs, engine, learner), alone), runs)
    held = [hold(spec, run) for run in runs]
    return Calibration(spec=spec, engine=engine, learner=learner, held=held)


def hold(spec: SystemSpec, run: RecordedRun) -> Held:
    """The system under a run's config, beside the run's own steps."""
    simulated = predict(with_config(spec, run.view.setting), steps=max(20, len(run.rows)), seed=1)
    return Held(run=str(run.view.path), measured_s=run.median("time/step_s"), simulated=simulated)


def _undisturbed(run: RecordedRun) -> bool:
    """True if no two processes worked at once on the same machine's cores."""
    setting = run.view.setting
    if layout_of(setting)["kind"] != "cores":
        return True
    one = setting("rollout.num_engines", 1) == 1 and setting("learner.num_ranks", 1) == 1
    return bool(one and setting("stream.max_staleness", 0) == 0)


def _fit_cores(spec: SystemSpec, runs: Sequence[RecordedRun]) -> SystemSpec:
    """With the cores' work that the machine's cores do at once: the one figure that runs with several
    processes at work depend on, tried in steps of a twentieth."""
    busy = [run for run in runs if not _undisturbed(run)]
    if not busy:
        return spec

    def misfit(made: SystemSpec) -> float:
        return sum(float(np.log1p(hold(made, run).error)) ** 2 for run in busy)

    tried = [
        spec.model_copy(update={"layout": spec.layout.model_copy(update={"cores": float(cores)})})
        for cores in np.arange(1.0, (os.cpu_count() or 1) + 0.01, 0.05 if (os.cpu_count() or 1) <= 4 else 0.5)
    ]
    return min(tried, key=misfit)


def _assembled(runs: Sequence[RecordedRun], engine: EngineFit, learner: LearnerFit) -> SystemSpec:
    def over(key: str) -> float:
        return float(np.median([run.median(key) for run in runs]))

    rows = [row for run in runs for row in run.rows]
    other = [
        row["time/step_s"]
        - row["time/learner_wait_s"]
        - row["time/train_s"]
        - row["time/publish_s"]
        - row["time/save_s"]
        for row in rows
    ]
    judged, busy = rows[-1].get("reward/completions", 0.0), rows[-1].get("reward/busy_s", 0.0)
    groups = [group for run in runs for group in run.groups if group.step >= WARM_STEPS]
    finished = sum(row["rollout/groups"] for row in rows)
    dropped = sum(row.get("rollout/groups_dropped", 0.0) for row in rows)
    spread = np.linspace(0, len(groups) - 1, min(MAX_RECORDED, len(groups))).astype(int)
    spec = SystemSpec.model_validate(
        {
            "note": f"calibrated on {', '.join(run.view.name for run in runs)}",
            "plan": {"keep_share": max(0.01, 1 - dropped / finished)},
            "lengths": {
                "prompt_tokens": float(np.mean([group.prompt_tokens for group in groups])),
                "recorded": [groups[i].lengths for i in spread],
            },
            "engines": {"seconds": engine.seconds.model_dump(), "overhead_s": engine.overhead_s},
            "learner": {**learner.seconds, "other_s": max(0.0, float(np.median(other)))},
            "sync": {"publish_s": over("time/publish_s"), "push_s": over("sync/push_s")},
            "verifiers": {"seconds": busy / judged if judged else 0.0},
        }
    )
    return with_config(spec, runs[0].view.setting)


def _fix_start(spec: SystemSpec, runs: Sequence[RecordedRun]) -> SystemSpec:
    """With what synchronous runs take beyond the fitted parts: plans are drawn, calls travel, the batch is
    put together. All of it lies between new weights and an engine's first token."""
    over = []
    for run in runs:
        if run.view.setting("stream.max_staleness", 0) == 0:
            found = hold(spec, run)
            over.append(found.measured_s - found.simulated.step_s)
    extra = max(0.0, float(np.median(over))) if over else 0.0
    return spec.model_copy(update={"engines": spec.engines.model_copy(update={"fixed_s": extra})})
