"""Building a base: same weights after an interruption, one build for many askers, a hash that sees every
field."""

import json
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from rl.config.model import CorpusConfig, RecipeConfig
from rl.pretrain import cache
from rl.pretrain.cache import base_dir, build_base, recipe_hash
from rl.pretrain.pretrain import lr_factor, pretrain, train_step
from rl.tasks import rg_cells
from tests.unit.pretrain.recipes import nano


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T2RL_CACHE", str(tmp_path / "cache"))


def test_ctrl_c_in_the_middle_of_a_step_resumes_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, state = pretrain(nano(), checkpoint=tmp_path / "a.pt", progress=False)

    def interrupted_step(*args: Any) -> float:
        os.kill(os.getpid(), signal.SIGINT)
        return train_step(*args)

    with monkeypatch.context() as patch:
        patch.setattr("rl.pretrain.pretrain.train_step", interrupted_step)
        for step in (1, 2):  # twice, the second time from a checkpoint
            with pytest.raises(KeyboardInterrupt):
                pretrain(nano(), checkpoint=tmp_path / "b.pt", progress=False)
            assert torch.load(tmp_path / "b.pt", weights_only=True)["state"]["step"] == step
    resumed, resumed_state = pretrain(nano(), checkpoint=tmp_path / "b.pt", progress=False)
    assert state.step == resumed_state.step > 15
    assert state.loss == resumed_state.loss
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    _, early = pretrain(nano(tokens=2_000), checkpoint=tmp_path / "a.pt", progress=False)
    _, late = pretrain(nano(tokens=40_000), checkpoint=tmp_path / "b.pt", progress=False)
    assert late.loss < 0.7 * early.loss


def test_a_cached_base_is_not_built_again(monkeypatch: pytest.MonkeyPatch) -> None:
    directory = build_base(nano(), progress=False)
    assert json.loads((directory / "recipe.json").read_text())["facts"]["steps"] > 15
    assert {p.name for p in directory.iterdir()} >= {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "recipe.json",
    }
    # no work directory left
    assert [p.name for p in directory.parent.iterdir() if p.is_dir()] == [directory.name]
    monkeypatch.setattr(cache, "_build", lambda *_, **__: pytest.fail("built again"))
    assert build_base(nano(), progress=False) == directory


def _build_in_process(queue: Any) -> None:
    queue.put(str(build_base(nano(), progress=False)))


def test_two_processes_at_once_give_one_sound_base() -> None:
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    workers = [context.Process(target=_build_in_process, args=(queue,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    found = {queue.get(timeout=120) for _ in workers}
    for worker in workers:
        worker.join(timeout=30)
        assert worker.exitcode == 0
    assert found == {str(base_dir(nano()))}
    assert (base_dir(nano()) / "model.safetensors").stat().st_size > 50_000


CHANGES: dict[str, Any] = {
    "name": "other", "hidden_size": 48, "num_layers": 1, "num_heads": 1, "head_dim": 32,
    "intermediate_size": 64,
    "max_positions": 128, "rope_theta": 5e3, "tied": False, "tokens": 9_000, "batch_tokens": 256, "lr": 1e-3,
    "muon_lr": 0.01,
    "muon_weight_decay": 0.0, "warmup_steps": 5,
    "decay_share": 0.5, "min_lr_ratio": 0.1, "grad_clip": 2.0, "seed": 1, "num_threads": 2,
    "corpus": CorpusConfig(step_error=0.2),
}  # fmt: skip


@pytest.mark.parametrize("field", RecipeConfig.model_fields)
def test_the_hash_sees_every_field(field: str) -> None:
    assert recipe_hash(nano(**{field: CHANGES[field]})) != recipe_hash(nano())
    assert recipe_hash(nano()) == recipe_hash(nano())


def test_the_hash_sees_a_change_of_the_corpus_code(monkeypatch: pytest.MonkeyPatch) -> None:
    before = recipe_hash(nano())
    monkeypatch.setattr(rg_cells, "TEST_BUCKETS", 25)
    assert recipe_hash(nano()) != before


def test_learning_rate_schedule_by_hand() -> None:
    recipe = nano(warmup_steps=4, decay_share=0.5, min_lr_ratio=0.1)
    assert [lr_factor(s, 20, recipe) for s in (0, 1, 3, 9, 10)] == [0.25, 0.5, 1.0, 1.0, 1.0]
    # a quarter of the steps left, over the half in which it decays
    assert lr_factor(15, 20, recipe) == pytest.approx(0.5)
    assert lr_factor(19, 20, recipe) == pytest.approx(0.1)
