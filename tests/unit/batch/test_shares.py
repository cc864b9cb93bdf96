"""A batch divided among replicas, and put together again."""

import numpy as np

from rl.batch.shares import divided, taken, together, tokens_of
from rl.batch.types import SampleFigures, StepResult
from tests.integration.learner.batches import make_batch, part_of


def test_groups_stay_whole_and_tokens_even() -> None:
    batch = make_batch(1, sizes=(4, 2, 5, 3, 1, 4, 4, 2), longest=12)
    shares = divided(batch, 3)
    assert sorted(np.concatenate(shares).tolist()) == list(range(len(batch.rewards)))
    groups = [set(batch.segment_ids[share].tolist()) for share in shares]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 8
    tokens = [len(tokens_of(batch, share)) for share in shares]
    assert max(tokens) - min(tokens) <= max(np.bincount(batch.segment_ids, np.diff(batch.offsets)))
    assert [len(share) for share in divided(make_batch(1, sizes=(3,)), 2)] == [3, 0]


def test_a_share_is_the_batch_of_its_groups() -> None:
    batch = make_batch(2)
    for share in divided(batch, 2):
        segments = sorted(set(batch.segment_ids[share].tolist()))
        got, expected = taken(batch, share), part_of(batch, segments)
        for name in ("token_ids", "offsets", "segment_ids", "group_ids", "rewards", "behavior_logprobs"):
            assert np.array_equal(getattr(got, name), getattr(expected, name)), name


def test_results_come_together_sample_by_sample() -> None:
    batch = make_batch(3)
    shares = divided(batch, 2)
    results = []
    for index, share in enumerate(shares):
        part = taken(batch, share)
        figures = SampleFigures(
            updated=np.full(len(share), index == 0),
            advantage=share.astype(float),
            gap_mean=-share.astype(float),
            gap_max=share * 2.0,
            token_advantages=part.token_ids.astype(np.float32),
        )
        metrics = {"learner/tokens": float(len(part.token_ids)), "loss/total": float(index)}
        metrics["learner/step_s"] = 1.0 + index
        results.append(StepResult(applied=True, metrics=metrics, detail={"updates": 2}, samples=figures))
    whole = together(batch, shares, results)
    assert whole.samples is not None and whole.samples.token_advantages is not None
    assert whole.samples.advantage.tolist() == list(range(len(batch.rewards)))
    assert np.array_equal(whole.samples.updated, np.isin(np.arange(len(batch.rewards)), shares[0]))
    assert np.array_equal(whole.samples.token_advantages, batch.token_ids)
    second = len(tokens_of(batch, shares[1]))
    assert whole.metrics == {
        "learner/tokens": float(len(batch.token_ids)),
        "loss/total": second / len(batch.token_ids),
        "learner/step_s": 2.0,
    }
    assert whole.detail == {"updates": 4} and whole.applied

    # What one replica did not finish is not a number, and not updated.
    alone = together(batch, shares[:1], results[:1]).samples
    assert (
        alone is not None
        and np.isnan(alone.advantage[shares[1]]).all()
        and not alone.updated[shares[1]].any()
    )
