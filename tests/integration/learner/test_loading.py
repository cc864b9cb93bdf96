"""How a rank gets its model: in parts at ZeRO-3, in the dtype that it trains in, and with every part where it belongs."""

from pathlib import Path

import numpy as np
import pytest
from learner_host import Hosts, make_batch

LORA = {"r": 4, "alpha": 8}


@pytest.fixture(scope="module")
def larger_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """34 million parameters in eight layers, 134 MB in float32: enough to see against a process's own memory."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=2000,
        hidden_size=512,
        intermediate_size=2048,
        num_hidden_layers=8,
        num_attention_heads=8,
        num_key_value_heads=8,
        tie_word_embeddings=True,
    )
    path = tmp_path_factory.mktemp("larger")
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(path)
    return path


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_rank_never_holds_the_whole_model_at_zero_3(hosts: Hosts, larger_llama: Path, tiny_llama: Path, dtype: str) -> None:
    whole = hosts.load(larger_llama, warm_path=tiny_llama, world=2, zero_stage=2, dtype=dtype)
    parts = hosts.load(larger_llama, warm_path=tiny_llama, world=2, zero_stage=3, dtype=dtype)
    size = whole[0]["elements"] * whole[0]["bytes_each"]
    assert [w["in_parts"] for w in whole] == [0, 0] and [p["in_parts"] for p in parts] == [1, 1]
    assert {f["bytes_each"] for f in whole + parts} == {4 if dtype == "float32" else 2}
    for rank in range(2):
        assert parts[rank]["elements"] == pytest.approx(whole[rank]["elements"] / 2, rel=0.01)
        assert 0.5 * size < parts[rank]["peak"] < 0.7 * size, (parts, size)  # its half, and a layer
        if dtype == "bfloat16":  # float32 is mapped from the file, and becomes the process's own when it is first written to
            assert whole[rank]["peak"] > 0.9 * size


@pytest.mark.parametrize("kind", ["lora", "dora"])
def test_fresh_adapters_on_a_base_in_parts_follow_one_rank(hosts: Hosts, tiny_llama: Path, kind: str) -> None:
    batches = [make_batch(seed) for seed in range(2)]
    losses = []
    for world, stage in ((1, 0), (2, 3)):
        hosts.build(tiny_llama, world=world, zero_stage=stage, lora=LORA | {"kind": kind}, lr=1e-2)
        losses.append([hosts.call("train", batch).metrics["loss/total"] for batch in batches])
    assert losses[1] == pytest.approx(losses[0], abs=3e-5) and losses[0][0] != losses[0][1]


def test_weight_decay_falls_on_matrices_of_a_base_in_parts(hosts: Hosts, tiny_llama: Path) -> None:
    """A parameter in parts has no dimensions of its own; taken for a vector it would not decay."""
    weights = []
    for world, stage in ((1, 0), (2, 3)):
        hosts.build(tiny_llama, world=world, zero_stage=stage, weight_decay=0.5, lr=1e-2)
        hosts.call("train", make_batch(0))
        weights.append(hosts.run("weights"))
    for name, value in weights[0].items():
        np.testing.assert_allclose(weights[1][name], value, atol=3e-4, err_msg=name)
