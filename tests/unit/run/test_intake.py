"""Batches that reach the learner in parts: the same groups in the same steps as whole ones, whatever the
timing."""

import asyncio
import logging

import numpy as np
import pytest

from rl.batch.types import StepResult
from rl.stream.plans import make_group_id
from tests.unit.run.test_controller import ScriptedLearner, build, snapshots_of, staleness_of

MIXED = {"verdict": {"name": "mixed"}, "allocator": {"name": "knapsack"}}


class LearnerInParts(ScriptedLearner):
    """Takes parts, and holds every step to what it was given."""

    whole_batch: str | None = None

    def __init__(self, delay_s: float = 0.001) -> None:
        super().__init__(delay_s)
        self.parts: list[np.ndarray] = []
        self.abandoned: list[int] = []
        self.parts_of_steps: list[int] = []

    async def train(self, batch):
        assert not self.parts
        self.parts_of_steps.append(0)
        return await super().train(batch)

    async def accumulate(self, part):
        await asyncio.sleep(self.delay_s / 3)
        self.parts.append(part.group_ids)

    async def complete(self, batch, rest):
        given = np.concatenate([*self.parts, *([] if rest is None else [rest.group_ids])])
        assert sorted(given) == list(batch.group_ids), "each group of the batch once, nothing else"
        self.parts_of_steps.append(len(self.parts))
        self.parts = []
        await asyncio.sleep(self.delay_s / 3)
        self.batches.append(batch)
        return StepResult(applied=True)

    async def abandon(self):
        self.abandoned.append(len(self.parts))
        self.parts = []


def in_parts(*, learner=None, spread_s=0.02, **settings):
    """A run whose learner has room for a group or two at a time."""
    learner = learner or LearnerInParts()
    controller = build(learner=learner, inside_batch=True, **settings)
    controller.config.learner.__dict__["micro_batch_tokens"] = 80
    controller.parts.fleet.spread_s = spread_s
    return controller


def never_whole(controller, *, step):
    """The last group of plan ``step`` is never sampled."""
    generate = controller.parts.fleet.generate

    async def held(request, *, timeout_s):
        if request.group_id == make_group_id(step, 0, 5):
            await asyncio.Event().wait()
        return await generate(request, timeout_s=timeout_s)

    controller.parts.fleet.generate = held


