"""Which checkpoints the engines are asked about, with what, and what is kept of the answers."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from rl.commands import bases_eval
from rl.commands.bases_eval import Asked, run_config, sample_ladder
from rl.config.errors import ConfigError
from rl.ladder.checkpoints import all_checkpoints
from rl.ladder.layout import LadderDir
from rl.ladder.sampled import histograms
from rl.views.evaluations import Counts
from rollout.types import SamplingConfig

ASKED = Asked(config="debug", overrides=("evaluation.num_prompts=2",), temperatures=(0.5, 1.0), cuts=(2, 12))


@pytest.fixture
def ladder(tmp_path: Path) -> LadderDir:
    rows = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
        (tmp_path / name / "weights.bin").write_bytes(name.encode())
        rows.append({"name": name, "model": str(tmp_path / name), "params": 100, "tokens": 2e3})
    (tmp_path / "mine").mkdir()
    content = {"checkpoints": rows, "evaluation": {"levels": [1], "max_tokens": 24}}
    (tmp_path / "mine" / "external.yaml").write_text(yaml.safe_dump(content))
    return LadderDir(tmp_path / "mine")


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, list[float]]]:
    """Stands in for Ray and the engines; (model, limit, temperatures) of each start of them."""
    starts: list[tuple[str, int, list[float]]] = []

    def prepare(config: Any) -> SimpleNamespace:
        return SimpleNamespace(eval_prompts=[1, 2], model_path=Path(config.model.path))

    async def ask(
        config: Any, prepared: Any, folder: Path, *, temperatures: list[float], more: Any
    ) -> list[Counts]:
        assert more is bases_eval.lengths_of, "limits are read from recorded lengths"
        assert config.learner.num_ranks == 0, "engines have the machine to themselves"
        starts.append((prepared.model_path.name, config.rollout.max_tokens, list(temperatures)))
        facts = {"category": "c", "difficulty": 1, "prompt_tokens": 4, "truncated": 0, "unjudged": 0}
        rows = [{"id": str(i), **facts, **histograms([1, 2, 7], [True, False, True])} for i in range(2)]
        sampling = [SamplingConfig(temperature=t, top_p=1.0, max_tokens=12) for t in temperatures]
        return [Counts(version=0, sampling=s, rows=rows) for s in sampling]

    shape = SimpleNamespace(layers=1, width=8, attention_width=8, kv_width=8, vocabulary=10)
    monkeypatch.setattr(bases_eval, "prepare", prepare)
    monkeypatch.setattr(bases_eval, "ask_held_out", ask)
    monkeypatch.setattr(bases_eval, "start_ray", lambda config: None)
    monkeypatch.setattr(bases_eval, "stop_ray", lambda: None)
    monkeypatch.setattr(bases_eval, "read_model_cost", lambda path: SimpleNamespace(shape=shape))
    return starts


def test_each_checkpoint_is_sampled_once_under_the_largest_limit(ladder: LadderDir, sampled: list) -> None:
    rows = sample_ladder(ladder.path, ASKED)
    assert sampled == [("a", 12, [0.5, 1.0]), ("b", 12, [0.5, 1.0])]
    assert [(r["key"], r["temperature"], r["max_tokens"]) for r in rows[:4]] == [
        ("a", 0.5, 2),
        ("a", 0.5, 12),
        ("a", 1.0, 2),
        ("a", 1.0, 12),
    ]
    assert rows[0]["pass"]["1"] == pytest.approx(1 / 3)
    assert rows[0]["mean_tokens"] == pytest.approx(5 / 3)
    assert rows[1]["pass"]["1"] == pytest.approx(2 / 3)
    assert sample_ladder(ladder.path, ASKED) == rows
    assert len(sampled) == 2, "what is there is left alone"


def test_other_weights_and_other_questions_are_sampled_again(ladder: LadderDir, sampled: list) -> None:
    sample_ladder(ladder.path, ASKED, only=["a"])
    checkpoint = all_checkpoints(ladder)[0]
    (checkpoint.model / "weights.bin").write_bytes(b"other")
    sample_ladder(ladder.path, ASKED)
    assert [start[0] for start in sampled] == ["a", "a", "b"]
    sample_ladder(ladder.path, Asked(config="debug"), only=["b"])
    assert sampled[-1] == ("b", 24, [1.0]), "the ladder's limit, the run's temperature"


def test_a_run_on_another_task_keeps_its_own_limit(ladder: LadderDir, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "1 + 1 =", "answer": "2"}\n')
    checkpoint = all_checkpoints(ladder)[0]
    other = Asked(config="debug", overrides=("task=gsm8k", f"task.path={rows}"))
    assert run_config(ladder, checkpoint, other).rollout.max_tokens == 16
    with pytest.raises(ConfigError, match="no checkpoint c here"):
        sample_ladder(ladder.path, other, only=["c"])
