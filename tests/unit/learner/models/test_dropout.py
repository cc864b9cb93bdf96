"""In training mode the policy is the one that is sampled: the first on-policy update has ratio 1."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from rl.config.learner import LearnerConfig, LoraConfig
from rl.learner.dropout import silence_config
from rl.learner.head import token_logprobs
from rl.learner.model import load_model
from tests.unit.learner.models.model_bases import ARCHITECTURES, VOCABULARY, save_base

DROPOUT = {
    "gpt2": {"attn_pdrop": 0.1, "resid_pdrop": 0.1, "embd_pdrop": 0.1},
    "opt": {"dropout": 0.1, "attention_dropout": 0.1, "layerdrop": 0.5},
    "gpt_neox": {"attention_dropout": 0.1, "hidden_dropout": 0.1},
    "llama": {"attention_dropout": 0.1},
    "mixtral": {"router_jitter_noise": 0.1},
}
"""Each architecture's way to be random in training mode."""


def sampled_and_trained(base: Path, **learner: object) -> tuple[torch.Tensor, torch.Tensor]:
    """[T] log-probs of the same tokens: by the base in eval mode (the sampler), by the learner's model in
    training mode."""
    ids = torch.randint(3, VOCABULARY, (4, 16), generator=torch.Generator().manual_seed(0))
    select = torch.arange(64).reshape(4, 16)[:, :-1].flatten()
    with torch.no_grad():
        sampler = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
        sampled = token_logprobs(sampler(ids).logits.flatten(0, 1)[select], ids[:, 1:].flatten(), 1.0)
    model = load_model(str(base), LearnerConfig(**learner)).train()
    assert all(m.training for m in model.modules())
    return sampled, model(ids, None, None, select, ids[:, 1:].flatten(), 1.0).detach()


@pytest.mark.parametrize("name", DROPOUT)
def test_the_first_ratio_is_1(tmp_path: Path, name: str) -> None:
    sampled, trained = sampled_and_trained(save_base(name, tmp_path, **DROPOUT[name]))
    assert (trained - sampled).abs().max() < 2e-5


def test_the_first_ratio_is_1_with_adapters_and_checkpointing(tmp_path: Path) -> None:
    base = save_base("gpt2", tmp_path, **DROPOUT["gpt2"])
    sampled, trained = sampled_and_trained(
        base, lora=LoraConfig(r=4, dropout=0.5), gradient_checkpointing=True
    )
    assert (trained - sampled).abs().max() < 2e-5


def test_without_the_remedy_it_is_not(tmp_path: Path) -> None:
    base = save_base("gpt2", tmp_path, **DROPOUT["gpt2"])
    ids = torch.arange(3, 19)[None]
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    with torch.no_grad():
        assert (model.train()(ids).logits - model.eval()(ids).logits).abs().max() > 0.01


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_is_switched_off_is_named(name: str) -> None:
    config = ARCHITECTURES[name]()
    silence_config(config)
    assert silence_config(config) == {}
    named = silence_config(ARCHITECTURES["gpt2"]())
    assert named == {"attn_pdrop": 0.1, "resid_pdrop": 0.1, "embd_pdrop": 0.1, "summary_first_dropout": 0.1}
