"""Three batches with one that must be refused between them, and how two such runs are compared."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rl.batch.types import StepResult, TrainingBatch
from tests.integration.learner.batches import make_batch
from tests.integration.learner.learner_host import Hosts

BATCHES = [make_batch(seed) for seed in range(3)]
Curve = tuple[list[StepResult], dict[str, np.ndarray]]


def poisoned(batch: TrainingBatch) -> TrainingBatch:
    """One reward is not a number."""
    return replace(batch, rewards=np.where(np.arange(len(batch.rewards)) == 5, np.nan, batch.rewards))


def run_curve(hosts: Hosts, *, with_nan: bool = True) -> Curve:
    """Results of the batches and the weights after them; the poisoned batch must be refused and leave the
    weights as they were."""
    results = [hosts.call("train", BATCHES[0])]
    if with_nan:
        before = hosts.run("weights")
        refused = hosts.call("train", poisoned(BATCHES[1]))
        assert not refused.applied and not np.isfinite(refused.metrics["learner/grad_norm"])
        after = hosts.run("weights")
        assert all(np.array_equal(before[name], after[name]) for name in before)
    results += [hosts.call("train", batch) for batch in BATCHES[1:]]
    assert all(result.applied for result in results)
    return results, hosts.run("weights")


def assert_same(
    got: Curve, expected: Curve, *, keys: tuple[str, ...], atol: float = 3e-5, weights: float = 3e-4
) -> None:
    """Metrics ``keys`` of every step within ``atol``, the gradients' norm within 1e-4 of itself, the weights
    within ``weights``."""
    for result, other in zip(got[0], expected[0], strict=True):
        for key in keys:
            assert result.metrics[key] == pytest.approx(other.metrics[key], abs=atol), (
                key,
                result.metrics,
                other.metrics,
            )
        assert result.metrics["learner/grad_norm"] == pytest.approx(
            other.metrics["learner/grad_norm"], rel=max(1e-4, 10 * atol)
        )
    assert got[1].keys() == expected[1].keys()
    for name, value in got[1].items():
        np.testing.assert_allclose(value, expected[1][name], atol=weights, err_msg=name)


def one_rank(hosts: Hosts, path: Any, **config: Any) -> Curve:
    """The same on one rank at ZeRO-0, in one micro-batch, without the poisoned batch: what all others are
    compared with."""
    hosts.build(path, **{"micro_batch_tokens": 100_000} | config)
    return run_curve(hosts, with_nan=False)
