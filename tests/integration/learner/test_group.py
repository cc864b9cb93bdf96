"""The learner group on a real Ray: two ranks, one of them killed or stopped, and the rebuild."""

import asyncio
import os
import signal
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import psutil
import pytest
import ray

from rl.config.algorithm import AlgorithmConfig
from rl.config.learner import LearnerConfig
from rl.learner.actor import LearnerActor
from rl.learner.group import LearnerDead, LearnerGroup, LearnerHung
from rl.records.rundir import RunDir
from rl.run.checkpoint import CheckpointStore
from rl.run.state import RunState
from rl.run.surviving_learner import Restarts, SurvivingLearner
from tests.integration.learner.batches import make_batch

pytestmark = pytest.mark.usefixtures("local_ray")
BATCHES = [make_batch(seed) for seed in range(3)]


class SlowDisk(LearnerActor):
    """Takes three seconds to write a checkpoint."""

    @ray.method(concurrency_group="background")
    def wait_saved(self) -> None:
        time.sleep(3)
        super().wait_saved()


def make_group(
    model_path: Path, kind: type[LearnerGroup] = LearnerGroup, **arguments: object
) -> LearnerGroup:
    return kind(
        config=LearnerConfig(num_ranks=2, zero_stage=2, lr=1e-3),
        algorithm=AlgorithmConfig(),
        model_path=str(model_path),
        seed=0,
        total_steps=10,
        max_tokens=32,
        **arguments,
    )


def test_a_killed_rank_is_named_at_once_and_the_rebuilt_group_goes_on(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    monkeypatch.setattr("rl.learner.group.LearnerActor", SlowDisk)

    async def scenario() -> None:
        group = make_group(tiny_llama, timeout_s=60.0)
        facts = await group.start()
        assert len({fact["pid"] for fact in facts}) == 2
        await group.train(BATCHES[0])
        await group.save(str(tmp_path / "save"))
        writing = asyncio.create_task(group.wait_saved())
        expected = await group.train(BATCHES[1])
        assert not writing.done(), "a slow disk must not hold up training"
        await writing
        assert expected.applied and (await group.stats())[1]["tokens"] == sum(
            len(b.token_ids) for b in BATCHES[:2]
        )

        os.kill(facts[1]["pid"], signal.SIGKILL)
        started = time.monotonic()
        with pytest.raises(LearnerDead, match=r"rank 1 died during learner\.train") as caught:
            await group.train(BATCHES[2])
        assert caught.value.rank == 1 and time.monotonic() - started < 8

        again = await group.start()
        assert not {fact["pid"] for fact in again} & {fact["pid"] for fact in facts}
        with pytest.raises(ValueError, match="holds no learner state"):
            await group.load(str(tmp_path / "nothing"))
        await group.load(str(tmp_path / "save"))
        resumed = await group.train(BATCHES[1])
        assert resumed.metrics["loss/total"] == expected.metrics["loss/total"]
        assert resumed.metrics["learner/grad_norm"] == expected.metrics["learner/grad_norm"]

        os.kill(again[1]["pid"], signal.SIGSTOP)
        group._timeout_s = 3.0
        with pytest.raises(LearnerHung, match=r"waited 3 s for learner\.train on learner rank\(s\) \[0, 1\]"):
            await group.train(BATCHES[2])
        began = time.monotonic()
        await group.close()
        await group.close()
        assert time.monotonic() - began < 3, "nobody is asked who does not answer"
        # A rank that is stopped hears no word; Ray ends it by a signal, seconds later.
        gone, left = psutil.wait_procs([psutil.Process(again[1]["pid"])], timeout=30)
        assert gone and not left

    asyncio.run(scenario())


def test_one_set_of_options_per_rank_or_one_for_all(tiny_llama: Path) -> None:
    with pytest.raises(ValueError, match=r"actor_options: got 3 for learner\.num_ranks=2"):
        make_group(tiny_llama, actor_options=[{}, {}, {}])


def test_a_rank_killed_in_a_run_comes_back_and_trains_what_it_would_have(
    tiny_llama: Path, tmp_path: Path
) -> None:
    batches = [make_batch(seed) for seed in range(5)]
    store = CheckpointStore(RunDir(tmp_path / "run"), keep=1)

    async def trained(group: LearnerGroup, kill_before: int | None) -> list[dict[str, float]]:
        facts, metrics = await group.start(), []
        for batch in batches:
            if batch.step == kill_before:
                os.kill(facts[1]["pid"], signal.SIGKILL)
            result = await group.train(batch)
            metrics.append({k: v for k, v in result.metrics.items() if k != "learner/step_s"})
            if batch.step == 1:
                await group.save(str(store.begin(2) / "learner"))
                await group.wait_saved()
                named = store.commit(2, RunState(version=2))
                if isinstance(group, SurvivingLearner):
                    group.rest_on(named)
        await group.close()
        return metrics

    async def scenario() -> None:
        undisturbed = await trained(make_group(tiny_llama, timeout_s=60.0), None)
        for dies_at in (1, 4):
            restarts = Restarts(1)
            room = {"room_bytes": 1 << 20, "pause": nullcontext}
            group = make_group(tiny_llama, SurvivingLearner, timeout_s=60.0, **room)
            assert isinstance(group, SurvivingLearner)
            group.begin_at(None, restarts)
            assert await trained(group, dies_at) == undisturbed, "bit for bit, on one machine"
            assert restarts.left == 0
            replayed = {1: 1, 4: 2}[dies_at]
            assert group.metrics()["learner/replayed_batches"] == replayed, "from the base, from a checkpoint"

    asyncio.run(scenario())
