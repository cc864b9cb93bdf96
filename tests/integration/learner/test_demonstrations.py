"""HPT's loss on the real DeepSpeed: a demonstration's gradient is that of its negative log-likelihood, beside
that of rollouts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rl.batch.types import TrainingBatch
from rl.config.load import load_config
from tests.integration.learner.batches import make_batch
from tests.integration.learner.learner_host import Hosts

HPT = load_config(
    "quickstart", ["algorithm=hpt", "algorithm.demonstrations.coefficient=0.3"]
).algorithm.model_dump()
MAX_TOKENS = 32
"""The learner host's completion limit, by which the ``dr_grpo`` aggregation divides."""


def shown(batch: TrainingBatch, samples: list[int]) -> TrainingBatch:
    """The batch with these samples as demonstrations: no behaviour policy, whatever reward."""
    flags = np.isin(np.arange(len(batch.rewards)), samples)
    tokens = np.repeat(flags, np.diff(batch.offsets))
    return replace(
        batch,
        demonstration=flags,
        behavior_logprobs=np.where(tokens, 0, batch.behavior_logprobs).astype(np.float32),
    )


def nll_gradients(path: Path, batch: TrainingBatch, samples: list[int]) -> dict[str, np.ndarray]:
    """By plain torch: 0.3 times the summed negative log-likelihood of the completions, over samples of the
    batch x limit."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    for sample in samples:
        rows = slice(batch.offsets[sample], batch.offsets[sample + 1])
        ids = torch.from_numpy(batch.token_ids[rows].astype(np.int64))
        labels = torch.where(torch.from_numpy(batch.loss_mask[rows]), ids, -100)
        logits = model(input_ids=ids[None]).logits[0, :-1]
        nll = torch.nn.functional.cross_entropy(logits, labels[1:], ignore_index=-100, reduction="sum")
        (0.3 * nll / (len(batch.rewards) * MAX_TOKENS)).backward()
    return {f"causal_lm.{n}": p.grad.numpy() for n, p in model.named_parameters()}


@pytest.mark.parametrize(("world", "budget"), [(1, 100_000), (2, 70)])
def test_the_gradient_of_demonstrations_is_that_of_their_negative_log_likelihood(
    hosts: Hosts, tiny_llama: Path, world: int, budget: int
) -> None:
    batch = shown(make_batch(2, sizes=(1, 1, 1, 1)), [0, 1, 2, 3])
    expected = nll_gradients(tiny_llama, batch, [0, 1, 2, 3])
    hosts.build(tiny_llama, world=world, micro_batch_tokens=budget, algorithm=HPT)
    result, captured = hosts.run("train_and_capture", batch)
    assert result.applied and result.metrics["learner/demonstration_tokens"] == batch.num_valid_tokens
    assert captured.keys() == expected.keys()
    for name, gradient in expected.items():
        np.testing.assert_allclose(captured[name], gradient, atol=2e-6, err_msg=name)
    assert max(np.abs(g).max() for g in expected.values()) > 1e-3


def test_beside_rollouts_the_gradients_add_up(hosts: Hosts, tiny_llama: Path) -> None:
    """Both minus the rollouts alone, where the demonstration's place is held by a group of one, which says
    nothing."""
    rollouts = make_batch(5, sizes=(4, 1, 3))
    hosts.build(tiny_llama, algorithm=HPT)
    _, without = hosts.run("train_and_capture", rollouts)
    mixed = shown(rollouts, [4])
    hosts.build(tiny_llama, algorithm=HPT)
    _, together = hosts.run("train_and_capture", mixed)
    expected = nll_gradients(tiny_llama, mixed, [4])
    for name, gradient in expected.items():
        np.testing.assert_allclose(together[name] - without[name], gradient, atol=2e-6, err_msg=name)
