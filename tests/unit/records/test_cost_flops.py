"""FLOPs by hand, and against torch's own counter on small models."""

from types import SimpleNamespace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, MixtralConfig

from planner.cost.devices import devices
from planner.cost.flops import ModelShape
from rl.records.cost.flops import ModelCost
from rl.records.cost.model import model_cost, read_model_cost
from rl.records.cost.peaks import peak_of

LLAMA = {
    "vocab_size": 48,
    "hidden_size": 16,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}
HAND = ModelCost(
    shape=ModelShape(params=100, layers=2, attention_width=4, kv_width=4, width=3, vocabulary=5),
    windows=(None, 2),
)


def model_of(config):
    config._attn_implementation = "eager"  # the counter takes a fused kernel for one that is not causal
    return AutoModelForCausalLM.from_config(config).float()


def cost_of(model, **more):
    shapes = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
    return model_cost(model.config, shapes, **more)


def counted(run) -> int:
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def test_a_forward_pass_by_hand() -> None:
    # 2 sequences of 3 and 1 tokens: 2 * 100 * 4; head 2 * 3 * 5 at 2 positions.
    # Pairs: layer 1 (1 + 2 + 3) + 1 = 7, layer 2 with a window of 2 (1 + 2 + 2) + 1 = 6; 4 * 4 * 13.
    assert HAND.forward([3, 1], 2) == 800 + 60 + 208
    assert HAND.train([3, 1], 2) == 3 * 1068
    # Going on from 2 positions: pairs 3 + 4 and 2 + 2.
    assert HAND.attention([2], start=[2]) == 4 * 4 * (7 + 4)


def test_an_adapter_by_hand() -> None:
    adapted = ModelCost(shape=HAND.shape, windows=HAND.windows, adapter=10)
    assert adapted.score([3, 1], 2) == 1068 + 2 * 10 * 4
    # Forward and inputs' gradient 2 * 1068, attention's other half 208, the adapter 3 * 2 * 10 * 4.
    assert adapted.train([3, 1], 2) == 2 * 1068 + 208 + 240


def test_sampling_by_hand() -> None:
    # Prompt of 5, completions of 2 and 1 tokens: 6 and 5 positions are fed, the head runs 3 times.
    whole = HAND.sample(5, [2, 1], block=None)
    assert whole == HAND.forward([6, 5], 3) == 200 * 11 + 30 * 3 + 16 * (21 + 15 + 11 + 9)
    # With blocks of 2 the second one finds 4 of its positions.
    assert HAND.sample(5, [2, 1], block=2) == HAND.forward([6, 1], 3, start=[0, 4])
    # New weights after 6 positions: they are computed again, without the head.
    assert HAND.sample(5, [2, 1], block=None, again=[6]) == whole + HAND.forward([6], 0)
    assert HAND.sample(5, [0], block=2) == 0


@pytest.mark.parametrize("tied", [False, True])
def test_token_by_token_is_what_torch_counts(tied: bool) -> None:
    model = model_of(LlamaConfig(**LLAMA, tie_word_embeddings=tied))

    def decode() -> None:
        cache = None
        for position in range(7):
            out = model(torch.tensor([[position]]), past_key_values=cache, use_cache=True)
            cache = out.past_key_values

    with torch.no_grad():
        assert cost_of(model).forward([7], 7) == counted(decode)


def square(cost: ModelCost, length: int, rows: int) -> float:
    """What torch counts more: it does not leave out what the causal mask hides."""
    layers, width = cost.shape.layers, cost.shape.attention_width
    return 4 * layers * width * rows * (length**2 - length * (length + 1) / 2)


def test_training_is_what_torch_counts() -> None:
    model = model_of(LlamaConfig(**LLAMA))
    cost, ids = cost_of(model), torch.arange(12).view(2, 6)
    more = 3 * square(cost, 6, rows=2)
    assert cost.train([6, 6], 12) + more == counted(lambda: model(ids).logits.sum().backward())


def test_an_adapter_is_what_torch_counts() -> None:
    from peft import LoraConfig, get_peft_model

    model = model_of(LlamaConfig(**LLAMA))
    targets = ("q_proj", "down_proj")
    cost = cost_of(model, lora=SimpleNamespace(r=2, target_modules=targets))
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules=list(targets)))
    adapted.enable_input_require_grads()  # else nothing flows below the first adapter
    ids = torch.arange(12).view(2, 6)
    assert cost.adapter == 3 * 2 * (16 + 32 + 40 + 16)
    assert cost.train([6, 6], 12) + 3 * square(cost, 6, rows=2) == counted(
        lambda: adapted(ids).logits.sum().backward()
    )


def test_gpt2_has_its_own_names() -> None:
    model = model_of(GPT2Config(vocab_size=40, n_embd=16, n_layer=2, n_head=2, n_positions=32))
    cost, ids = cost_of(model), torch.arange(6)[None]
    with torch.no_grad():
        assert cost.forward([6], 6) + square(cost, 6, rows=1) == counted(lambda: model(ids))
    assert cost.shape.params == 2 * 12 * 16**2 and cost.shape.embedding_params > 40 * 16


def test_experts_count_as_many_as_a_token_takes(tmp_path) -> None:
    config = MixtralConfig(**LLAMA, num_local_experts=4, num_experts_per_tok=2, sliding_window=None)
    model = model_of(config)
    attention = 16 * 32 + 2 * 16 * 16 + 32 * 16
    assert cost_of(model).shape.params == 3 * (attention + 2 * 3 * 16 * 40 + 4 * 16)
    # On disk every expert has matrices of its own.
    model.save_pretrained(tmp_path)
    assert read_model_cost(tmp_path) == cost_of(model)


def test_windows_and_layers_that_do_not_run() -> None:
    from transformers import Gemma2Config

    config = Gemma2Config(**{**LLAMA, "num_hidden_layers": 4}, sliding_window=3)
    shapes = {"model.layers.3.mlp.up_proj.weight": (2, 3), "model.layers.4.mlp.up_proj.weight": (2, 3)}
    cost = model_cost(config, shapes)
    assert cost.windows == (3, None, 3, None) and cost.shape.params == 6


def test_a_directory_without_safetensors_has_no_cost(tmp_path) -> None:
    assert read_model_cost(tmp_path) is None


def test_peaks() -> None:
    assert peak_of("NVIDIA H100 PCIe", "bfloat16") == 756e12
    assert peak_of("NVIDIA H100 80GB HBM3", "float16") == 989e12
    assert peak_of("NVIDIA L40S", "float32") == 91.6e12
    assert peak_of("NVIDIA RTX A4000", "bfloat16") is None, "no A40"
    assert peak_of("NVIDIA GH200 480GB", "bfloat16") == 989e12
    assert peak_of("cpu", "float32") is None and peak_of("NVIDIA A10", "int8") is None
    names = {"h100_sxm": "H100 80GB HBM3", "h200_sxm": "H200", "a100_80g": "A100-SXM4-80GB", "l4": "L4"}
    for name, device in names.items():
        assert peak_of(f"NVIDIA {device}", "bfloat16") == devices()[name].peak
