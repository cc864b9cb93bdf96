"""The losses of a micro-batch: the parts of all ranks add up to the whole, and padding adds nothing."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from rl.batch.types import TrainingBatch
from rl.config.algorithm import AlgorithmConfig
from rl.config.learner import LearnerConfig
from rl.learner.context import Measured, StepContext
from rl.learner.losses import micro_batch_terms, policy_loss
from rl.learner.update_plan import plan_updates

NOTHING = Measured(reference_logprobs=None, values=None, kl_coefficient=0.0)


class TableEngine:
    """Log-probs from one table [V, V], in place of a model."""

    device = torch.device("cpu")

    def __init__(self, table: torch.Tensor) -> None:
        self.table = table

    def __call__(self, input_ids: torch.Tensor, *arguments: Any) -> torch.Tensor:
        _, _, select, targets, *_ = arguments
        logits = self.table[input_ids].flatten(0, 1)[select]
        return logits.log_softmax(-1).gather(1, targets[:, None])[:, 0]


def context(*, rank: int = 0, world_size: int = 1, updates: int = 1) -> StepContext:
    return StepContext(
        config=LearnerConfig(micro_batch_tokens=10, updates_per_batch=updates),
        algorithm=AlgorithmConfig(),
        rank=rank,
        world_size=world_size,
        max_tokens=32,
    )


def gradient(batch: TrainingBatch, contexts: list[StepContext]) -> tuple[torch.Tensor, list[bool]]:
    """The gradient of the batch's first update, added up over ranks, and which micro-batches were padding."""
    vocabulary = int(batch.token_ids.max()) + 1
    table = torch.randn(vocabulary, vocabulary, generator=torch.Generator().manual_seed(0)).requires_grad_()
    padding = []
    for of_rank in contexts:
        update = plan_updates(batch, NOTHING, of_rank)[0]
        for micro in update.micro_batches:
            loss, _ = policy_loss(
                micro,
                engine=TableEngine(table),
                batch=batch,
                update=update,
                measured=NOTHING,
                context=of_rank,
            )
            loss.backward()
            padding.append(micro.padding)
    assert table.grad is not None
    return table.grad, padding


@pytest.mark.parametrize("updates", [1, 2])
def test_ranks_add_up_to_one_with_padding_micro_batches_among_them(
    random_batch: Callable[..., TrainingBatch], updates: int
) -> None:
    batch = with_rewards(random_batch(5, samples=9))
    alone, _ = gradient(batch, [context(updates=updates)])
    shared, padding = gradient(
        batch, [context(rank=rank, world_size=4, updates=updates) for rank in range(4)]
    )
    assert any(padding), "the case must need a padding micro-batch"
    torch.testing.assert_close(shared, alone, atol=1e-6, rtol=0)
    assert alone.abs().sum() > 0


def test_a_micro_batch_finds_its_own_tokens_in_the_update(
    random_batch: Callable[..., TrainingBatch],
) -> None:
    batch = with_rewards(random_batch(6, samples=9))
    for update in plan_updates(batch, NOTHING, context(updates=2)):
        everywhere = np.zeros(len(batch.token_ids), dtype=np.float32)
        everywhere[update.flat] = update.terms.advantages.numpy()
        assert len(update.micro_batches) > 1
        for micro in update.micro_batches:
            assert micro_batch_terms(update, micro).advantages.tolist() == everywhere[micro.flat].tolist()


def test_a_batch_that_trains_nothing_gives_every_rank_a_micro_batch_of_zeros(
    random_batch: Callable[..., TrainingBatch],
) -> None:
    batch = with_rewards(random_batch(7, samples=9), equal=True)
    found, padding = gradient(batch, [context(rank=rank, world_size=2) for rank in range(2)])
    assert padding == [True, True] and not found.any()


def with_rewards(batch: TrainingBatch, *, equal: bool = False) -> TrainingBatch:
    """Four groups, whose rewards are all equal or are mixed in each."""
    count = len(batch.rewards)
    rewards = np.ones(count, np.float32) if equal else (np.arange(count) % 2).astype(np.float32)
    segments = np.sort(np.arange(count) % 4).astype(np.int32)
    return replace(batch, rewards=rewards, segment_ids=segments)
