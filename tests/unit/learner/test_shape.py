"""What of a learner's checkpoint another run can take up."""

import json
from pathlib import Path

import pytest

from rl.config.load import load_config
from rl.learner.shape import SHAPE_FILE, refuse_other_shape, run_shape

DILOCO = ["learner.sync=diloco", "learner.num_ranks=2"]


def shape(*overrides: str) -> dict:
    config = load_config("debug", ["stream.prompts_per_step=6", *overrides])
    return run_shape(config.learner, config.algorithm, world_size=config.learner.num_ranks)


def written(directory: Path, *overrides: str) -> Path:
    (directory / SHAPE_FILE).write_text(json.dumps(shape(*overrides)))
    return directory


def test_another_number_of_replicas_takes_a_checkpoint_up(tmp_path: Path) -> None:
    saved = refuse_other_shape(
        written(tmp_path, *DILOCO), shape("learner.sync=diloco", "learner.num_ranks=3")
    )
    assert saved["world_size"] == 2


def test_ranks_do_not_take_up_what_replicas_wrote(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sync 'diloco"):
        refuse_other_shape(written(tmp_path, *DILOCO), shape("learner.num_ranks=2"))


def test_other_ranks_take_a_checkpoint_of_adamw_up_and_none_of_muon(tmp_path: Path) -> None:
    assert refuse_other_shape(written(tmp_path), shape("learner.num_ranks=2"))["world_size"] == 1
    muon = "learner.optimizer=muon"
    with pytest.raises(ValueError, match="world_size 1, this run has 2"):
        refuse_other_shape(written(tmp_path, muon), shape(muon, "learner.num_ranks=2"))
