"""What the learner says of each sample for the records: the numbers of plain torch, on any number of ranks,
and the training as it is without them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rl.batch.types import SampleFigures, TrainingBatch
from tests.integration.learner.batches import make_batch
from tests.integration.learner.learner_host import Hosts
from tests.integration.learner.test_update import plain_logprobs

BATCH = make_batch(0, sizes=(4, 2, 5, 3, 1))
ALONE = 14
"""The one sample of its group: it has no advantage, so nothing scores it."""


@pytest.fixture(scope="module")
def gaps(tiny_llama: Path) -> list[np.ndarray]:
    """[S] |engine - learner| of each loss token under the base, one sequence at a time."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype="float32")
    found = []
    for sample in range(len(BATCH.rewards)):
        rows = slice(BATCH.offsets[sample], BATCH.offsets[sample + 1])
        behavior = BATCH.behavior_logprobs[rows][BATCH.loss_mask[rows]]
        found.append(np.abs(plain_logprobs(model, BATCH, sample).detach().numpy() - behavior))
    return found


def figures(hosts: Hosts, batch: TrainingBatch) -> SampleFigures:
    """Of all ranks, as the group of them joins them."""
    answers = hosts.each("call", [("train", batch)] * hosts.world)
    found = SampleFigures.merged([answer.samples for answer in answers])
    assert found is not None
    return found


def assert_gaps(found: SampleFigures, expected: list[np.ndarray], samples: list[int]) -> None:
    assert np.flatnonzero(~np.isnan(found.gap_mean)).tolist() == samples
    for sample in samples:
        assert found.gap_mean[sample] == pytest.approx(expected[sample].mean(), abs=1e-5)
        assert found.gap_max[sample] == pytest.approx(expected[sample].max(), abs=1e-5)


@pytest.mark.parametrize(
    ("world", "budget", "packing"), [(1, 100_000, "buckets"), (1, 70, "varlen"), (2, 70, "buckets")]
)
def test_advantages_and_gaps_are_each_samples_own(
    hosts: Hosts, tiny_llama: Path, gaps: list[np.ndarray], world: int, budget: int, packing: str
) -> None:
    settings = {"world": world, "micro_batch_tokens": budget, "packing": packing}
    hosts.build(tiny_llama, records="tokens", **settings)
    found = figures(hosts, BATCH)
    trained = hosts.run("weights")
    assert_gaps(found, gaps, list(range(ALONE)))
    assert found.updated.all()
    centred = BATCH.rewards - np.array(
        [BATCH.rewards[BATCH.segment_ids == segment].mean() for segment in BATCH.segment_ids]
    )
    assert np.sign(np.round(found.advantage, 6)).tolist() == np.sign(np.round(centred, 6)).tolist()
    owner = np.repeat(np.arange(len(BATCH.rewards)), np.diff(BATCH.offsets))
    assert found.token_advantages is not None and found.token_logprobs is not None
    assert np.array_equal(np.isnan(found.token_advantages), ~BATCH.loss_mask)
    assert np.array_equal(np.isnan(found.token_logprobs), ~(BATCH.loss_mask & (owner != ALONE)))
    np.testing.assert_allclose(
        found.token_advantages[BATCH.loss_mask], found.advantage[owner[BATCH.loss_mask]], atol=1e-6
    )
    hosts.build(tiny_llama, **settings)
    answer = hosts.call("train", BATCH)
    assert answer.samples is None
    for name, value in hosts.run("weights").items():
        np.testing.assert_array_equal(value, trained[name], err_msg=name)


def test_a_later_update_has_gaps_of_the_start_or_none(
    hosts: Hosts, tiny_llama: Path, gaps: list[np.ndarray]
) -> None:
    first = [s for s in range(len(BATCH.rewards)) if BATCH.segment_ids[s] % 2 == 0 and s != ALONE]
    hosts.build(tiny_llama, records="samples", updates_per_batch=2, lr=1e-2)
    found = figures(hosts, BATCH)
    assert found.token_logprobs is None and found.token_advantages is None
    assert_gaps(found, gaps, first)
    assert found.updated.all() and not np.isnan(found.advantage).any()
    algorithm = {"reference": "proximal", "importance": "token"}
    hosts.build(tiny_llama, records="samples", algorithm=algorithm, updates_per_batch=2, lr=1e-2)
    assert_gaps(figures(hosts, BATCH), gaps, list(range(ALONE)))


def test_an_update_that_is_refused_moved_nobody_and_a_demonstration_has_no_figures(
    hosts: Hosts, tiny_llama: Path
) -> None:
    hosts.build(tiny_llama, records="samples", updates_per_batch=2)
    # group 1 is dealt to the second update
    rewards = np.where(np.arange(len(BATCH.rewards)) == 5, np.nan, BATCH.rewards)
    found = figures(hosts, replace(BATCH, rewards=rewards))
    assert found.updated.tolist() == [segment % 2 == 0 for segment in BATCH.segment_ids]
    shown = np.arange(len(BATCH.rewards)) == ALONE
    algorithm = {"demonstrations": {"coefficient": 1.0}}
    hosts.build(tiny_llama, records="samples", algorithm=algorithm)
    found = figures(hosts, replace(BATCH, demonstration=shown))
    assert np.isnan(found.advantage[ALONE]) and np.isnan(found.gap_mean[ALONE])
    assert found.updated[ALONE] and not np.isnan(found.advantage[:ALONE]).any()
