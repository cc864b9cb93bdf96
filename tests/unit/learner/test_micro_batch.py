"""Micro-batch tensors against a plain loop, and the model's log-probs on them against single sequences."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from rl.batch.types import TrainingBatch
from rl.learner.logprob_model import LogprobModel
from rl.learner.micro_batch import MicroBatchPlan, build_micro_batch, plan_micro_batches


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_every_loss_token_is_predicted_by_the_position_before_it(
    random_batch: Callable, seed: int, packed: bool
) -> None:
    batch = random_batch(seed, samples=9)
    plan = MicroBatchPlan(np.array([7, 2, 5], dtype=np.int64))
    micro = build_micro_batch(batch, plan, packed=packed)
    inputs = micro.input_ids.flatten()
    expected = []
    for sample in plan.samples:
        start, end = batch.offsets[sample], batch.offsets[sample + 1]
        expected += [(int(sample), k) for k in range(start + 1, end) if batch.loss_mask[k]]
    assert list(zip(micro.sample.tolist(), micro.flat.tolist(), strict=True)) == expected
    assert micro.targets.tolist() == [int(batch.token_ids[k]) for _, k in expected]
    assert inputs[micro.select].tolist() == [int(batch.token_ids[k - 1]) for _, k in expected]
    assert micro.num_tokens == int(np.diff(batch.offsets)[plan.samples].sum())
    if packed:
        assert micro.position_ids is not None
        assert micro.input_ids.shape == (1, micro.num_tokens - len(plan.samples))
        assert micro.position_ids[0].tolist() == [
            i for s in plan.samples for i in range(np.diff(batch.offsets)[s] - 1)
        ]


def test_a_sample_of_one_token_gives_no_loss_tokens() -> None:
    fields = {name: np.zeros(1, np.float32) for name in ("behavior_logprobs", "token_versions", "rewards")}
    batch = TrainingBatch(
        step=0,
        token_ids=np.array([3], np.int32),
        offsets=np.array([0, 1]),
        prompt_lens=np.array([1]),
        loss_mask=np.array([False]),
        correct=np.array([False]),
        truncated=np.zeros(1, dtype=bool),
        demonstration=np.zeros(1, dtype=bool),
        segment_ids=np.array([0]),
        group_ids=np.array([0]),
        temperature=1.0,
        **fields,
    )
    micro = build_micro_batch(batch, MicroBatchPlan(np.array([0])), packed=False)
    assert micro.input_ids.shape == (1, 1) and len(micro.select) == 0


@pytest.fixture(scope="module")
def model() -> LogprobModel:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.3,
    )
    return LogprobModel(LlamaForCausalLM(config).eval())


def alone(model: LogprobModel, batch: TrainingBatch, sample: int, temperature: float) -> torch.Tensor:
    rows = slice(batch.offsets[sample], batch.offsets[sample + 1])
    tokens = torch.from_numpy(batch.token_ids[rows].astype(np.int64))
    logprobs = torch.log_softmax(model.causal_lm(input_ids=tokens[None]).logits[0, :-1] / temperature, -1)
    return logprobs.gather(1, tokens[1:, None])[:, 0][torch.from_numpy(batch.loss_mask[rows][1:])]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("rows", [1_000_000, 3])
@pytest.mark.parametrize("most", [0, 400])
def test_log_probs_in_buckets_equal_single_sequences(
    random_batch: Callable,
    model: LogprobModel,
    monkeypatch: pytest.MonkeyPatch,
    packed: bool,
    rows: int,
    most: int,
) -> None:
    """Padding, packing and chunking the vocabulary are exact, values and gradients; temperature 0.7. With 400
    tokens on another rank most of the chunks are empty here."""
    monkeypatch.setattr(model, "rows_per_chunk", rows)
    batch = random_batch(1, samples=12)
    plans = plan_micro_batches(np.diff(batch.offsets), np.arange(12), world_size=1, token_budget=90)[0]
    assert len(plans) > 2
    weights = torch.randn(len(batch.token_ids), generator=torch.Generator().manual_seed(0))

    model.zero_grad()
    for plan in plans:
        micro = build_micro_batch(batch, plan, packed=packed)
        logprobs = model(
            *replace(micro, most_loss_tokens=max(micro.most_loss_tokens, most)).for_logprobs(0.7)
        )
        expected = torch.cat([alone(model, batch, int(s), 0.7) for s in plan.samples])
        torch.testing.assert_close(logprobs, expected, atol=1e-5, rtol=0)
        (logprobs * weights[micro.flat]).sum().backward()
    got = [p.grad.clone() for p in model.parameters()]

    model.zero_grad()
    for sample in range(12):
        flat = (
            np.flatnonzero(batch.loss_mask[batch.offsets[sample] : batch.offsets[sample + 1]])
            + batch.offsets[sample]
        )
        (alone(model, batch, sample, 0.7) * weights[flat]).sum().backward()
    for gradient, parameter in zip(got, model.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad, atol=2e-4, rtol=1e-4)


def test_a_model_that_rescales_its_logits_goes_through_its_own_forward(random_batch: Callable) -> None:
    from transformers import Gemma2Config, Gemma2ForCausalLM

    torch.manual_seed(0)
    config = Gemma2Config(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        final_logit_softcapping=2.0,
        initializer_range=0.5,
    )
    model = LogprobModel(Gemma2ForCausalLM(config).eval())
    batch = random_batch(2, samples=3)
    micro = build_micro_batch(batch, MicroBatchPlan(np.array([0, 1, 2])), packed=False)
    with torch.no_grad():
        got = model(*micro.for_logprobs(1.0))
        expected = torch.cat([alone(model, batch, s, 1.0) for s in range(3)])
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)
