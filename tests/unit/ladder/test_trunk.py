"""Trunks and branches: the schedule, exact resume, and what is exported."""

import json
import threading
from pathlib import Path

import pytest
from safetensors.torch import load_file

from rl.ladder import stream
from rl.ladder.build import build
from rl.ladder.ladder import LadderConfig
from rl.ladder.layout import LadderDir
from rl.ladder.trunk import Learner, Position, lr_factor, train_size

TINY = LadderConfig.model_validate(
    {
        "name": "tiny",
        "sizes": {
            "2k": {"hidden_size": 8, "num_layers": 1, "num_heads": 1, "head_dim": 8, "intermediate_size": 8}
        },
        "ratios": [10, 40],
        "batch_tokens": 512,
    }
)


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BLOCK_DOCUMENTS", 1000)


def test_schedule() -> None:
    recipe = TINY.recipe("2k")
    trunk = [lr_factor(Position(steps=s), recipe, until=1000, decay_from=None) for s in (0, 9, 19, 500)]
    assert trunk == [0.05, 0.5, 1.0, 1.0]
    branch = [
        lr_factor(Position(steps=99, tokens=t), recipe, until=1000, decay_from=850) for t in (850, 925, 999)
    ]
    assert branch == pytest.approx([1.0, 0.5, recipe.min_lr_ratio])


def test_interrupted_training_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole = build(TINY, tmp_path / "whole", jobs=1, progress=False)
    assert [c["name"] for c in whole] == ["2k-r10", "2k-r40"]
    assert all(c["target_tokens"] <= c["tokens"] <= c["target_tokens"] + 512 for c in whole)
    assert whole[1]["loss"] < whole[0]["loss"]

    directory, stops = LadderDir(tmp_path / "parts"), 0
    directory.adopt(TINY)
    while True:
        stop, steps = threading.Event(), 0

        def report(at: Position, stop: threading.Event = stop) -> None:
            nonlocal steps
            steps += 1
            if steps == 9:
                stop.set()

        if train_size(TINY, "2k", directory, report=report, stop=stop):
            break
        stops += 1
    assert stops > 3
    for cell in ("2k-r10", "2k-r40"):
        one, two = (
            load_file(d / "cells" / cell / "model" / "model.safetensors")
            for d in (tmp_path / "whole", tmp_path / "parts")
        )
        assert all(bool((one[k] == two[k]).all()) for k in one)
    facts = json.loads((directory.cell("2k-r10") / "model" / "recipe.json").read_text())["facts"]
    assert facts["ratio"] == 10 and facts["level"] == 1


def test_a_removed_cell_is_made_again(tmp_path: Path) -> None:
    build(TINY, tmp_path, jobs=1, progress=False)
    file = tmp_path / "cells" / "2k-r10" / "model" / "model.safetensors"
    before = load_file(file)
    for path in sorted((tmp_path / "cells" / "2k-r10").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (tmp_path / "cells" / "2k-r10").rmdir()
    build(TINY, tmp_path, jobs=1, progress=False)
    after = load_file(file)
    assert all(bool((before[k] == after[k]).all()) for k in before)


def test_saved_learner_comes_back(tmp_path: Path) -> None:
    learner = Learner.fresh(TINY.recipe("2k"))
    learner.at.tokens, learner.at.loss = 123, 1.5
    learner.save(tmp_path / "work" / "x.pt")
    assert Learner.load(TINY.recipe("2k"), tmp_path / "work" / "x.pt").at == learner.at
