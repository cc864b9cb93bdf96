"""Rows that share a prompt against each sample alone, in float64."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from rl.batch.types import TrainingBatch
from rl.config.learner import LearnerConfig
from rl.learner.logprob_model import LogprobModel
from rl.learner.micro_batch import MicroBatch, own_micro_batches
from rl.learner.model import attention_for
from rl.learner.shared_prompts import LONGEST_ROW, row_length, shared_rows
from tests.unit.learner.test_packed_attention import TINY

MODELS: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen2": {},
    "qwen3": {},
    "gpt_neox": {"num_key_value_heads": 4},
    "olmo2": {},
    "granite": {"logits_scaling": 2.0},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4},
}


@pytest.fixture
def batch(random_batch: Callable[..., TrainingBatch]) -> TrainingBatch:
    """Groups of unequal size with one prompt each, but for one sample whose prompt is another; tool tokens
    inside completions, some right behind the prompt."""
    made = random_batch(3, samples=14)
    tokens, prompt_lens = made.token_ids.copy(), made.prompt_lens.copy()
    for segment in np.unique(made.segment_ids):
        own = np.flatnonzero(made.segment_ids == segment)
        shortest = int(prompt_lens[own].min())
        for sample in own:
            start, first = made.offsets[sample], made.offsets[own[0]]
            tokens[start : start + shortest] = tokens[first : first + shortest]
            prompt_lens[sample] = shortest
    big = np.bincount(made.segment_ids).argmax()
    odd = np.flatnonzero(made.segment_ids == big)[1]
    tokens[made.offsets[odd]] = 49 - tokens[made.offsets[odd]] % 2
    return replace(made, token_ids=tokens, prompt_lens=prompt_lens)


def micro_batches(batch: TrainingBatch, wanted: np.ndarray, *, world: int = 1, budget: int = 120) -> list:
    config = LearnerConfig(packing="shared", micro_batch_tokens=budget)
    from types import SimpleNamespace

    ranks = [SimpleNamespace(config=config, world_size=world, rank=rank) for rank in range(world)]
    return [own_micro_batches(batch, wanted, rank) for rank in ranks]


def alone(model: LogprobModel, batch: TrainingBatch, sample: int) -> torch.Tensor:
    rows = slice(batch.offsets[sample], batch.offsets[sample + 1])
    tokens = torch.from_numpy(batch.token_ids[rows].astype(np.int64))
    logprobs = torch.log_softmax(model.causal_lm(input_ids=tokens[None]).logits[0, :-1] / 0.7, -1)
    return logprobs.gather(1, tokens[1:, None])[:, 0][torch.from_numpy(batch.loss_mask[rows][1:])]


@pytest.mark.parametrize("kind", MODELS)
def test_log_probs_and_gradients_are_those_of_each_sample_alone(batch: TrainingBatch, kind: str) -> None:
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **TINY | MODELS[kind])
    causal_lm = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").double().eval()
    model = LogprobModel(causal_lm)
    weights = torch.randn(
        len(batch.token_ids), dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    wanted = np.ones(14, dtype=bool)
    wanted[4] = False
    got = np.zeros(len(batch.token_ids))
    for micro in micro_batches(batch, wanted)[0]:
        logprobs = model(*micro.for_logprobs(0.7))
        got[micro.flat] = logprobs.detach().numpy()
        (logprobs * weights[micro.flat]).sum().backward()
    gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]

    model.zero_grad()
    for sample in np.flatnonzero(wanted):
        rows = slice(batch.offsets[sample], batch.offsets[sample + 1])
        flat = batch.offsets[sample] + np.flatnonzero(batch.loss_mask[rows])
        expected = alone(model, batch, int(sample))
        # the loss is float32, as it always is
        np.testing.assert_allclose(got[flat], expected.detach().numpy(), atol=2e-6)
        (expected * weights[flat]).sum().backward()
    expected_gradients = [p.grad for p in model.parameters() if p.grad is not None]
    for gradient, right in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(gradient, right, atol=2e-5, rtol=1e-5)


def held(micros: list[MicroBatch]) -> list[int]:
    return sorted(int(i) for micro in micros if not micro.padding for i in micro.flat)


def test_every_loss_token_is_in_one_row_of_one_rank_and_prompts_are_there_once(batch: TrainingBatch) -> None:
    wanted = np.ones(14, dtype=bool)
    one, two = micro_batches(batch, wanted)[0], micro_batches(batch, wanted, world=2)
    everything = np.flatnonzero(batch.loss_mask).tolist()
    assert held(one) == held(two[0] + two[1]) == everything
    assert len(two[0]) == len(two[1])
    assert all(a.most_loss_tokens == b.most_loss_tokens for a, b in zip(*two, strict=True))
    rows = shared_rows(batch, np.arange(14), token_budget=10_000)
    prompts = {
        (int(s), batch.token_ids[a : a + n].tobytes())
        for s, a, n in zip(batch.segment_ids, batch.offsets, batch.prompt_lens, strict=False)
    }
    assert len(rows) == len(prompts) == len(np.unique(batch.segment_ids)) + 1
    once = sum(row_length(batch, row) for row in rows)
    assert once < len(batch.token_ids)


def test_rows_are_bounded_and_a_batch_without_gradient_is_padding(batch: TrainingBatch) -> None:
    rows = shared_rows(batch, np.arange(14), token_budget=30)
    assert all(len(row) == 1 or row_length(batch, row) <= 30 for row in rows)
    assert sorted(np.concatenate(rows).tolist()) == list(range(14)) and LONGEST_ROW >= 512
    (nothing,) = micro_batches(batch, np.zeros(14, dtype=bool))
    assert len(nothing) == 1 and nothing[0].padding


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("mistral", {"sliding_window": 4}, "looks through a window"),
        ("gemma2", {}, "sliding_attention"),
        ("bloom", {}, "biases"),
    ],
)
def test_what_such_rows_cannot_do_is_refused(tmp_path: Any, kind: str, changes: dict, words: str) -> None:
    AutoConfig.for_model(kind, **TINY | changes).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=rf"learner.packing: shared cannot run {kind}.*({words})"):
        attention_for(str(tmp_path), LearnerConfig(packing="shared"))
