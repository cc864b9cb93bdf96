"""Where no terminal shows a bar, progress is a line at every tenth of the way."""

import io
from pathlib import Path

import pytest

from rl.config.load import load_config
from rl.pretrain.pretrain import pretrain
from rl.records.milestones import Milestones


def test_a_line_at_every_tenth_of_each_part_and_no_other() -> None:
    out = io.StringIO()
    lines = Milestones(out=out)
    for done in range(101):
        lines.show("a", done, 100, "loss 1.000")
        lines.show("b", done / 2, 100)
    said = [line.split(" (")[0].strip() for line in out.getvalue().splitlines()]
    assert [line for line in said if line.startswith("a")] == [f"a: {10 * i}%  loss 1.000" for i in range(11)]
    assert len([line for line in said if line.startswith("b")]) == 6


def test_a_base_that_is_built_into_a_file_says_how_far_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = load_config("debug", ["model.recipe.tokens=6000"])
    assert config.model.kind == "recipe"
    pretrain(config.model.recipe, checkpoint=tmp_path / "pretrain.pt", progress=True)
    printed = capsys.readouterr()
    assert "pretraining nano: 100%  loss " in printed.err and printed.out == ""
