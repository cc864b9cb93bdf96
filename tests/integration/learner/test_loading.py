"""How a rank gets its model: in parts at ZeRO-3, in the dtype that it trains in, and with every part where it
belongs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.integration.learner.batches import make_batch
from tests.integration.learner.learner_host import Hosts

LORA = {"r": 4, "alpha": 8}
EXPERTS = {
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "first_k_dense_replace": 1,
    "moe_intermediate_size": 16,
}
LATENT = {"q_lora_rank": 8, "kv_lora_rank": 8, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 8}
YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 32768}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen2": {"rope_parameters": YARN},
    "gemma3_text": {"head_dim": 16},
    "gpt2": {"n_embd": 64, "n_layer": 2, "n_head": 4},
    "gpt_neox": {},
    "glm4_moe": EXPERTS | {"n_group": 1, "topk_group": 1},
    "deepseek_v3": EXPERTS | LATENT | {"n_group": 1, "topk_group": 1},
}
"""Rotary embeddings that are computed in several ways, and routers with a bias in the checkpoint."""


@pytest.fixture(scope="module")
def larger_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """34 million parameters in eight layers, 134 MB in float32: enough to see against a process's own
    memory."""
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
def test_a_rank_never_holds_the_whole_model_at_zero_3(
    hosts: Hosts, larger_llama: Path, tiny_llama: Path, dtype: str
) -> None:
    whole = hosts.load(larger_llama, warm_path=tiny_llama, world=2, zero_stage=2, dtype=dtype)
    parts = hosts.load(larger_llama, warm_path=tiny_llama, world=2, zero_stage=3, dtype=dtype)
    size = whole[0]["elements"] * whole[0]["bytes_each"]
    assert [w["in_parts"] for w in whole] == [0, 0] and [p["in_parts"] for p in parts] == [1, 1]
    assert {f["bytes_each"] for f in whole + parts} == {4 if dtype == "float32" else 2}
    for rank in range(2):
        assert parts[rank]["elements"] == pytest.approx(whole[rank]["elements"] / 2, rel=0.01)
        # its half, and a layer; for a moment the same half in float32 and its low bits, for bf16's masters
        most = 0.7 if dtype == "float32" else 2.2
        assert 0.5 * size < parts[rank]["peak"] < most * size, (parts, size)
        # float32 is mapped from the file, and becomes the process's own when it is first written to
        if dtype == "bfloat16":
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


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_model_in_parts_is_the_whole_one(hosts: Hosts, tmp_path: Path, kind: str) -> None:
    """In bf16: DeepSpeed would round the frequencies of rotary embeddings with everything else that is made
    while it divides."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    shape = {"vocab_size": 50, "hidden_size": 64, "intermediate_size": 48, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 4}
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(
        AutoConfig.for_model(kind, **shape | heads | ARCHITECTURES[kind])
    )
    for name, buffer in model.named_buffers():
        if name.endswith("e_score_correction_bias"):
            buffer.copy_(torch.rand_like(buffer))
    model.save_pretrained(tmp_path)
    assert hosts.in_parts_and_whole(tmp_path, world=2, zero_stage=3, dtype="bfloat16") == [[], []]
