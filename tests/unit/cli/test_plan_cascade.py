"""``t2rl plan cascade`` from the command line: what it chooses, and that ``t2rl serve`` reads it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

from rl.cli import app
from rl.serve.cascade_plan import read_cascade

PROBLEMS = 40


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["plan", "cascade", *arguments])


def model(folder: Path, name: str, rows: int) -> None:
    """A model whose one matrix has ``rows`` rows, and counts of its answers."""
    (folder / name).mkdir()
    config = {
        "model_type": "llama", "num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 8,
        "intermediate_size": rows, "vocab_size": 32,
    }  # fmt: skip
    (folder / name / "config.json").write_text(json.dumps(config))
    weight = np.zeros((rows, 8), dtype=np.float32)
    save_file({"model.layers.0.mlp.up_proj.weight": weight}, folder / name / "model.safetensors")


def counts(folder: Path, name: str, right: list[int]) -> None:
    rows = [{"id": f"p{i}", "n": 4, "c": c, "tokens": 40} for i, c in enumerate(right)]
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def candidates(tmp_path: Path) -> Path:
    """A small model that always solves three problems of four, a large one that solves all."""
    model(tmp_path, "small", 16)
    model(tmp_path, "large", 1600)
    counts(tmp_path, "small", [0 if i % 4 == 3 else 4 for i in range(PROBLEMS)])
    counts(tmp_path, "large", [4] * PROBLEMS)
    file = tmp_path / "candidates.yaml"
    file.write_text(
        "candidates:\n"
        "- {name: small, samples: small.jsonl, model: small}\n"
        "- {name: large, samples: large.jsonl, model: large}\n"
    )
    return file


def test_the_small_one_is_asked_first_and_the_service_reads_it(candidates: Path) -> None:
    to = candidates.parent / "cascade.json"
    result = call(str(candidates), "--to", str(to))
    assert result.exit_code == 0, result.output
    written = json.loads(to.read_text())
    assert written["chosen"]["name"] == "small > large" and written["single"]["name"] == "large"
    assert written["chosen"]["accuracy"] == 1.0
    # The small one's cost each time, and the large one's every fourth.
    share = written["chosen"]["cost"] / written["single"]["cost"]
    assert 0.25 < share < 0.32
    assert written["held_out"]["saving"]["low"] > 0 == written["held_out"]["difference"]["low"]
    first, last = read_cascade(to).rungs
    assert (first.model.name, first.samples) == ("small", 1) and last.model == candidates.parent / "large"
    assert "t2rl serve" in result.output


def test_without_a_verifier_two_samples_must_agree(candidates: Path) -> None:
    to = candidates.parent / "cascade.json"
    result = call(str(candidates), "--no-verifier", "--collision", "0", "--to", str(to))
    assert result.exit_code == 0, result.output
    first, last = read_cascade(to).rungs
    assert (first.model.name, first.partner, first.agree) == ("small", None, 2) and last.model.name == "large"


def test_where_wrong_answers_agree_no_cascade_is_as_accurate(candidates: Path) -> None:
    to = candidates.parent / "cascade.json"
    result = call(str(candidates), "--no-verifier", "--to", str(to))
    assert result.exit_code == 0 and not to.exists()
    assert "no cascade does it for less" in " ".join(result.output.split())


def test_one_candidate_and_unknown_units_are_refused(candidates: Path) -> None:
    one = candidates.parent / "one.yaml"
    one.write_text("candidates: [{name: small, samples: small.jsonl, model: small}]")
    refused = call(str(one))
    assert refused.exit_code == 2 and "at least two models" in refused.output
    assert call(str(one), "--unit", "latency").exit_code == 2


def test_json_alone_is_on_stdout_and_wrong_places_are_refused_at_once(candidates: Path) -> None:
    to = candidates.parent / "cascade.json"
    result = call(str(candidates), "--to", str(to), "--json")
    assert json.loads(result.stdout)["rungs"] == json.loads(to.read_text())["rungs"]
    assert f"t2rl serve {to}" in result.stderr.replace("\n", "")
    for wrong, says in (
        (candidates.parent, "is a directory"),
        (candidates.parent / "no" / "x.json", "make it"),
    ):
        result = call(str(candidates), "--to", str(wrong))
        assert result.exit_code == 2 and says in result.stderr
    result = call(str(candidates), "--cost", str(to))
    assert result.exit_code == 2 and "--unit usd" in result.stderr
