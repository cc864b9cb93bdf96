"""What benchmarks put in the place of our own parts takes the calls that those take."""

import inspect

import pytest

from benchmarks.speed import controller, learner
from rl.learner.micro_batch import plan_micro_batches
from rl.learner.rank import LearnerRank


def parameters(function) -> list[tuple[str, object]]:
    return [(one.name, one.kind) for one in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("method", ["train", "save", "wait_saved"])
def test_the_scripted_rank_is_called_as_a_rank_is(method):
    assert parameters(getattr(controller.ScriptedRank, method)) == parameters(getattr(LearnerRank, method))


def test_random_micro_batches_are_planned_as_ours_are():
    assert parameters(learner.random_micro_batches) == parameters(plan_micro_batches)
