"""Ranks that die and come back where they were: what they train again, in which order calls are answered, and
when the run must go back as a whole."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ray.core.generated.common_pb2 import ActorDiedErrorContext
from ray.exceptions import ActorDiedError

import rl.learner.group
from rl.batch.types import StepResult, TrainingBatch
from rl.config.algorithm import AlgorithmConfig
from rl.config.learner import LearnerConfig
from rl.learner.group import LearnerDead, LearnerHung, _verdict
from rl.records.trace import TraceWriter
from rl.run.saver import Saver, SnapshotLost
from rl.run.state import RunState
from rl.run.surviving_learner import FREE, Restarts, SurvivingLearner
from rl.run.train import what_died

COLUMNS = [field.name for field in fields(TrainingBatch) if field.type is np.ndarray]
SIZE = 4 * len(COLUMNS)
"""Bytes of a batch."""


def batch(step: int) -> TrainingBatch:
    columns: dict[str, Any] = {name: np.zeros(1, np.float32) for name in COLUMNS}
    return TrainingBatch(step=step, temperature=1.0, **columns)


def checkpoint(step: int, damage: str | None = None) -> Any:
    return SimpleNamespace(step=step, learner_dir=Path(f"step-{step}"), damage=lambda: damage)


class Ranks(SurvivingLearner):
    """Weights are the list of the batches that made them; the next call of a name in ``dies`` kills them."""

    def __init__(self, *, restarts: int = 2, room_bytes: int = 1 << 20, begin: Any = None) -> None:
        super().__init__(
            room_bytes=room_bytes,
            pause=nullcontext,
            config=LearnerConfig(),
            algorithm=AlgorithmConfig(),
            model_path="base",
            seed=0,
            total_steps=10,
            max_tokens=8,
        )
        self.begin_at(begin, Restarts(restarts))
        self.dies: list[str] = []
        self.weights: list[Any] = []
        self.parts: list[int] = []
        self.alive = True
        self.built = 0
        self.calls: list[str] = []
        self.scored: list[list[Any]] = []

    async def start(self) -> list[dict[str, Any]]:
        self.alive, self.weights, self.parts = True, [], []
        self.calls.append("start")
        self.built += 1
        await asyncio.sleep(0.01)
        return []

    async def _call(self, method: str, *arguments: Any, timeout_s: float | None = None) -> list[Any]:
        self.calls.append(method)
        if method in self.dies:
            self.dies.remove(method)
            self.alive = False
        built = self.built
        await asyncio.sleep(0.002 if method == "score" else 0.001)
        if not self.alive or self.built != built:
            raise LearnerDead(0, method)
        if method == "load":
            self.weights = [arguments[0]]
        elif method == "accumulate":
            self.parts.append(arguments[0].step)
        elif method in ("train", "complete"):
            self.weights.append(arguments[0].step)
            self.parts = []
            return [StepResult(applied=True)]
        elif method == "score":
            self.scored.append(list(self.weights))
            return [[[0.0]]]
        return [SimpleNamespace(path=arguments[1])] if method == "publish" else [None]


@pytest.fixture(autouse=True)
def no_object_store(monkeypatch: pytest.MonkeyPatch) -> None:
    async def same(value: Any) -> Any:
        return value

    monkeypatch.setattr(rl.learner.group, "put_batch", same)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 20))


def test_dead_ranks_come_back_where_they_were() -> None:
    async def scenario() -> None:
        ranks = Ranks(begin=checkpoint(3))
        ranks.weights = ["step-3"]
        for step in (3, 4):
            await ranks.train(batch(step))
        ranks.dies = ["train"]
        assert (await ranks.train(batch(5))).applied
        assert ranks.weights == ["step-3", 3, 4, 5]
        ranks.rest_on(checkpoint(5))
        ranks.dies = ["publish"]
        update = await ranks.publish(6, "/nowhere")
        assert ranks.weights == ["step-5", 5], "of the batches, those since the newest checkpoint"
        assert update.path == "/nowhere/life-2", "files that no engine reads"
        assert ranks.metrics() == {"learner/restarts": 2.0, "learner/replayed_batches": 3.0}

    run(scenario)


def test_without_a_checkpoint_they_begin_with_the_base() -> None:
    async def scenario() -> None:
        ranks = Ranks()
        for step in range(3):
            ranks.dies = ["train"] if step == 2 else []
            await ranks.train(batch(step))
        assert ranks.weights == [0, 1, 2] and "load" not in ranks.calls

    run(scenario)


def test_what_was_asked_before_a_step_is_answered_by_the_weights_before_it() -> None:
    async def scenario() -> None:
        ranks = Ranks()
        await ranks.train(batch(0))
        for dying in ("score", "train"):
            ranks.dies, ranks.scored = [dying], []
            step = len(ranks.weights)
            score = asyncio.create_task(ranks.score([[1]]))
            await asyncio.sleep(0)
            await asyncio.gather(score, ranks.train(batch(step)))
            assert ranks.scored == [list(range(step))] and ranks.weights == list(range(step + 1))

    run(scenario)


def test_a_call_that_comes_while_they_are_away_waits_for_them() -> None:
    async def scenario() -> None:
        ranks = Ranks()
        ranks.dies = ["train"]
        training = asyncio.create_task(ranks.train(batch(0)))
        while "start" not in ranks.calls:
            await asyncio.sleep(0)
        await ranks.score([[1]])
        assert ranks.scored == [[0]] and training.done()

    run(scenario)


def test_parts_that_died_come_with_the_whole_batch() -> None:
    async def scenario() -> None:
        ranks = Ranks()
        await ranks.accumulate(batch(0))
        ranks.dies = ["accumulate"]
        await ranks.accumulate(batch(0))
        await ranks.accumulate(batch(0))
        assert ranks.parts == [], "a rest of the parts would not be the batch"
        await ranks.complete(batch(0), batch(0))
        await ranks.accumulate(batch(1))
        await ranks.complete(batch(1), None)
        assert ranks.weights == [0, 1]
        asked = [call for call in ranks.calls if call in ("train", "complete")]
        assert asked == ["train", "complete"], "whole where parts died"

    run(scenario)


@pytest.mark.parametrize("early", [True, False], ids=["before it is waited for", "while it is waited for"])
def test_new_ranks_never_answer_for_files_that_the_old_ones_wrote(tmp_path: Path, early: bool) -> None:
    class Store:
        def __init__(self) -> None:
            self.committed: list[int] = []

        def begin(self, step: int) -> Path:
            return tmp_path

        def commit(self, step: int, state: RunState) -> Any:
            self.committed.append(step)
            return checkpoint(step)

    async def scenario() -> None:
        ranks, store = Ranks(), Store()
        await ranks.save(str(tmp_path / "learner"))
        ranks.dies = ["train" if early else "wait_saved"]
        if early:
            await ranks.train(batch(0))
        with pytest.raises(SnapshotLost):
            await ranks.wait_saved()

        part: Any = SimpleNamespace(state_dict=dict, snapshot=lambda: dict)
        soon = asyncio.Event()
        saver = Saver(
            store=store,
            buffer=part,
            curriculum=part,
            statistics=part,
            every=5,
            early=soon,
            timeout_s=5,
            trace=TraceWriter(tmp_path / "trace.json"),
            named=ranks.rest_on,
        )
        ranks.dies = ["wait_saved"]
        soon.set()
        assert saver.due(1)
        await saver.save(RunState(version=1), ranks)
        assert not saver.due(1) and saver.due(5), "early is once"
        await saver.settle()
        assert store.committed == [], "it never gets its name"
        await saver.save(RunState(version=2), ranks, final=True)
        assert store.committed == [2] and ranks._checkpoint.step == 2
        ranks._restarts.left = 1
        ranks.dies = ["wait_saved"]
        await saver.save(RunState(version=3), ranks, final=True)
        assert store.committed == [2, 3], "the last one is written again"

    run(scenario)


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"restarts": 0}, 1),
        ({"begin": checkpoint(0, damage="shard.pt is missing")}, 1),
        ({"room_bytes": 2 * SIZE}, 3),
    ],
    ids=["no restart left", "a damaged checkpoint", "more batches than are kept"],
)
def test_where_they_cannot_catch_up_the_run_goes_back(options: dict, steps: int) -> None:
    async def scenario() -> None:
        ranks = Ranks(**options)
        for step in range(steps):
            await ranks.train(batch(step))
        ranks.dies = ["train"]
        with pytest.raises(LearnerDead):
            await ranks.train(batch(steps))
        assert "start" not in ranks.calls and ranks._restarts.taken == 0, "a restart of the run is one, too"

    run(scenario)


def test_a_newer_checkpoint_makes_room_again() -> None:
    async def scenario() -> None:
        ranks = Ranks(room_bytes=2 * SIZE)
        for step in range(3):
            await ranks.train(batch(step))
        ranks.rest_on(checkpoint(1))
        ranks.dies = ["train"]
        await ranks.train(batch(3))
        assert ranks.weights == ["step-1", 1, 2, 3]

    run(scenario)


def test_a_rank_that_never_ran_because_its_node_went_is_no_restart() -> None:
    restarts = Restarts(1)
    assert restarts.take(LearnerDead(0, "learner.setup", ran=False)) and restarts.left == 1
    assert restarts.take(LearnerDead(0, "learner.train")) and restarts.left == 0
    assert not restarts.take(LearnerDead(0, "learner.train"))
    assert not restarts.take(LearnerHung([1], "learner.train", 40)), "one that stood still had run"
    free = [restarts.take(LearnerDead(0, "learner.setup", ran=False)) for _ in range(FREE)]
    assert free == [True] * (FREE - 1) + [False], "not for ever"
    gone = ActorDiedError(ActorDiedErrorContext(never_started=True, actor_id=b"0" * 16))

    async def verdict() -> BaseException:
        async def fails() -> None:
            raise gone

        task = asyncio.ensure_future(fails())
        await asyncio.wait([task])
        return _verdict([task], "learner.setup")

    found = asyncio.run(verdict())
    assert isinstance(found, LearnerDead) and not found.ran
    both = BaseExceptionGroup("loops", [BaseExceptionGroup("one", [RuntimeError("dragged along"), found])])
    assert what_died(both) is found and what_died(RuntimeError("alone")) is None
