"""Likelihood mode, sampling on the prefix tree and fake quantisation, on a small random model."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from rl.ladder.likelihood import completion_logprobs
from rl.ladder.prefix_tree import sample_counts
from rl.ladder.quantise import fake_quantise, quantise_model
from rl.ladder.scores import headline

END = 2
PROMPTS = [[1, 4, 5], [1, 6], [1, 3, 3]]


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=8,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=32,
    )
    made = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        made.lm_head.weight.mul_(40)  # Far from uniform, so that a wrong cache or a swapped row would show.
    return made


def test_samples_follow_the_likelihoods(model: Any) -> None:
    n, depth = 20_000, 3
    leaves = list(sample_counts(model, PROMPTS, samples=n, max_tokens=depth, end_ids=[END], seed=1))
    totals = Counter[int]()
    for leaf in leaves:
        totals[leaf.prompt] += leaf.count
        assert leaf.truncated == (leaf.token_ids[-1] != END) and len(leaf.token_ids) <= depth
    assert totals == dict.fromkeys(range(3), n)
    assert len({(leaf.prompt, leaf.token_ids) for leaf in leaves}) == len(leaves)
    logs = completion_logprobs(
        model, [PROMPTS[leaf.prompt] for leaf in leaves], [leaf.token_ids for leaf in leaves]
    )
    p = np.exp(logs)
    assert p.max() > 0.05 and len(leaves) > 50
    z = (np.array([leaf.count for leaf in leaves]) - n * p) / np.sqrt(n * p * (1 - p))
    often = n * p > 10
    assert np.abs(z[often]).max() < 4.5 and 0.8 < z[often].std() < 1.2


def test_sampling_is_deterministic_and_knows_temperature(model: Any) -> None:
    def draw(seed: int, temperature: float) -> list[Any]:
        return list(
            sample_counts(
                model, PROMPTS, samples=64, max_tokens=4, end_ids=[END], seed=seed, temperature=temperature
            )
        )

    assert draw(0, 1.0) == draw(0, 1.0) != draw(1, 1.0)
    assert len(draw(0, 0.05)) < len(draw(0, 1.0)) / 3


def test_likelihood_is_that_of_the_logits(model: Any) -> None:
    with torch.inference_mode():
        logp = torch.log_softmax(model(input_ids=torch.tensor([[1, 6, 4, 2]])).logits[0], -1)
    expected = float(logp[1, 4] + logp[2, 2])
    # unequal lengths in one batch
    batch = completion_logprobs(model, [[1, 6], [1, 4, 5, 5, 5]], [[4, 2], [3, 2]])
    assert batch[0] == pytest.approx(expected, abs=1e-5)
    assert batch[1] == pytest.approx(completion_logprobs(model, [[1, 4, 5, 5, 5]], [[3, 2]])[0], abs=1e-5)


def test_quantised_weights_lie_on_a_grid_of_their_channel() -> None:
    weight = torch.tensor([[0.7, -0.31, 0.1, 0.0], [14.0, 3.1, -6.9, 1.2]])
    torch.testing.assert_close(
        fake_quantise(weight, 4), torch.tensor([[0.7, -0.3, 0.1, 0.0], [14.0, 4.0, -6.0, 2.0]])
    )
    assert fake_quantise(torch.zeros(2, 3), 4).abs().sum() == 0
    random = torch.randn(5, 1000)
    for bits in (4, 8):
        rounded = fake_quantise(random, bits)
        assert all(len(row.unique()) <= 2**bits - 1 for row in rounded)
        step = random.abs().amax(dim=1) / (2 ** (bits - 1) - 1)
        assert ((rounded - random).abs().amax(dim=1) <= step / 2 + 1e-6).all()
    with pytest.raises(ValueError, match="bits: 1"):
        fake_quantise(random, 1)


def test_the_output_head_stays_in_full_precision() -> None:
    model = nn.ModuleDict({"inner": nn.Linear(8, 8), "lm_head": nn.Linear(8, 8)})
    before = {k: v.clone() for k, v in model.state_dict().items()}
    assert quantise_model(model, 4) == 64
    assert torch.equal(model.state_dict()["lm_head.weight"], before["lm_head.weight"])
    assert not torch.equal(model.state_dict()["inner.weight"], before["inner.weight"])


def test_headline() -> None:
    rows = [
        {"n": 8, "c": 8, "prompt_tokens": 3, "logp": 0.0},
        {"n": 8, "c": 2, "prompt_tokens": 5, "logp": float(np.log(0.25))},
    ]
    scores = {"key": "x", "rows": rows, "lengths": {"right": {"3": 10}, "wrong": {"5": 6}}}
    found = headline(scores)
    assert found["pass"] == {"1": pytest.approx(0.625), "4": pytest.approx((1 + 1 - 15 / 70) / 2)}
    assert found["nll"] == pytest.approx(np.log(4) / 2) and found["mean_p"] == pytest.approx(0.625)
    assert found["mean_tokens"] == pytest.approx(60 / 16) and found["mode_gap_se"] == pytest.approx(0)
