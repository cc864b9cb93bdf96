"""The trackers that a run opens, and the rollouts that it gives to them."""

import numpy as np
import pytest

from rl.config.load import load_config
from rl.records.metrics import MetricsWriter
from rl.records.rundir import RunDir
from rl.run.tracked import open_trackers, sample_rows, spread
from rl.stream.plans import PlanState, new_groups
from rollout.types import (
    Completion,
    FinishReason,
    Prompt,
    RewardResult,
    Rollout,
    RolloutGroup,
    SamplingConfig,
    VersionSpan,
)

SPY = """
import json

class Spy:
    def __init__(self, run):
        (run.directory / "seen.json").write_text(json.dumps(
            [run.name, run.attempt, run.restored_step, run.rows_before, run.settings]
        ))

    def log(self, step, metrics): ...

    def finish(self): ...
"""


@pytest.mark.parametrize(
    ("available", "count", "places"),
    [
        (0, 4, []),
        (3, 4, [0, 1, 2]),
        (4, 4, [0, 1, 2, 3]),
        (10, 4, [0, 3, 6, 9]),
        (10, 2, [0, 9]),
        (10, 1, [9]),
    ],
)
def test_shown_places_run_from_the_first_to_the_last(available: int, count: int, places: list[int]) -> None:
    assert list(spread(available, count)) == places


def test_a_tracker_hears_how_many_rows_came_before(tmp_path) -> None:
    code = tmp_path / "spy.py"
    code.write_text(SPY)
    run = RunDir(tmp_path / "r")
    run.path.mkdir()
    for attempt, restored, steps in ((1, 0, range(3)), (2, 2, range(2, 4))):
        rows = MetricsWriter(run.metrics, attempt=attempt, restored_step=restored)
        for step in steps:
            rows.write(step, {"a": 1.0})
        rows.close()
    rows = MetricsWriter(run.metrics, attempt=3, restored_step=3)
    config = load_config("quickstart", [f"tracker={code}:Spy", "tracker.own={x: 1}"])
    open_trackers(config, run, attempt=3, restored_step=3).finish()
    rows.close()
    seen = (run.path / "seen.json").read_text()
    assert seen == '["r", 3, 3, 5, {"x": 1}]'


SAMPLING = SamplingConfig(max_tokens=8)
PROMPT = Prompt(id="p", text="2+2=", token_ids=(1, 2), answer="4", category="add", difficulty=2)


def rollout(value: float, *, judged: bool = True) -> Rollout:
    completion = Completion(
        token_ids=np.array([5, 6], np.int64),
        behavior_logprobs=np.zeros(2, np.float32),
        loss_mask=np.ones(2, dtype=bool),
        spans=(VersionSpan(0, 2, 0),),
        finish_reason=FinishReason.STOP,
    )
    result = RewardResult(value=value, correct=value > 0.5) if judged else RewardResult.unjudged("it raised")
    return Rollout(completion=completion, text=f"says {value}", result=result)


def test_shown_rollouts_run_from_the_worst_to_the_best_and_have_a_verdict() -> None:
    rollouts = (rollout(1.0), rollout(0.25), rollout(0.0, judged=False), rollout(0.0), rollout(0.75))
    group = RolloutGroup(group_id=0, plan_step=7, prompt=PROMPT, sampling=SAMPLING, rollouts=rollouts)
    (state,) = new_groups(
        plan_step=7,
        refill_round=0,
        prompts=[PROMPT],
        num_rollouts=[5],
        max_tokens=[8],
        sampling=SAMPLING,
        run_seed=0,
    )
    assert sample_rows(PlanState(step=7, groups=[state]), 3) == [], "it has not finished"
    state.group = group
    rows = sample_rows(PlanState(step=7, groups=[state]), 3)
    assert [row["completion"] for row in rows] == ["says 0.0", "says 0.75", "says 1.0"]
    assert rows[2] == {
        "step": 7,
        "prompt_id": "p",
        "category": "add",
        "prompt": "2+2=",
        "completion": "says 1.0",
        "reward": 1.0,
        "correct": True,
        "reason": "",
        "length": 2,
    }
