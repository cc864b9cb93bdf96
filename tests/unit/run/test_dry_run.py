"""A dry run plans like the run, and leaves nothing behind."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from rl.commands.doctor.tiny_model import write_tiny_model
from rl.config.load import load_config
from rl.config.schema import Config
from rl.records.phases import Phases
from rl.run.dry_run import dry_run

QUIET = Phases(io.StringIO())


@pytest.fixture(autouse=True)
def no_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No base is cached, and the working directory is a new one."""
    monkeypatch.setenv("T2RL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def planned(config: Config, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    dry_run(config, QUIET, as_json=True)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_it_says_where_the_run_would_go_and_what_it_would_reserve(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["run.dir=a/b", "rollout.num_engines=2", "run.wall_clock_s=60"]
    found = planned(load_config("debug", asked), capsys)
    assert found["run"]["directory"] == str(tmp_path / "a" / "b" / "debug")
    assert found["placement"]["in_total"] == {"CPU": 3.0} and found["placement"]["engines"] == 2
    assert found["limits"]["seconds_of_training"] == 60 and "would be built first" in found["base"]["base"]
    assert list(tmp_path.iterdir()) == [], "nothing stays"


def test_a_taken_name_gets_the_number_that_the_run_would_get(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs" / "debug").mkdir(parents=True)
    assert planned(load_config("debug", []), capsys)["run"]["directory"].endswith("runs/debug-2")
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["debug"]


def test_gpus_that_are_missing_here_are_said_after_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"cluster\.name: gpu1 needs a GPU"):
        dry_run(load_config("debug", ["cluster=gpu1"]), QUIET, as_json=False)
    shown = capsys.readouterr().out
    assert "group shared (STRICT_PACK)" in shown and "1 GPU" in shown and "nothing was started" in shown


def test_with_the_base_at_hand_it_knows_prompts_memory_and_disk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = write_tiny_model(tmp_path / "base")
    asked = ["model=path", f"model.path={base}", "rollout.max_model_len=64", "rollout.max_tokens=32"]
    batch = ["stream.prompts_per_step=4", "stream.rollouts_per_prompt=8"]
    found = planned(load_config("debug", [*asked, *batch, "checkpoint.keep=1"]), capsys)
    parameters = found["memory"]["parameters_of_the_base"]
    assert found["memory"]["engine_weight_bytes"] == found["disk"]["model_bytes"] == 4 * parameters
    assert found["memory"]["learner_rank_policy_bytes_of_the_host_s_memory"] == 16 * parameters
    copied = found["memory"]["learner_rank_bytes_of_the_copy_that_a_checkpoint_is_written_from"]
    assert copied == 12 * parameters
    assert (
        found["disk"]["a_checkpoint_s_bytes"] == 12 * parameters and found["disk"]["checkpoints_at_once"] == 2
    )
    assert found["a_step"]["rollouts"] == 32 and found["a_step"]["sampled_tokens_at_most"] == 32 * 32
    assert "shared_device" not in found
    assert found["data"]["train_prompts"] > 0 and found["data"]["reward"] == "reasoning_gym"


def test_halves_that_take_turns_are_told_with_their_peak_and_whether_it_fits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = write_tiny_model(tmp_path / "base")
    asked = ["model=path", f"model.path={base}", "rollout.max_model_len=64", "rollout.max_tokens=32"]
    found = planned(load_config("debug", [*asked, "cluster.colocated=true"]), capsys)
    parameters = found["memory"]["parameters_of_the_base"]
    device = found["shared_device_this_machine_s_memory"]
    assert device["halves"] == "in turns" and device["fits"] == "yes"
    assert device["engine_weights_bytes"] == 4 * parameters
    assert device["learner_optimizer_bytes_about"] == 8 * parameters
    turns = (device["in_the_engines_turn_bytes"], device["in_the_learner_s_turn_bytes"])
    assert device["peak_bytes"] == max(turns)
    assert device["host_bytes_of_what_is_off_the_device"] == (16 + 4) * parameters
