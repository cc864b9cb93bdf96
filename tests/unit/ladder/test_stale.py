"""What a ladder has done already is done only for the weights and the settings it was done with."""

import json
from pathlib import Path

import pytest

from rl.config.errors import ConfigError
from rl.ladder.checkpoints import Checkpoint
from rl.ladder.evaluate import _scored
from rl.ladder.ladder import load_ladder
from rl.ladder.layout import LadderDir
from rl.ladder.post_train import post_train
from rl.records.model_files import base_fingerprint


def test_scores_are_of_the_weights_that_lie_there_now(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "weights.bin").write_bytes(b"first")
    checkpoint = Checkpoint(
        name="a", model=model, params=1, params_total=1, tokens=1, post=False, post_flops=0.0, level=1
    )
    scores = tmp_path / "a.json"
    assert not _scored(scores, checkpoint)
    scores.write_text(json.dumps({"weights": base_fingerprint(model)["weights"]}))
    assert _scored(scores, checkpoint)
    (model / "weights.bin").write_bytes(b"other")
    assert not _scored(scores, checkpoint)
    scores.write_text("{}")
    assert _scored(scores, checkpoint), "a file of T2RL 0.1 does not say"


def test_a_base_that_was_post_trained_otherwise_is_refused_by_name(tmp_path: Path) -> None:
    directory = LadderDir(tmp_path)
    directory.adopt(load_ladder("smoke"))
    cell = directory.ladder().cells()[0]
    model = directory.cell(cell.name) / "model"
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    directory.write_json(directory.cell(cell.name) / "cell.json", {"tokens": 5})
    asked = {"config": "quickstart", "overrides": ["run.steps=3"]}
    directory.write_json(
        directory.post(cell.name) / "post.json", {"name": cell.name, "asked": asked, "post_flops": 1.0}
    )
    same = post_train(tmp_path, config="quickstart", overrides=["run.steps=3"], only=[cell.name])
    assert [facts["name"] for facts in same] == [cell.name]
    with pytest.raises(
        ConfigError,
        match=rf"{cell.name} was post-trained with quickstart run.steps=3, now asked .*run.steps=4",
    ):
        post_train(tmp_path, config="quickstart", overrides=["run.steps=4"], only=[cell.name])
