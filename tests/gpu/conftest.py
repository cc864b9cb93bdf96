"""One GPU is enough for most; what needs two says so. Helpers of the learner's integration tests serve here
too."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.integration.learner.batches import VOCAB
from tests.integration.learner.learner_host import Hosts


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine has too few GPUs for."""
    there = torch.cuda.device_count()
    for item in items:
        if Path(__file__).parent in item.path.parents:
            marker = item.get_closest_marker("gpus")
            needed = marker.args[0] if marker else 1
            if there < needed:
                item.add_marker(pytest.mark.skip(reason=f"needs {needed} GPU(s), and there are {there}"))


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    """Learner processes, one GPU each."""
    started = Hosts(gpus=torch.cuda.device_count())
    yield started
    started.stop()


@pytest.fixture(scope="session")
def half_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four layers, grouped heads of 32 dimensions, weights of a size that keeps bf16 apart from a fault."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCAB,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=512,
        tie_word_embeddings=False,
        initializer_range=0.1,
    )
    path = tmp_path_factory.mktemp("half")
    LlamaForCausalLM(config).save_pretrained(path)
    return path
