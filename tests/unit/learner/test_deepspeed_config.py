"""What DeepSpeed is told, and which parameters Muon gets: no DeepSpeed needed to see it."""

from typing import Any

import pytest
import torch

from rl.config.learner import LearnerConfig
from rl.learner.deepspeed_setup import deepspeed_config
from rl.learner.logprob_model import LogprobModel
from rl.learner.model import add_adapters
from rl.learner.optimizers import make_optimizer, muon_parameters


def told(**config: Any) -> dict[str, Any]:
    return deepspeed_config(LearnerConfig(**config), num_parameters=5000)


def test_nothing_is_offloaded_unless_asked() -> None:
    result = told(zero_stage=3, device="cuda")
    assert "zero_force_ds_cpu_optimizer" not in result
    assert result["zero_optimization"] == {
        "stage": 3,
        "reduce_bucket_size": 5000,
        "allgather_bucket_size": 5000,
        "overlap_comm": True,
    }


def test_buckets_are_even_for_an_odd_number_of_parameters() -> None:
    """A critic's head has a bias of one, and DeepSpeed refuses odd buckets."""
    zero = deepspeed_config(LearnerConfig(zero_stage=1), num_parameters=5001)["zero_optimization"]
    assert zero["reduce_bucket_size"] == zero["allgather_bucket_size"] == 5002


def test_offloading_goes_to_pinned_host_memory_with_torchs_adamw() -> None:
    result = told(zero_stage=2, device="cuda", offload={"optimizer": "cpu"})
    assert result["zero_optimization"]["offload_optimizer"] == {"device": "cpu", "pin_memory": True}
    assert "offload_param" not in result["zero_optimization"]
    assert result["zero_force_ds_cpu_optimizer"] is False


def test_nvme_gets_its_path() -> None:
    zero = told(
        zero_stage=3,
        device="cuda",
        offload={"optimizer": "nvme", "parameters": "nvme", "path": "/fast"},
    )["zero_optimization"]
    expected = {"device": "nvme", "pin_memory": True, "nvme_path": "/fast"}
    assert zero["offload_optimizer"] == expected and zero["offload_param"] == expected


def test_parameters_alone_keep_the_optimizer_where_it_is() -> None:
    result = told(zero_stage=3, device="cuda", offload={"parameters": "cpu"})
    assert set(result["zero_optimization"]) & {"offload_optimizer", "offload_param"} == {"offload_param"}
    assert "zero_force_ds_cpu_optimizer" not in result


@pytest.mark.parametrize(("stage", "told_stage"), [(0, 1), (1, 1), (2, 2)])
def test_bfloat16_accumulates_in_float32(stage: int, told_stage: int) -> None:
    result = told(zero_stage=stage, dtype="bfloat16")
    assert result["zero_optimization"]["stage"] == told_stage and result["data_types"] == {
        "grad_accum_dtype": "fp32"
    }


@pytest.mark.parametrize(
    ("stage", "dtype", "told_stage"),
    [(0, "float32", 0), (1, "float32", 2), (1, "bfloat16", 1), (2, "float32", 2)],
)
def test_muon_in_float32_has_reduced_gradients(stage: int, dtype: str, told_stage: int) -> None:
    assert told(zero_stage=stage, dtype=dtype, optimizer="muon")["zero_optimization"]["stage"] == told_stage


def test_options_are_laid_over_ours_section_by_section() -> None:
    options = {
        "communication_data_type": "fp32",
        "zero_optimization": {"zero_hpz_partition_size": 8, "reduce_bucket_size": 7},
    }
    result = told(zero_stage=3, deepspeed=options)
    assert result["communication_data_type"] == "fp32"
    assert (
        result["zero_optimization"] == told(zero_stage=3)["zero_optimization"] | options["zero_optimization"]
    )


def tiny(*, tied: bool, value_head: bool = False, lora: bool = False) -> LogprobModel:
    from transformers import LlamaConfig, LlamaForCausalLM

    from rl.config.learner import LoraConfig

    config = LlamaConfig(
        vocab_size=20,
        hidden_size=8,
        intermediate_size=12,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        tie_word_embeddings=tied,
    )
    causal_lm: torch.nn.Module = LlamaForCausalLM(config)
    if lora:
        causal_lm = add_adapters(causal_lm, LoraConfig(r=2, kind="dora"))
    return LogprobModel(causal_lm, value_head=value_head)


@pytest.mark.parametrize("tied", [True, False])
def test_muon_gets_the_hidden_matrices_and_no_end_of_the_model(tied: bool) -> None:
    model = tiny(tied=tied, value_head=True)
    chosen = muon_parameters(model)
    names = {name.rsplit(".", 2)[-2] for name, p in model.named_parameters() if p in chosen}
    assert names == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def test_muon_gets_adapters_but_not_their_magnitudes() -> None:
    model = tiny(tied=True, lora=True)
    chosen = muon_parameters(model)
    trained = {name for name, p in model.named_parameters() if p.requires_grad and p in chosen}
    assert len(trained) == 14 and all(".lora_A." in name or ".lora_B." in name for name in trained)


def test_adamw_decays_matrices_only() -> None:
    model = tiny(tied=True)
    matrices, vectors = make_optimizer(model, LearnerConfig(weight_decay=0.1)).param_groups
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (0.1, 0.0)
    assert {p.ndim for p in matrices["params"]} == {2} and {p.ndim for p in vectors["params"]} == {1}
    assert len(matrices["params"]) + len(vectors["params"]) == len(list(model.parameters()))


def test_muon_and_shared_sequences_reduce_whole_gradients_at_stage_3() -> None:
    shared = {"name": "varlen", "sequence_parallel": 2}
    assert told(zero_stage=3, optimizer="muon")["zero_optimization"]["reduce_scatter"] is False
    assert told(zero_stage=3, packing=shared)["zero_optimization"]["reduce_scatter"] is False
    assert "reduce_scatter" not in told(zero_stage=3)["zero_optimization"]
