"""Checkpoints from elsewhere: read, named, and taken by post-training like a ladder's own bases."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from rl.config.errors import ConfigError
from rl.ladder.checkpoints import all_checkpoints
from rl.ladder.ladder import load_ladder
from rl.ladder.layout import LadderDir
from rl.ladder.post_train import _bases, run_overrides

EVALUATION = {"levels": [1], "task": {"categories": ["gcd"]}, "max_tokens": 16}


@pytest.fixture
def model(tmp_path: Path) -> str:
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "config.json").write_text("{}")
    return str(tmp_path / "hf")


def ladder(path: Path, rows: list[dict[str, Any]], **more: Any) -> LadderDir:
    path.mkdir(exist_ok=True)
    (path / "external.yaml").write_text(yaml.safe_dump({"checkpoints": rows, **more}))
    return LadderDir(path)


def row(name: str, model: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "model": model, "params": 100, "tokens": 2e3, **more}


def test_directories_of_others_are_a_ladder_without_one_of_our_own(tmp_path: Path, model: str) -> None:
    directory = ladder(tmp_path / "mine", [row("a", model), row("b", model)], evaluation=EVALUATION)
    assert directory.ladder().name == "mine"
    assert directory.ladder().evaluation.max_tokens == 16
    assert [c.key for c in all_checkpoints(directory)] == ["a", "b"]
    with pytest.raises(ConfigError, match="evaluation: is needed"):
        ladder(tmp_path / "mine", [row("a", model)]).ladder()


def test_what_post_training_made_of_an_external_base_is_a_checkpoint(tmp_path: Path, model: str) -> None:
    directory = ladder(tmp_path / "mine", [row("a", model), row("b", model)], evaluation=EVALUATION)
    directory.write_json(directory.post("a") / "post.json", {"post_flops": 7.0})
    found = {c.key: c for c in all_checkpoints(directory)}
    assert list(found) == ["a", "a+rl", "b"]
    assert found["a+rl"].post_flops == 7
    assert found["a+rl"].model == directory.post("a") / "model"
    assert [c.name for c in _bases(directory)] == ["a", "b"], "a is resumed, not refused"


def test_a_base_that_comes_post_trained_is_not_trained_again(tmp_path: Path, model: str) -> None:
    rows = [row("a", model), row("a+rl", model, post=True, post_flops=3.0), row("b", model)]
    directory = ladder(tmp_path / "mine", rows, evaluation=EVALUATION)
    assert [c.key for c in all_checkpoints(directory)] == ["a", "a+rl", "b"]
    assert [c.name for c in _bases(directory)] == ["b"]


def test_the_ladders_problems_are_asked_only_of_runs_on_that_task(tmp_path: Path, model: str) -> None:
    directory = ladder(tmp_path / "mine", [row("a", model)], evaluation=EVALUATION)
    base = all_checkpoints(directory)[0]
    ours = run_overrides(directory, base, "quickstart", ["run.steps=3"])
    assert "task.levels=[1]" in ours
    assert "rollout.max_tokens=16" in ours
    assert f"model.path={Path(model).resolve()}" in ours
    assert ours[-1] == "run.steps=3"
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "1 + 1 =", "answer": "2"}\n')
    other = run_overrides(directory, base, "quickstart", ["task=gsm8k", f"task.path={rows}"])
    assert not [o for o in other if o.startswith(("task.levels", "rollout.max_tokens"))]


@pytest.mark.parametrize(
    ("names", "message"),
    [(["a", "a"], "a stands there twice"), (["8k-r5"], "name of a base of the ladder"), (["a/b"], "name")],
)
def test_names_that_cannot_lie_beside_each_other_are_refused(
    tmp_path: Path, model: str, names: list[str], message: str
) -> None:
    directory = LadderDir(tmp_path / "mine")
    smoke = load_ladder("smoke")
    directory.adopt(smoke)
    real = [smoke.cells()[0].name if name == "8k-r5" else name for name in names]
    ladder(tmp_path / "mine", [row(name, model) for name in real])
    with pytest.raises(ConfigError, match=message):
        all_checkpoints(directory)


def test_a_directory_without_a_model_is_named(tmp_path: Path) -> None:
    directory = ladder(tmp_path / "mine", [row("a", str(tmp_path))], evaluation=EVALUATION)
    with pytest.raises(ConfigError, match=r"a: .* holds no config.json"):
        all_checkpoints(directory)
