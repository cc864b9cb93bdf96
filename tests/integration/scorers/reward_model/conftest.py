"""A private Ray, and a reward model of a few thousand random parameters."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from rl.cluster.ray_runtime import start_ray, stop_ray
from rl.config.reward_model import RewardModelConfig
from rl.pretrain.tokenizer import char_tokenizer


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A decoder with one scoring head: its score is read off the last token, so padding can go wrong."""
    from transformers import LlamaConfig, LlamaForSequenceClassification

    torch.manual_seed(0)
    tokenizer = char_tokenizer(256)
    shape = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "initializer_range": 0.5,
    }
    config = LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=256, num_labels=1, **shape)
    path = tmp_path_factory.mktemp("reward_model")
    LlamaForSequenceClassification(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def make_config(model_dir: Path) -> Callable[..., RewardModelConfig]:
    return lambda **fields: RewardModelConfig(
        **{"path": str(model_dir), "max_length": 64, "batch_size": 3, **fields}
    )


@pytest.fixture(scope="module")
def ray_runtime() -> Iterator[None]:
    cluster = SimpleNamespace(
        address=None, num_cpus=3, gpus_per_engine=0, gpus_per_learner=0, object_store_mib=80
    )
    start_ray(SimpleNamespace(cluster=cluster, reward_model=None))
    yield
    stop_ray()