@pytest.mark.parametrize("staleness", [0, 1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_the_lineage_is_that_of_whole_batches(staleness, seed):
    whole = build(staleness=staleness, seed=seed, learner=LearnerInParts())
    asyncio.run(whole.run())
    parts = in_parts(staleness=staleness, seed=seed, loss_rate=0.1)
    asyncio.run(parts.run())
    assert parts.parts.recorder.trained_groups == whole.parts.recorder.trained_groups
    assert max(staleness_of(parts)) <= staleness
    assert sum(parts.parts.learner.parts_of_steps) > 0 == sum(whole.parts.learner.parts_of_steps)
    for ours, theirs in zip(parts.parts.learner.batches, whole.parts.learner.batches, strict=True):
        assert np.array_equal(ours.group_ids, theirs.group_ids)
        assert np.array_equal(ours.rewards, theirs.rewards)


def test_dropped_groups_refills_and_late_groups_go_through():
    controller = in_parts(
        steps=10, staleness=2, curriculum=MIXED, refill_rounds=3, rollover_share=0.4, spread_s=0.03
    )
    asyncio.run(controller.run())
    plans = controller.parts.recorder.records
    assert any(p.refill_round > 0 for p in plans) and any(p.rolled_over for p in plans)
    assert sum(controller.parts.learner.parts_of_steps) > 0
    trained = [g for _, g in controller.parts.recorder.trained_groups]
    assert len(set(trained)) == len(trained)


@pytest.mark.parametrize("staleness", [0, 2])
def test_a_resume_trains_the_same_groups_exactly_once(staleness):
    whole = in_parts(staleness=staleness, steps=4, spread_s=0.01)
    asyncio.run(whole.run())
    for version, state in snapshots_of(whole):
        resumed = in_parts(staleness=staleness, steps=4, spread_s=0.01, state=state)
        asyncio.run(resumed.run())
        before = [t for t in whole.parts.recorder.trained_groups if t[0] < version]
        assert before + resumed.parts.recorder.trained_groups == whole.parts.recorder.trained_groups


def test_a_learner_that_dies_in_the_middle_of_a_step_loses_nothing_and_doubles_nothing():
    class Dying(LearnerInParts):
        async def accumulate(self, part):
            await super().accumulate(part)
            if len(self.batches) == 4:
                raise RuntimeError("rank 0 died")

    whole = in_parts(steps=8, staleness=1)
    asyncio.run(whole.run())
    broken = in_parts(steps=8, staleness=1, learner=Dying())
    never_whole(broken, step=4)
    with pytest.raises(RuntimeError, match="rank 0 died"):
        asyncio.run(broken.run())
    version, state = snapshots_of(broken)[-1]
    resumed = in_parts(steps=8, staleness=1, state=state)
    asyncio.run(resumed.run())
    before = [t for t in broken.parts.recorder.trained_groups if t[0] < version]
    assert version == 4
    assert before + resumed.parts.recorder.trained_groups == whole.parts.recorder.trained_groups


def test_a_stop_in_the_middle_of_a_step_discards_its_parts():
    class Stopping(LearnerInParts):
        async def accumulate(self, part):
            await super().accumulate(part)
            if len(self.batches) == 3:
                controller.stop()

    controller = in_parts(steps=1000, staleness=0, learner=Stopping())
    never_whole(controller, step=3)
    assert not asyncio.run(controller.run())
    learner = controller.parts.learner
    assert learner.abandoned == [1] and len(learner.batches) == controller.state.version == 3
    assert 3 in controller.parts.saver.snapshots


def test_rewards_are_shaped_once_though_the_curriculum_moves_meanwhile():
    controller = in_parts(steps=4, staleness=0)
    asked: list[int] = []

    def shape(group):
        asked.append(group.group_id)
        return {"bonus": np.full(len(group.rollouts), float(len(asked)))}

    controller.parts.curriculum.shape = shape
    asyncio.run(controller.run())
    assert len(asked) == len(set(asked)) == 4 * 6
    for batch in controller.parts.learner.batches:
        bonus = {asked[int(value) - 1] for value in batch.components["bonus"]}
        assert bonus == set(batch.group_ids.tolist())


@pytest.mark.parametrize("needs", ["learner", "objective", "credit"])
def test_what_needs_whole_batches_gets_them_and_the_log_says_why(needs, caplog):
    learner = LearnerInParts()
    if needs == "learner":
        learner.whole_batch = "algorithm.advantage gae may read other groups"
    controller = build(learner=learner, steps=3)
    intake = controller._intake
    assert not intake._in_parts, "off unless asked for"
    arguments = {
        "config": controller.config.model_copy(
            update={"stream": controller.config.stream.model_copy(update={"inside_batch": True})}
        ),
        "buffer": controller.parts.buffer,
        "curriculum": controller.parts.curriculum,
        "learner": learner,
        "annotate": (lambda groups: groups) if needs == "objective" else list,
        "signal": controller.parts.fleet.changed,
        "stopped": asyncio.Event(),
        "trace": controller.parts.recorder.trace,
    }
    if needs == "credit":
        arguments["curriculum"] = type("Stack", (), {"gives_credit": True})()
    with caplog.at_level(logging.WARNING):
        assert not type(intake)(**arguments)._in_parts
    said = {"learner": "gae", "objective": "more of a batch's groups", "credit": "token advantages"}
    assert "stream.inside_batch" in caplog.text and said[needs] in caplog.text
