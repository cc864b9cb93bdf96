"""The search over splits, staleness and batch."""

import pytest

from rl.simulation.search import search
from rl.simulation.spec import SystemSpec


def spec(**learner) -> SystemSpec:
    """A plan is 3.2 s of one engine and 1.6 s of one rank."""
    return SystemSpec.model_validate(
        {
            "plan": {"prompts_per_step": 16, "rollouts_per_prompt": 2, "push_at_share": 1.0},
            "lengths": {"median": 100, "sigma": 0, "prompt_tokens": 0},
            "engines": {"seconds": {"sampled": 0.001}},
            "learner": {"token_s": 1.6 / 3200, **learner},
            "layout": {"switch_s": 0.1},
        }
    )


def test_the_split_is_that_of_the_work_and_one_step_of_staleness_is_enough() -> None:
    found = search(spec(), 6, max_staleness=2, batches=(1.0,))
    assert (found.chosen.spec.engines.count, found.chosen.spec.learner.ranks) == (4, 2)
    assert found.chosen.spec.plan.max_staleness == 1
    assert found.chosen.found.step_s == pytest.approx(0.8, rel=0.03)


def test_a_larger_batch_is_taken_where_the_step_has_fixed_seconds() -> None:
    found = search(spec(step_s=5.0), 2, max_staleness=1, batches=(1.0, 4.0))
    assert found.chosen.spec.plan.prompts_per_step == 64


def test_all_three_layouts_are_tried() -> None:
    tried = search(spec(), 4, max_staleness=1, batches=(1.0,), steps=4).splits
    assert {one.spec.layout.kind for one in tried} == {"split", "colocated", "hybrid"}
    assert all(one.spec.gpus <= 4 for one in tried)
    assert {one.layout for one in tried} >= {"2:2", "4 shared", "4, 1 shared"}


def test_too_few_gpus_are_named() -> None:
    with pytest.raises(ValueError, match="--gpus 1"):
        search(spec(gpus=2), 1, max_staleness=0)


def test_pushes_of_every_second_step_need_a_plan_ahead() -> None:
    sparse = spec().model_copy(update={"sync": spec().sync.model_copy(update={"every": 2})})
    found = search(sparse, 4, max_staleness=2, batches=(1.0,), steps=8)
    assert {one.spec.plan.max_staleness for one in found.staleness} == {1, 2}
    with pytest.raises(ValueError, match=r"--max-staleness 0: with sync\.every=2 .* at least 1"):
        search(sparse, 4, max_staleness=0)
