"""Calibration: known seconds come back from the times that they made."""

import pytest
import simpy

from planner.cost.measured import MeasuredCost, StepWork
from rl.simulation.engine import Engine
from rl.simulation.fit import fit_engine, fit_learner
from rl.simulation.from_config import layout_of, with_config
from rl.simulation.groups import Group
from rl.simulation.pace import Pace
from rl.simulation.recorded import GroupTimes, RecordedRun
from rl.simulation.spec import SystemSpec


class View:
    """The settings of a run, and nothing else of it."""

    def __init__(self, **settings) -> None:
        self.settings = settings

    def setting(self, name: str, default=None):
        return self.settings.get(name.replace(".", "__"), default)


def sampled(lengths_of_plans, *, seconds: StepWork, seats: int) -> list[GroupTimes]:
    """Groups with the times that an engine of these seconds gives them, one plan after the other."""
    env = simpy.Environment()
    groups: list[GroupTimes] = []
    sent: dict[int, tuple[float, int]] = {}

    def done(_, group) -> None:
        issued, step = sent[id(group)]
        groups.append(
            GroupTimes(
                step=step,
                issued=issued,
                finished=env.now,
                lengths=tuple(group.lengths),
                prompt_tokens=int(group.prompt),
            )
        )

    engine = Engine(
        env,
        index=0,
        cost=MeasuredCost(coefficients=seconds),
        max_num_seqs=seats,
        kv_tokens=0,
        pace=Pace(env),
        on_done=done,
    )
    kept = []

    def driver():
        for step, plan in enumerate(lengths_of_plans):
            for lengths in plan:
                group = Group(plan=step, lengths=list(lengths), prompt=20)
                kept.append(group)
                sent[id(group)] = env.now, step
                engine.send(group)
            while engine.outstanding:
                yield env.timeout(0.5)

    env.process(driver())
    env.run(until=400)
    return sorted(groups, key=lambda one: one.issued)


def test_the_seconds_of_an_engine_come_back() -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    plans = [rng.integers(3, 40, size=(8 if step % 2 else 3, 4)).tolist() for step in range(12)]
    true = StepWork(steps=0.01, sampled=0.002, prompt_tokens=0.0005)
    run = RecordedRun(view=View(), rows=[], groups=sampled(plans, seconds=true, seats=64))
    found = fit_engine([(run, 1, 64)])
    assert found.error < 0.02
    for batch in (1, 8, 32):
        at = MeasuredCost(coefficients=StepWork(**found.seconds.model_dump())).step_s(batch, 10)
        assert at == pytest.approx(0.01 + 0.002 * batch, rel=0.05)


def test_the_seconds_of_the_learner_come_back_and_an_outlier_does_not_matter() -> None:
    def run(updates: int, ranks: int, tokens) -> RecordedRun:
        rows = [{"learner/tokens": n, "time/train_s": 0.3 + 0.1 * updates + 1e-4 * n / ranks} for n in tokens]
        return RecordedRun(
            view=View(learner__updates_per_batch=updates, learner__num_ranks=ranks), rows=rows, groups=[]
        )

    runs = [run(1, 1, range(4000, 9000, 500)), run(2, 1, range(5000, 9000, 500)), run(1, 2, [6000, 8000])]
    runs[0].rows[3]["time/train_s"] *= 5
    found = fit_learner(runs)
    assert found.seconds["step_s"] == pytest.approx(0.3, abs=0.01)
    assert found.seconds["update_s"] == pytest.approx(0.1, abs=0.01)
    assert found.seconds["token_s"] == pytest.approx(1e-4, rel=0.01)
    assert found.error < 1e-6


def test_one_number_of_updates_is_part_of_the_step() -> None:
    rows = [{"learner/tokens": n, "time/train_s": 0.5 + 1e-4 * n} for n in (1000, 2000, 3000)]
    run = RecordedRun(view=View(learner__updates_per_batch=2), rows=rows, groups=[])
    assert fit_learner([run]).seconds["update_s"] == 0


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"rollout__cores": [0], "learner__cores": [1]}, "cores"),
        ({}, "cores"),
        ({"rollout__device": "cuda"}, "split"),
        ({"rollout__device": "cuda", "cluster__name": "gpu1"}, "colocated"),
    ],
)
def test_who_shares_what_follows_from_the_config(settings, kind: str) -> None:
    assert layout_of(View(**settings).setting)["kind"] == kind


def test_a_config_gives_plan_and_counts_and_leaves_the_seconds() -> None:
    spec = SystemSpec.model_validate({"engines": {"seconds": {"steps": 0.01}}, "learner": {"step_s": 3.0}})
    view = View(stream__max_staleness=2, rollout__num_engines=3, learner__num_ranks=2, rollout__max_tokens=64)
    found = with_config(spec, view.setting)
    assert (found.plan.max_staleness, found.engines.count, found.learner.ranks) == (2, 3, 2)
    assert (found.lengths.max_tokens, found.learner.step_s) == (64, 3.0)


def test_a_directory_without_a_run_is_named(tmp_path) -> None:
    (tmp_path / "config.yaml").write_text("{}")
    with pytest.raises(ValueError, match=r"metrics\.jsonl: 0 steps.*run\.steps=5"):
        RecordedRun.read(tmp_path)
