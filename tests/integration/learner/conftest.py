"""Two processes that hold learner ranks, and tiny Llamas."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.learner.batches import VOCAB
from tests.integration.learner.learner_host import Hosts


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    started = Hosts()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers, tied embeddings."""
    return _save_llama(tmp_path_factory.mktemp("tied"), tie=True)


@pytest.fixture(scope="session")
def untied_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _save_llama(tmp_path_factory.mktemp("untied"), tie=False)


def _save_llama(path: Path, *, tie: bool) -> Path:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCAB,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=128,
        tie_word_embeddings=tie,
        initializer_range=0.2,
    )
    LlamaForCausalLM(config).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    """A Ray of this module's own. Without ``local`` it would join another one on this machine."""
    import ray

    ray.init(
        address="local",
        include_dashboard=False,
        object_store_memory=200 << 20,
        num_cpus=4,
        log_to_driver=False,
    )
    yield
    ray.shutdown()
