"""A GPU run on a machine without GPUs is refused before anything is loaded."""

import pytest

from rl.config.load import load_config
from rl.gpus import require_gpus
from rl.prepare import prepare

GSM8K = ["model.path=/nowhere", "task.path=rows.jsonl"]


@pytest.mark.parametrize(("there", "words"), [(0, "cluster=local"), (3, "needs 8 GPUs, and this machine has 3")])
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
