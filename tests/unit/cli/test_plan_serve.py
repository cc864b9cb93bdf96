"""``t2rl plan serve`` from the command line, on written samples and counts."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

from rl.cli import app
from rl.records.rollouts.schema import table_of

PROBLEMS, SAMPLES = 12, 4


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["plan", "serve", *arguments, "--device", "cpu_core"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model, samples of an evaluation, and counts of another one."""
    model = tmp_path / "model"
    model.mkdir()
    config = {
        "model_type": "llama", "num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 8,
        "intermediate_size": 16, "vocab_size": 32,
    }  # fmt: skip
    (model / "config.json").write_text(json.dumps(config))
    save_file(
        {"model.layers.0.mlp.up_proj.weight": np.zeros((16, 8), dtype=np.float32)},
        model / "model.safetensors",
    )
    rows = [(problem, sample) for problem in range(PROBLEMS) for sample in range(SAMPLES)]
    right = [sample <= problem % 4 for problem, sample in rows]
    table = table_of(
        {
            "group_id": [problem for problem, _ in rows],
            "step": [7] * len(rows),
            "prompt_id": [f"p{problem}" for problem, _ in rows],
            "prompt_length": [5] * len(rows),
            "length": [10 + 10 * sample for _, sample in rows],
            "correct": right,
            "judged": [True] * len(rows),
            "temperature": [1.0] * len(rows),
            "completion": [
                "The answer is 3." if good else f"The answer is {sample}."
                for good, (_, sample) in zip(right, rows, strict=True)
            ],
        },
        tokens=False,
    )  # fmt: skip
    pq.write_table(table, tmp_path / "samples.parquet")
    (tmp_path / "counts.jsonl").write_text(
        "".join(json.dumps({"id": f"p{p}", "n": 4, "c": 4, "tokens": 400}) + "\n" for p in range(PROBLEMS))
    )
    (tmp_path / "candidates.yaml").write_text(
        "candidates:\n"
        "- {name: sampled, samples: samples.parquet, model: model}\n"
        "- {name: counted, samples: counts.jsonl, model: model, max_tokens: 128, bits: 8}\n"
    )
    return tmp_path


def test_the_choice_its_interval_and_what_it_gains(folder: Path) -> None:
    result = call(
        str(folder / "candidates.yaml"), "--unit", "flops", "--target", "0.95", "--json", "--to", str(folder)
    )
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["problems"] == PROBLEMS
    assert report["chosen"]["accuracy"] >= 0.95
    assert report["fixed"]["full_length"]
    assert report["held_out"]["saving"]["low"] <= report["held_out"]["saving"]["value"]
    assert report == json.loads((folder / "plan.json").read_text())
    assert (folder / "front.svg").stat().st_size > 1000
    # Counts have no lengths of their own, so their limit is not lowered.
    assert {o["max_tokens"] for o in report["front"] if o["candidate"] == "counted"} <= {128}


def test_the_table_names_what_to_serve(folder: Path) -> None:
    result = call(str(folder / "candidates.yaml"), "--latency", "1")
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "serve sampled T=1 max_tokens=" in said
    assert "scored on the other" in said


def test_measured_seconds_take_the_place_of_the_roofline(folder: Path) -> None:
    fitted = {"schema": 1, "seconds_for_each": {"steps": 2.0}, "usd_per_hour": 3.6, "held_out_error": 0.1}
    (folder / "bench.json").write_text(json.dumps({"model": "model", "bits": 0, "cost": fitted}))
    (folder / "one.yaml").write_text("candidates: [{name: a, samples: samples.parquet, model: model}]")
    result = call(
        str(folder / "one.yaml"), "--token-limits", "1", "--cost", str(folder / "bench.json"), "--json"
    )
    assert result.exit_code == 0, result.output
    front = {o["k"]: o for o in json.loads(result.stdout)["front"] if o["strategy"] == "parallel"}
    # 25 tokens on average at 2 s a step, one step for the prompt.
    assert front[1]["latency"] == pytest.approx(2 + 25 * 2)
    (folder / "bench.json").write_text(json.dumps({"model": "other", "bits": 0, "cost": fitted}))
    refused = call(str(folder / "one.yaml"), "--cost", str(folder / "bench.json"))
    assert refused.exit_code == 2
    assert "measured for other at 0 bits, which is no candidate" in " ".join(refused.output.split())


def test_votes_read_the_answers_off_the_texts(folder: Path) -> None:
    (folder / "one.yaml").write_text("candidates: [{name: a, samples: samples.parquet, model: model}]")
    result = call(str(folder / "one.yaml"), "--no-verifier", "--json")
    assert result.exit_code == 0, result.output
    assert {o["strategy"] for o in json.loads(result.stdout)["front"]} <= {"parallel", "majority"}
    refused = call(str(folder / "candidates.yaml"), "--no-verifier")
    assert refused.exit_code == 2
    assert "counted has none" in refused.output


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("candidates: []", "a list"),
        ("candidates: [{name: a}]", "samples"),
        ("candidates: [{name: a, samples: samples.parquet}]", "name the directory of its model"),
        ("candidates: [{name: a, samples: samples.parquet, model: .}]", "holds no model"),
        ("candidates: [{name: a, samples: none.parquet, model: model}]", "does not exist"),
        (
            "candidates: [{name: a, samples: samples.parquet, model: model, temperature: 0.5}]",
            "no samples at",
        ),
    ],
)
def test_what_is_wrong_with_candidates_is_named(folder: Path, content: str, message: str) -> None:
    (folder / "bad.yaml").write_text(content)
    result = call(str(folder / "bad.yaml"))
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
