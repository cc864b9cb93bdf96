"""A GPU run on a machine without GPUs is refused before anything is loaded."""

import pytest

from rl.cluster.gpus import learner_environment, parse_memory, require_gpus
from rl.config.load import load_config
from rl.learner.preflight import memory_note
from rl.run.prepare.inputs import prepare

GSM8K = ["model.path=/nowhere", "task.path=rows.jsonl"]


@pytest.mark.parametrize(
    ("there", "words"), [(0, "cluster=local"), (3, "needs 8 GPUs, and this machine has 3")]
)
def test_too_few_gpus_is_the_users_to_know(monkeypatch, there: int, words: str) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: there)
    cluster = "gpu1" if there == 0 else "node8"
    with pytest.raises(ValueError, match=words):
        require_gpus(load_config("gsm8k", [*GSM8K, f"cluster={cluster}"]))


def test_it_is_said_before_the_model_is_looked_for(monkeypatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(ValueError, match="needs a GPU"):
        prepare(load_config("gsm8k", GSM8K))


def test_enough_gpus_none_wanted_or_a_cluster_elsewhere_pass(monkeypatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    require_gpus(load_config("gsm8k", GSM8K))
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    require_gpus(load_config("gsm8k", [*GSM8K, "cluster=local"]))
    require_gpus(load_config("gsm8k", [*GSM8K, "cluster=multinode", "run.dir=/shared/runs"]))


@pytest.mark.parametrize(
    ("text", "size"), [("81559\n46068\n", 46068 << 20), ("", None), ("No devices were found\n", None)]
)
def test_the_smallest_gpu_counts(text: str, size: int | None) -> None:
    assert parse_memory(text) == size


def test_a_base_that_leaves_no_room_is_said_before_the_start(tmp_path) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(1000, 1000)}, tmp_path / "model.safetensors")
    config = load_config("gsm8k", GSM8K)  # one GPU, of which the engine has 40%
    assert memory_note(config, tmp_path, 40 << 20) is None
    said = memory_note(config, tmp_path, 30 << 20)
    assert said is not None and "learner.offload.optimizer=cpu" in said


def test_segments_grow_but_where_weights_leave_as_memory_handles(monkeypatch) -> None:
    for name in ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"):
        monkeypatch.delenv(name, raising=False)
    assert learner_environment(load_config("gsm8k", GSM8K)) == {}  # gpu1 sends by ipc
    node = load_config("gsm8k", [*GSM8K, "cluster=node8"])
    assert learner_environment(node) == {"PYTORCH_ALLOC_CONF": "expandable_segments:True"}
    assert learner_environment(load_config("gsm8k", [*GSM8K, "cluster=local"])) == {}
    both = load_config("gsm8k", [*GSM8K, "cluster=node8", "cluster.env={NCCL_DEBUG:INFO}"])
    assert learner_environment(both) == {
        "PYTORCH_ALLOC_CONF": "expandable_segments:True",
        "NCCL_DEBUG": "INFO",
    }
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "max_split_size_mb:128")
    assert learner_environment(node) == {} and learner_environment(both) == {"NCCL_DEBUG": "INFO"}
