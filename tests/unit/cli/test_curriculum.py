"""``t2rl curriculum``: what a user sees of a simulation, of a run and of a check; and that none of it loads
anything heavy."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rl.cli import app
from rl.config.load import dump_config, load_config
from rl.records.jsonl import JsonlWriter
from rl.records.metrics import MetricsWriter
from rl.records.rundir import RunDir
from rl.records.trackers.threads import Trackers
from rl.run.recorder import Recorder
from rl.stream.plans import GroupStatus, PlanState, new_groups
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

runner = CliRunner()
SAMPLING = SamplingConfig(max_tokens=8)


def call(*arguments: str) -> tuple[int, str]:
    result = runner.invoke(app, ["curriculum", *arguments], env={"COLUMNS": "200"})
    return result.exit_code, result.output


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    file = tmp_path / "rows.jsonl"
    rows = (
        {"id": i, "category": ("solved", "half", "never")[i % 3], "pass_rate": (1.0, 0.5, 0.0)[i % 3]}
        for i in range(300)
    )
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.mark.parametrize("command", ["simulate", "inspect", "check"])
def test_every_command_explains_itself(command: str) -> None:
    code, output = call(command, "--help")
    assert code == 0 and f"t2rl curriculum {command}" in output


# -- simulate ------------------------------------------------------------------------------------------------


def simulated(pool: Path, *arguments: str) -> dict[str, Any]:
    code, output = call("simulate", *arguments, "--pool", str(pool), "--json")
    assert code == 0, output
    return json.loads(next(line for line in output.splitlines() if line.startswith("{")))


def test_simulate_says_what_the_preset_does(pool: Path) -> None:
    uniform = simulated(pool, "uniform", "--steps", "40", "--seed", "3")
    all_to_effective = "curriculum.allocator.args.allow_fallback=false"
    knapsack = simulated(pool, "knapsack", "--steps", "40", "--seed", "3", all_to_effective)
    assert len(uniform["steps"]) == 40 and uniform["seed"] == 3 and uniform["learner"] == "curves"
    assert (
        uniform["summary"]["rollouts_generated"] == knapsack["summary"]["rollouts_generated"] == 40 * 32 * 16
    )
    assert uniform["summary"]["effective_gradient_ratio"] == pytest.approx(1 / 3, abs=0.03)
    assert knapsack["summary"]["category_share"]["half"] > uniform["summary"]["category_share"]["half"] + 0.1
    assert set(uniform["steps"][0]) >= {
        "effective_gradient_ratio",
        "effective_prompt_ratio",
        "categories",
        "refill_rounds",
    }


def test_simulate_takes_overrides_stacks_and_a_seed(pool: Path) -> None:
    arguments = ("knapsack+mixed", "--steps", "12", "--seed", "1")
    stacked = simulated(
        pool,
        *arguments,
        "stream.refill_rounds=2",
        "curriculum.allocator.args.cap=20",
        "stream.max_staleness=0",
    )
    assert stacked["summary"]["refill_rounds"] > 0
    assert max(int(size) for row in stacked["steps"] for size in row["group_sizes"]) <= 20
    assert stacked["schedule"]["max_staleness"] == 0
    assert simulated(pool, *arguments) == simulated(pool, *arguments) != simulated(pool, *arguments[:-1], "2")


def test_simulate_with_a_learner_that_learns(pool: Path) -> None:
    slow, fast = (
        simulated(pool, "uniform", "--steps", "20", "--learner", "logistic", "--rate", rate)
        for rate in ("0.1", "1")
    )
    first, last = (fast["summary"][f"pool_pass_rate_{end}"] for end in ("first", "last"))
    assert first == 0.5 and last > slow["summary"]["pool_pass_rate_last"] > 0.5


def test_simulate_prints_tables_and_a_heat_map(pool: Path, tmp_path: Path) -> None:
    heat = tmp_path / "heat.csv"
    code, output = call("simulate", "uniform", "--steps", "5", "--pool", str(pool), "--heatmap", str(heat))
    assert code == 0
    assert "not of a model" in output and "category x step" in output and "step 5/5" in output
    rows = list(csv.DictReader(heat.read_text().splitlines()))
    assert len(rows) == 5 * 3
    for step in range(5):
        assert sum(float(row["rollout_share"]) for row in rows if row["step"] == str(step)) == pytest.approx(
            1, abs=1e-5
        )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["simulate", "knapsak", "--pool", "POOL"], "Did you mean 'knapsack'?"),
        (["simulate", "uniform", "--pool", "no.jsonl"], "no.jsonl: no such file"),
        (["simulate", "uniform", "--pool", "POOL", "--learner", "human"], "choose curves or logistic"),
        (["simulate", "uniform", "--pool", "POOL", "--heatmap", "x.png"], ".csv or .json"),
        (
            ["simulate", "knapsack", "--pool", "POOL", "curriculum.allocator.args.cap=1"],
            "cap=1 is below floor=2",
        ),
        (["inspect", "nowhere"], "nowhere is no run directory"),
        (["check", "nonsense"], "choose one of"),
        (["check", "knapsack", "--args", "{"], "--args '{' is not JSON"),
        (["check", "knapsack", "--args", '{"caps": 3}'], "caps"),
    ],
)
def test_wrong_input_is_two_with_the_fix(pool: Path, arguments: list[str], words: str) -> None:
    code, output = call(*(str(pool) if a == "POOL" else a for a in arguments))
    assert code == 2 and words in " ".join(output.split()) and "Traceback" not in output


def test_a_bad_row_is_two_with_file_and_line(pool: Path) -> None:
    with pool.open("a") as file:
        file.write('{"id": "new", "pass_rate": 2}\n')
    code, output = call("simulate", "uniform", "--pool", str(pool))
    assert code == 2 and f"{pool}:301: pass_rate is 2" in output


def test_simulating_and_checking_load_nothing_heavy(pool: Path) -> None:
    code = (
        "import sys, rl.cli\nfor arguments in (['simulate', 'knapsack', '--pool', sys.argv[1], '--steps',"
        " '2', '--json'], ['check', 'mixed']):\n    try: rl.cli.app(['curriculum', *arguments])\n    except"
        " SystemExit as error: assert error.code == 0, error.code\nprint([m for m in ('torch', 'ray', 'vllm',"
        " 'deepspeed', 'transformers', 'wandb') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(pool)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


# -- check ---------------------------------------------------------------------------------------------------


def test_check_passes_the_example_and_fails_a_broken_part(tmp_path: Path, monkeypatch) -> None:
    code, output = call("check", "examples.own_curriculum:Uncertain", "--args", '{"strength": 2}', "--json")
    assert code == 0 and all(f["passed"] for f in json.loads(output)["findings"])
    (tmp_path / "broken_part.py").write_text(
        "import numpy as np\nfrom curricula.base import Curriculum\n\n\nclass Broken(Curriculum):\n"
        "    def skip(self, ctx, indices):\n        return np.zeros(3, dtype=bool)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    code, output = call("check", "broken_part:Broken")
    assert code == 1 and "FAIL" in output and "skip gave shape (3,)" in output and "ok" in output


# -- inspect -------------------------------------------------------------------------------------------------


def finished(plan: PlanState, correct: list[int], reasons: list[str]) -> PlanState:
    """Groups of the plan finished with so many successes each; those with a reason were dropped."""
    for group, right, reason in zip(plan.groups, correct, reasons, strict=True):
        size = len(group.request.seeds)
        rollouts = tuple(
            Rollout(
                completion=Completion(
                    token_ids=np_zeros(2),
                    behavior_logprobs=np_zeros(2),
                    loss_mask=np_zeros(2),
                    spans=(VersionSpan(0, 2, plan.step),),
                    finish_reason=FinishReason.STOP,
                ),
                text="",
                result=RewardResult(value=float(j < right), correct=j < right),
            )
            for j in range(size)
        )
        group.group = RolloutGroup(
            group_id=group.request.group_id,
            plan_step=plan.step,
            prompt=group.prompt,
            sampling=SAMPLING,
            rollouts=rollouts,
        )
        group.status, group.kept, group.reason = GroupStatus.FINISHED, not reason, reason
    return plan


def np_zeros(size: int) -> Any:
    import numpy as np

    return np.zeros(size, dtype=np.int32)


def plan_of(step: int, prompts: list[tuple[str, str]], counts: list[int]) -> PlanState:
    made = [
        Prompt(id=name, text="", token_ids=(1,), answer="", category=category) for name, category in prompts
    ]
    groups = new_groups(
        plan_step=step,
        refill_round=0,
        prompts=made,
        num_rollouts=counts,
        max_tokens=[8] * len(made),
        sampling=SAMPLING,
        run_seed=0,
    )
    return PlanState(step=step, groups=groups)


class Nothing:
    """Stands in for the trace and the display, which this test does not look at."""

    def close(self) -> None:
        """Nothing."""


def write_run(path: Path, *, attempt: int = 1, first: int = 0, steps: int = 3) -> None:
    run = RunDir(path)
    path.mkdir(exist_ok=True)
    run.config.write_text(dump_config(load_config("quickstart", ["curriculum=knapsack+mixed"])))
    more = {"attempt": attempt, "restored_step": first}
    recorder = Recorder(
        metrics=MetricsWriter(run.metrics, **more),
        groups=JsonlWriter(run.trained_groups, **more),
        choices=JsonlWriter(run.curriculum, **more),
        trace=Nothing(),  # only closed
        tracker=Trackers({}),
        progress=Nothing(),  # never shown
        sources=(),
        evaluate=None,  # never called
    )
    for step in range(first, steps):
        plan = plan_of(step, [("p1", "add"), ("p2", "add"), (f"q{attempt}", "mul")], [2, 4, 10])
        recorder.trained(finished(plan, [2, 1, 5], ["all_correct", "", ""]), applied=True)
        figures = {
            "curriculum/effective_gradient_ratio": 14 / 16,
            "curriculum/knapsack_unseen_ratio": 0.25 * step,
        }
        recorder.metrics.write(step, {"reward/mean": 0.5, **figures})
    recorder.close()


def test_the_recorder_keeps_what_was_chosen(tmp_path: Path) -> None:
    write_run(tmp_path / "run", steps=1)
    _, row = (json.loads(line) for line in (tmp_path / "run" / "curriculum.jsonl").read_text().splitlines())
    assert row == {
        "attempt": 1,
        "step": 0,
        "refill_rounds": 0,
        "categories": {"add": [2, 6, 3, 1, 1, 12], "mul": [1, 10, 5, 1, 1, 20]},
        "group_sizes": {"2": 1, "4": 1, "10": 1},
        "dropped": {"all_correct": 1},
    }


def test_inspect_says_what_was_chosen_and_why(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    code, output = call("inspect", str(tmp_path / "run"))
    assert code == 0
    for words in (
        "curriculum=knapsack+mixed (allocator=knapsack, verdict=mixed)",
        "1 all_correct",
        "2-10",
        "0.875",
        "knapsack_unseen_ratio",
        "0.25",
        "category x step",
        "mul",
        "2 prompts trained; most: q1 30 rollouts in 3 groups",
    ):
        assert words in output, words


def test_inspect_as_json_with_its_heat_map(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    code, output = call("inspect", str(tmp_path / "run"), "--json", "--heatmap", str(tmp_path / "heat.json"))
    found = json.loads(output)
    assert code == 0 and found["heatmap"] == json.loads((tmp_path / "heat.json").read_text())
    first = found["heatmap"][0]
    assert (
        first["step"],
        first["category"],
        first["rollout_share"],
        first["prompt_share"],
        first["pass_rate"],
    ) == (
        0,
        "add",
        6 / 16,
        pytest.approx(2 / 3, abs=1e-6),
        0.5,
    )
    assert found["prompts"] == {"p2": [3, 12], "q1": [3, 30]}


def test_inspect_follows_the_lineage_of_the_newest_weights(tmp_path: Path) -> None:
    """Steps 1 and 2 of the first attempt were lost; the second attempt trained step 1 again."""
    write_run(tmp_path / "run")
    write_run(tmp_path / "run", attempt=2, first=1, steps=2)
    found = json.loads(call("inspect", str(tmp_path / "run"), "--json")[1])
    assert [row["step"] for row in found["choices"]] == [row["step"] for row in found["metrics"]] == [0, 1]
    assert found["prompts"] == {"p2": [2, 8], "q1": [1, 10], "q2": [1, 10]}


def test_inspect_of_a_run_without_choices_or_steps(tmp_path: Path) -> None:
    write_run(tmp_path / "old")
    (tmp_path / "old" / "curriculum.jsonl").unlink()
    code, output = call("inspect", str(tmp_path / "old"))
    assert code == 0 and "no curriculum.jsonl" in output and "0.875" in output
    code, output = call("inspect", str(tmp_path / "old"), "--heatmap", str(tmp_path / "heat.csv"))
    assert code == 2 and "older version" in output
    config = tmp_path / "old" / "config.yaml"
    config.write_text("stage: sft\n")
    code, output = call("inspect", str(tmp_path / "old"))
    assert code == 2 and "t2rl sft has no curriculum" in output
    write_run(tmp_path / "new", steps=0)
    code, output = call("inspect", str(tmp_path / "new"))
    assert code == 2 and "no step was trained yet" in output
