"""Model cards say what a run was, with its figures, and nothing of the machine that it ran on."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from rl.commands.push.curves import draw_curves
from rl.commands.push.facts import base_of, data_of, public_config
from rl.commands.push.push import assemble
from rl.config.load import dump_config, load_config
from rl.records.jsonl import JsonlWriter
from rl.records.metrics import MetricsWriter
from rl.views.run_view import RunView

STEPS = 2


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run by its files: two steps, an evaluation before and after, a model."""
    path = tmp_path / "runs" / "mine"
    config = load_config(
        "quickstart", ["evaluation.greedy=false", "evaluation.extra_temperatures=[]", "evaluation.ks=[1]"]
    )
    for folder in ("eval", "model", "base"):
        (path / folder).mkdir(parents=True)
    (path / "config.yaml").write_text(dump_config(config))
    JsonlWriter(path / "attempts.jsonl", attempt=1).close()
    metrics = MetricsWriter(path / "metrics.jsonl", attempt=1)
    for step in range(STEPS):
        row = {"reward/mean": 0.25, "rollout/total_tokens": 500 * (step + 1), "time/step_s": 1.5}
        metrics.write(step, row | {"cost/total_gpu_hours": 0.5 * (step + 1)})
    metrics.close()
    for version, right in ((0, 1), (STEPS, 3)):
        rows = [
            {"version": version, "temperature": 1.0, "id": str(i), "category": "gcd", "difficulty": 1}
            | {"n": 4, "c": right, "tokens": 40, "unjudged": 0, "reward": float(right)}
            for i in range(8)
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (path / "eval" / f"version-{version:08d}.jsonl").write_text(text)
    (path / "model" / "config.json").write_text("{}")
    (path / "model" / "model.safetensors").write_bytes(b"weights")
    return path


def card_of(directory: Path) -> Any:
    return ModelCard.load(directory / "README.md")


def test_the_card_holds_results_with_intervals_and_how_the_model_was_made(run: Path, tmp_path: Path) -> None:
    made = assemble(run, to=tmp_path / "out", step=None, licence="apache-2.0", repo="me/mine")
    card = card_of(made.directory)
    assert made.step == STEPS and card.data.license == "apache-2.0" and "grpo" in card.data.tags
    (result,) = card.data.eval_results
    assert (result.metric_type, result.metric_value) == ("pass@1", 0.75)
    assert "| overall (8) | pass@1 | 1 | 0.250 (" in card.text and "| +0.500 (" in card.text
    assert 'from_pretrained("me/mine")' in card.text and "| sampled tokens | 1,000 |" in card.text
    assert "| gpu hours, in total | 1 |" in card.text and "curves.png" in card.text
    assert {p.name for p in made.directory.iterdir()} == {
        "README.md",
        "config.json",
        "curves.png",
        "evaluation.json",
        "model.safetensors",
        "t2rl_config.yaml",
    }


def test_without_a_licence_the_card_says_so_and_the_bases_own_is_taken(run: Path, tmp_path: Path) -> None:
    bare = assemble(run, to=tmp_path / "bare", step=None, licence=None, repo=None)
    assert bare.licence is None and "No licence was named" in card_of(bare.directory).text
    (run / "base" / "README.md").write_text("---\nlicense: mit\n---\n# base\n")
    named = assemble(run, to=tmp_path / "named", step=None, licence=None, repo=None)
    assert named.licence == card_of(named.directory).data.license == "mit"


def test_weights_that_were_not_evaluated_get_no_results(run: Path, tmp_path: Path) -> None:
    (run / "eval" / f"version-{STEPS:08d}.jsonl").unlink()
    card = card_of(assemble(run, to=tmp_path / "out", step=None, licence="mit", repo=None).directory)
    assert "were not evaluated" in card.text and card.data.eval_results is None


def test_a_directory_that_holds_something_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"--to .* is there already and not empty"):
        assemble(run, to=tmp_path, step=None, licence=None, repo=None)


def test_the_public_config_has_no_secrets_and_no_paths() -> None:
    tree = {
        "cluster": {"env": {"HF_TOKEN": "secret"}, "name": "local"},
        "task": {"path": "/home/me/data.jsonl", "more": ["~/x.jsonl", "gsm8k", 3]},
    }
    assert yaml.safe_load(public_config(tree)) == {
        "cluster": {"env": {"HF_TOKEN": "(left out)"}, "name": "local"},
        "task": {"path": "data.jsonl", "more": ["x.jsonl", "gsm8k", 3]},
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"task": {"kind": "file", "path": "/data/mine.jsonl"}}, "mine.jsonl"),
        ({"task": {"kind": "file", "path": "openai/gsm8k"}}, "openai/gsm8k"),
        ({"task": {"kind": "file", "train": "./train.jsonl"}}, "train.jsonl"),
        ({"task": None, "data": {"path": "/data/sft.jsonl"}}, "sft.jsonl"),
        ({"task": {"kind": "own"}}, "a task of kind own"),
    ],
)
def test_data_by_name(given: dict, said: str) -> None:
    assert data_of(given) == said


def test_a_base_of_the_hub_is_named_as_one_and_a_directory_is_not(tmp_path: Path) -> None:
    hub = load_config("gsm8k", ["model.path=Qwen/Qwen3-0.6B", "task.path=x.jsonl"])
    assert base_of(hub) == ("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B")
    local = load_config("gsm8k", [f"model.path={tmp_path}", "task.path=x.jsonl"])
    assert base_of(local) == (tmp_path.name, None)


def test_a_run_without_a_step_has_no_picture(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("{}")
    assert not draw_curves(RunView(tmp_path), tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()
