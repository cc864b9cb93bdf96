"""Packed rows against single sequences, for attention that is dense, in a window, grouped or soft-capped.

``varlen_attn`` itself runs on CUDA only. Here its documented contract stands in for it where values matter,
and the real one runs on tensors without data, where shapes, arguments and gradients' paths do.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers import AutoConfig, AutoModelForCausalLM

from rl.config.learner import LearnerConfig
from rl.learner import packed_attention
from rl.learner.logprob_model import LogprobModel
from rl.learner.micro_batch import MicroBatchPlan, build_micro_batch
from rl.learner.model import attention_for

TINY = {
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "initializer_range": 0.3,
}
WINDOW = {"sliding_window": 4}
MODELS: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen3": {},
    "mistral": WINDOW,
    "qwen2": WINDOW | {"use_sliding_window": True, "max_window_layers": 1},
    "gemma3_text": WINDOW | {"layer_types": ["sliding_attention", "full_attention"]},
    "granite": {"logits_scaling": 2.0, "attention_multiplier": 0.5},
}
CAPPED = WINDOW | {"attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0}


def build(kind: str, attention: str, **more: Any) -> LogprobModel:
    packed_attention.register()
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **TINY | more)
    return LogprobModel(AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval())


def contract(
    query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, *, scale, window_size, enable_gqa
) -> torch.Tensor:
    """``varlen_attn`` as its documentation has it, one sequence after the other."""
    assert (
        cu_seq_q.dtype == torch.int32 and cu_seq_q[-1] == len(query) and max_q == int(cu_seq_q.diff().max())
    )
    assert enable_gqa == (query.shape[1] != key.shape[1]) and window_size[1] == 0
    out = []
    for start, end in zip(cu_seq_q[:-1].tolist(), cu_seq_q[1:].tolist(), strict=True):
        q, k, v = (t[start:end].transpose(0, 1) for t in (query, key, value))
        distance = torch.arange(end - start)[:, None] - torch.arange(end - start)[None, :]
        seen = (distance >= 0) & ((distance <= window_size[0]) | (window_size[0] < 0))
        out.append(
            F.scaled_dot_product_attention(q, k, v, seen, scale=scale, enable_gqa=enable_gqa).transpose(0, 1)
        )
    return torch.cat(out)


def assert_packed_equals_single(model: LogprobModel, random_batch: Callable) -> None:
    batch = random_batch(1, samples=6)
    micro = build_micro_batch(batch, MicroBatchPlan(np.arange(6)), packed=True)
    assert micro.boundaries is not None and len(micro.boundaries) == 7
    with torch.no_grad():
        packed = model(*micro.for_logprobs(0.7))
        for sample in range(6):
            alone = model(
                *build_micro_batch(batch, MicroBatchPlan(np.array([sample])), packed=True).for_logprobs(0.7)
            )
            torch.testing.assert_close(
                packed[torch.from_numpy(micro.sample == sample)], alone, atol=2e-5, rtol=0
            )


@pytest.mark.parametrize("kind", MODELS)
def test_the_mask_from_positions_keeps_samples_apart(random_batch: Callable, kind: str) -> None:
    assert_packed_equals_single(build(kind, "sdpa", **MODELS[kind]), random_batch)


def test_soft_capped_scores_keep_samples_apart(random_batch: Callable) -> None:
    assert_packed_equals_single(build("gemma2", "eager", **CAPPED), random_batch)


@pytest.mark.parametrize("kind", MODELS)
def test_our_attention_asks_varlen_attn_for_what_the_dense_one_computes(
    random_batch: Callable, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Log-probs and gradients, through recomputed layers too."""
    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", contract)
    micro = build_micro_batch(random_batch(1, samples=6), MicroBatchPlan(np.arange(6)), packed=True)
    results = []
    for attention in ("sdpa", packed_attention.NAME):
        model = build(kind, attention, **MODELS[kind]).train()
        model.causal_lm.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        logprobs = model(*micro.for_logprobs(1.0))
        logprobs.sum().backward()
        results.append((logprobs.detach(), [p.grad for p in model.parameters()]))
    (dense, expected), (ours, got) = results
    torch.testing.assert_close(ours, dense, atol=2e-5, rtol=0)
    for gradient, other in zip(got, expected, strict=True):
        torch.testing.assert_close(gradient, other, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("kind", ["llama", "mistral"])
def test_the_real_varlen_attn_takes_our_arguments_and_has_a_gradient(
    random_batch: Callable, kind: str
) -> None:
    model = build(kind, packed_attention.NAME, **MODELS[kind]).to("meta", torch.bfloat16)
    micro = build_micro_batch(random_batch(1, samples=6), MicroBatchPlan(np.arange(6)), packed=True)
    logprobs = model(*micro.to(torch.device("meta")).for_logprobs(1.0))
    assert logprobs.shape == micro.targets.shape
    logprobs.sum().backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize(
    ("kind", "more", "words"),
    [
        ("gemma2", CAPPED, "soft-capped"),
        ("llama", {"head_dim": 12}, "12 dimensions"),
        ("llama", {"head_dim": 512}, "512 dimensions"),
        ("qwen3_next", {"layer_types": ["linear_attention", "full_attention"]}, "linear_attention"),
        ("deepseek_v3", {"qk_head_dim": 192, "v_head_dim": 128, "head_dim": 64}, "differ in size"),
    ],
)
def test_a_model_that_the_kernel_cannot_run_is_refused_by_name(
    tmp_path, kind: str, more: dict[str, Any], words: str
) -> None:
    config = AutoConfig.for_model(kind, **TINY | more)
    for name, value in more.items():
        setattr(config, name, value)
    config.save_pretrained(tmp_path)
    gpu = LearnerConfig(device="cuda", dtype="bfloat16", packing="varlen")
    with pytest.raises(ValueError, match=f"varlen cannot run {kind}: .*{words}.*learner.packing=buckets"):
        attention_for(str(tmp_path), gpu)


def test_attention_is_what_the_model_defines(tmp_path) -> None:
    """transformers' sdpa ignores a soft cap on the scores, which vLLM applies."""
    for kind, more, packing, device, expected in (
        ("llama", {}, "buckets", "cpu", None),
        ("llama", {}, "varlen", "cpu", None),
        ("llama", {}, "varlen", "cuda", packed_attention.NAME),
        ("gemma2", CAPPED, "buckets", "cuda", "eager"),
        ("gemma2", {"attn_logit_softcapping": None}, "buckets", "cpu", None),
    ):
        AutoConfig.for_model(kind, **TINY | more).save_pretrained(tmp_path)
        learner = LearnerConfig(device=device, packing=packing, dtype="bfloat16")
        assert attention_for(str(tmp_path), learner) == expected


def test_what_varlen_attn_cannot_do_is_an_error_in_the_layer() -> None:
    query = torch.zeros(1, 2, 5, 8)
    module = torch.nn.Identity()
    boundaries = {"cu_seq_lens_q": torch.tensor([0, 5], dtype=torch.int32), "max_length_q": 5}
    for asked, words in (
        ({"softcap": 2.0}, "softcap"),
        ({"s_aux": query}, "s_aux"),
        ({"dropout": 0.1}, "dropout"),
    ):
        with pytest.raises(ValueError, match=f"cannot do {words}, which Identity asks for"):
            packed_attention.attend(module, query, query, query, None, **asked, **boundaries)
    with pytest.raises(ValueError, match="does not hand the packed boundaries"):
        packed_attention.attend(module, query, query, query, None)


def test_padded_rows_are_samples_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prompt signals pad, whatever the learner packs."""
    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", contract)
    inputs = torch.randint(0, 50, (3, 9), generator=torch.Generator().manual_seed(0))
    states = []
    for attention in ("sdpa", packed_attention.NAME):
        trunk = build("mistral", attention, **WINDOW).causal_lm.base_model
        with torch.no_grad():
            states.append(
                trunk(**packed_attention.row_arguments(trunk.config, inputs, None, None)).last_hidden_state
            )
    torch.testing.assert_close(states[1], states[0], atol=2e-5, rtol=0)
