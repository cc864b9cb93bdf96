"""A checkpoint read by one process is the model that its ranks would have exported; a resume keeps the
config's own settings."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from rl.config.learner import LearnerConfig
from rl.learner.export import export_model
from tests.integration.learner.batches import make_batch
from tests.integration.learner.learner_host import Hosts

LORA = {"r": 4, "alpha": 8}


class Bomb:
    """Runs code where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    ("world", "stage", "dtype", "lora", "critic"),
    [
        (1, 0, "float32", None, "shared"),
        (1, 0, "bfloat16", LORA, None),
        (2, 2, "float32", LORA, None),
        (2, 3, "float32", LORA, None),
        (2, 3, "bfloat16", None, "separate"),
    ],
)
def test_a_checkpoint_becomes_the_model_that_the_ranks_export(
    hosts: Hosts,
    tiny_llama: Path,
    untied_llama: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    world: int,
    stage: int,
    dtype: str,
    lora: dict | None,
    critic: str | None,
) -> None:
    monkeypatch.setitem(os.environ, "DS_ACCELERATOR", "cpu")
    from rl.learner.consolidate import consolidated

    base = untied_llama if lora else tiny_llama
    algorithm = {} if critic is None else {"advantage": {"name": "gae", "critic": critic}}
    hosts.build(base, world=world, zero_stage=stage, dtype=dtype, lora=lora, lr=1e-2, algorithm=algorithm)
    hosts.call("train", make_batch(0))
    hosts.call("save", str(tmp_path / "save"))
    hosts.call("wait_saved")
    hosts.call("export", str(tmp_path / "by_ranks"))
    config = LearnerConfig(num_ranks=world, zero_stage=stage, dtype=dtype, lora=lora)
    model = consolidated(tmp_path / "save", config, base=base, weights=None if stage == 0 else base)
    export_model(model, tmp_path / "alone", model_path=str(base), gather=False, is_writer=True)

    files = {
        path.relative_to(tmp_path / "by_ranks")
        for path in (tmp_path / "by_ranks").rglob("*")
        if path.is_file()
    }
    assert files == {
        path.relative_to(tmp_path / "alone") for path in (tmp_path / "alone").rglob("*") if path.is_file()
    }
    for file in ["model.safetensors", *(["adapter/adapter_model.safetensors"] if lora else [])]:
        ours, theirs = load_file(tmp_path / "alone" / file), load_file(tmp_path / "by_ranks" / file)
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            assert value.dtype == ours[name].dtype and torch.equal(value, ours[name]), name
    sharded = next((tmp_path / "save" / "shards").glob("*optim_states.pt" if stage == 3 else "mp_rank_00*"))
    torch.save(torch.load(sharded, weights_only=False) | {"more": Bomb(tmp_path / "ran")}, sharded)
    with pytest.raises(ValueError, match="a learner shard holds more than data"):
        consolidated(tmp_path / "save", config, base=base, weights=None if stage == 0 else base)
    assert not (tmp_path / "ran").exists(), "a stranger's checkpoint ran code"
    start = load_file(base / "model.safetensors")
    trained = load_file(tmp_path / "alone" / "model.safetensors")
    assert any(not torch.equal(start[name].float(), trained[name].float()) for name in start), (
        "it was trained"
    )


@pytest.mark.parametrize(("world", "stage"), [(1, 0), (2, 2)])
def test_a_learning_rate_that_the_user_changed_at_a_resume_is_the_one_that_counts(
    hosts: Hosts, tiny_llama: Path, tmp_path: Path, world: int, stage: int
) -> None:
    shape = {"world": world, "zero_stage": stage, "weight_decay": 0.1, "schedule": "linear"}
    hosts.build(tiny_llama, **shape, lr=1e-3)
    hosts.call("train", make_batch(0))
    hosts.call("save", str(tmp_path / "save"))
    hosts.call("wait_saved")
    before = hosts.run("weights")
    moved = {}
    for lr in (1e-3, 1e-6):
        hosts.build(tiny_llama, **shape, lr=lr)
        hosts.call("load", str(tmp_path / "save"))
        assert hosts.call("train", make_batch(1)).metrics["learner/lr"] == pytest.approx(lr * 8 / 9, rel=1e-6)
        moved[lr] = max(
            float(np.abs(value - before[name]).max()) for name, value in hosts.run("weights").items()
        )
    assert moved[1e-6] < moved[1e-3] / 100
