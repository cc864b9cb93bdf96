"""The four loops with scripted engines and learner: order, staleness, refills, re-issues and resume, in
milliseconds."""

import asyncio
import random
import shutil
import tempfile
import weakref
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from curricula import build_curriculum
from curricula.pool import PromptPool
from rl.batch.types import StepResult
from rl.config.schema import Config
from rl.engines.errors import EngineLost, FleetDead
from rl.engines.rollout_service import GroupFailed, RolloutService
from rl.run.advice import AdviceDesk
from rl.run.controller import Controller, Parts
from rl.run.state import RunState
from rl.run.state_file import read_document, write_document
from rl.stream.buffer import StreamBuffer
from rl.stream.waiting import Signal, StreamTimeout
from rl.weights.sync import SyncReport
from rollout.statistics import StatisticsStore
from rollout.types import Completion, FinishReason, Prompt, RewardResult, VersionSpan
from tests.unit.run.virtual_clock import played

PROMPTS = [Prompt(id=f"train/{i}", text=str(i), token_ids=(1, 2 + i), answer="x") for i in range(64)]


class ScriptedFleet:
    """Engines that take random time, fail now and then, and stamp tokens with the version they serve."""

    def __init__(
        self, rng: random.Random, *, loss_rate: float = 0.0, spread_s: float = 0.004, version: int = 0
    ) -> None:
        self.rng, self.loss_rate, self.spread_s = rng, loss_rate, spread_s
        self.changed = Signal()
        self.confirmed_version = version
        self.generated: list[int] = []
        self.outstanding = 0
        self.outstanding_at_push: list[int] = []
        self.aborted: list[int] = []

    async def generate(self, request, *, timeout_s):
        self.outstanding += len(request.seeds)
        try:
            return await self._generate(request)
        finally:
            self.outstanding -= len(request.seeds)

    async def _generate(self, request):
        start = self.confirmed_version
        await asyncio.sleep(self.rng.random() ** 3 * self.spread_s)
        if self.rng.random() < self.loss_rate:
            raise EngineLost("scripted")
        self.generated.append(request.group_id)
        spans = (VersionSpan(0, 1, start), VersionSpan(1, 2, self.confirmed_version))
        return [
            Completion(
                token_ids=np.array([5, 6], dtype=np.int32),
                behavior_logprobs=np.zeros(2, dtype=np.float32),
                loss_mask=np.ones(2, dtype=bool),
                spans=spans,
                finish_reason=FinishReason.STOP,
            )
            for _ in request.seeds
        ]

    async def abort(self, group_id):
        self.aborted.append(group_id)

    async def watch(self):
        await asyncio.Event().wait()


class ScriptedLearner:
    def __init__(self, delay_s: float = 0.001) -> None:
        self.delay_s = delay_s
        self.batches: list[Any] = []

    async def train(self, batch):
        await asyncio.sleep(self.delay_s)
        self.batches.append(batch)
        return StepResult(applied=True)


class ScriptedSync:
    def __init__(self, fleet: ScriptedFleet) -> None:
        self.fleet = fleet

    async def publish(self, version, batch):
        return version

    async def push(self, version):
        self.fleet.outstanding_at_push.append(self.fleet.outstanding)
        await asyncio.sleep(self.fleet.rng.random() * 0.002)
        assert version > self.fleet.confirmed_version, "versions never go back"
        self.fleet.confirmed_version = version
        self.fleet.changed.notify()
        return SyncReport(version=version, publish_s=0, push_s=0, probe_gap=None)


class ScriptedSaver:
    """Keeps what would be in a checkpoint's files after every step."""

    def __init__(self, buffer, curriculum, store) -> None:
        self.buffer, self.curriculum, self.store = buffer, curriculum, store
        self.directory = Path(tempfile.mkdtemp())
        weakref.finalize(self, shutil.rmtree, self.directory)
        self.snapshots: dict[int, Path] = {}

    def due(self, version):
        return True

    async def watch(self):
        await asyncio.Event().wait()

    async def save(self, state, learner, *, final=False):
        state = replace(
            state,
            stream=self.buffer.state_dict(),
            curriculum=self.curriculum.state_dict(),
            statistics=self.store.state_dict(),
        )
        self.snapshots[state.version] = self.directory / f"step-{state.version:08d}"
        self.snapshots[state.version].mkdir(exist_ok=True)
        write_document(self.snapshots[state.version], state.document())


def snapshots_of(controller) -> list[tuple[int, RunState]]:
    """Version and state, read from the files."""
    snapshots = sorted(controller.parts.saver.snapshots.items())
    return [(version, RunState.of_document(read_document(path))) for version, path in snapshots]


class Trace:
    def complete(self, *args, **kwargs):
        return None


class ScriptedRecorder:
    def __init__(self) -> None:
        self.trace = Trace()
        self.advice = AdviceDesk()
        self.trained_groups: list[tuple[int, int]] = []
        self.records: list[Any] = []

    def evaluation_due(self, version):
        return False

    def figures(self):
        return {}

    def trained(self, plan, *, applied):
        self.trained_groups += [(plan.step, g.request.group_id) for g in plan.kept()]

    async def step(self, record, *, plan, batch, result, state):
        self.records.append(plan)


class Scorer:
    """Right or wrong by prompt and position, so that some groups are mixed and some are not."""

    async def score(self, prompt, texts, truncated):
        kind = int(prompt.text) % 4
        right = [kind == 0 or (kind in (1, 2) and i % 2 == 0) for i in range(len(texts))]
        return [RewardResult(value=float(r), correct=r) for r in right]


def build(
    *,
    steps=12,
    staleness=1,
    seed=0,
    curriculum=None,
    state=None,
    loss_rate=0.0,
    learner=None,
    fleet=None,
    **stream,
):
    config = Config.model_validate(
        {
            "task": {"kind": "reasoning_gym"},
            "model": {"kind": "recipe"},
            "run": {"steps": steps, "seed": seed},
            "curriculum": curriculum or {},
            "stream": {
                "prompts_per_step": 6,
                "rollouts_per_prompt": 4,
                "max_staleness": staleness,
                "step_timeout_s": 5,
                "group_timeout_s": 5,
                "max_issues": 50,
                **stream,
            },
        }
    )
    version = state.version if state else 0
    fleet = fleet or ScriptedFleet(random.Random(seed), loss_rate=loss_rate, version=version)
    pool = PromptPool.from_prompts(PROMPTS)
    store = StatisticsStore(pool.ids, sampling_key="t1-p1-m64")
    stack = build_curriculum(config.curriculum.model_dump(), pool=pool, store=store, seed=seed, lag=staleness)
    buffer = StreamBuffer(
        max_staleness=staleness,
        pipeline_depth=config.stream.pipeline_depth,
        rollover_share=config.stream.rollover_share,
        spare=round(config.stream.redundant_share * config.stream.prompts_per_step),
    )
    if state is not None:
        buffer.load_state_dict(state.stream)
        store.load_state_dict(state.statistics)
        stack.load_state_dict(state.curriculum)
    recorder = ScriptedRecorder()
    service = RolloutService(
        fleet=fleet,
        scorer=Scorer(),
        decode=lambda batch: ["" for _ in batch],
        group_timeout_s=5,
        max_issues=config.stream.max_issues,
        trace=Trace(),
    )
    parts = Parts(
        prompts=PROMPTS,
        buffer=buffer,
        curriculum=stack,
        fleet=fleet,
        service=service,
        learner=learner or ScriptedLearner(),
        sync=ScriptedSync(fleet),
        saver=ScriptedSaver(buffer, stack, store),
        recorder=recorder,
    )
    return Controller(config=config, parts=parts, state=state or RunState())


def staleness_of(controller):
    return [
        int(step - version)
        for b in controller.parts.learner.batches
        for step, version in [(b.step, b.token_versions[b.loss_mask].min())]
    ]


@pytest.mark.parametrize("staleness", [0, 1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_staleness_stays_in_its_bound_and_every_plan_trains_once(staleness, seed):
    controller = build(staleness=staleness, seed=seed, loss_rate=0.1)
    assert asyncio.run(controller.run())
    assert max(staleness_of(controller)) <= staleness
    trained = controller.parts.recorder.trained_groups
    assert [step for step, _ in trained] == sorted(step for step, _ in trained)
    assert len({g for _, g in trained}) == len(trained) == 12 * 6
    assert controller.state.version == 12 and not controller.parts.buffer.plans


def test_the_bound_is_reached_when_the_learner_is_the_slow_half():
    controller = build(staleness=2, learner=ScriptedLearner(delay_s=0.02))
    asyncio.run(controller.run())
    assert max(staleness_of(controller)) == 2


def test_pipeline_depth_below_the_bound_keeps_staleness_below_it():
    controller = build(staleness=3, pipeline_depth=1, learner=ScriptedLearner(delay_s=0.02))
    asyncio.run(controller.run())
    assert max(staleness_of(controller)) == 1


def test_no_prompt_is_skipped_within_an_epoch():
    controller = build(steps=10, staleness=2, loss_rate=0.2)
    asyncio.run(controller.run())
    prompts = [g.prompt.id for plan in controller.parts.recorder.records for g in plan.groups]
    assert len(prompts) == 60 and len(set(prompts)) == 60


def test_dropped_groups_are_refilled_and_unequal_groups_go_through():
    stack = {"verdict": {"name": "mixed"}, "allocator": {"name": "knapsack"}}
    controller = build(steps=8, staleness=1, curriculum=stack, refill_rounds=3)
    asyncio.run(controller.run())
    plans = controller.parts.recorder.records
    assert any(p.refill_round > 0 for p in plans)
    assert all(g.group.mixed for p in plans for g in p.kept())
    for plan in plans:
        base = [g for g in plan.groups if (g.request.group_id >> 14) % 64 == 0]
        assert sum(len(g.request.seeds) for g in base) == 24


def test_a_step_without_any_group_keeps_the_weights_and_goes_on():
    controller = build(steps=3, curriculum={"verdict": {"name": "mixed"}})
    controller.parts.service._scorer = SimpleNamespace(score=_all_wrong)
    asyncio.run(controller.run())
    assert controller.state.version == 3 and controller.parts.learner.batches == []
    assert controller.state.totals.groups_dropped == 18


async def _all_wrong(prompt, texts, truncated):
    return [RewardResult(value=0.0, correct=False) for _ in texts]


@pytest.mark.parametrize("staleness", [0, 2])
def test_resume_from_any_snapshot_trains_the_same_groups_exactly_once(staleness):
    whole = build(staleness=staleness, steps=8)
    asyncio.run(whole.run())
    for version, state in snapshots_of(whole):
        resumed = build(staleness=staleness, steps=8, state=state, seed=0)
        asyncio.run(resumed.run())
        before = [t for t in whole.parts.recorder.trained_groups if t[0] < version]
        assert before + resumed.parts.recorder.trained_groups == whole.parts.recorder.trained_groups


def test_stop_leaves_after_the_step_in_progress_with_a_snapshot():
    async def scenario():
        controller = build(steps=1000, staleness=1)
        run = asyncio.create_task(controller.run())
        await asyncio.sleep(0.1)
        controller.stop()
        return controller, await run

    controller, finished = asyncio.run(scenario())
    assert not finished
    assert controller.state.version in controller.parts.saver.snapshots


def test_a_group_that_never_succeeds_ends_the_run_loudly():
    controller = build(loss_rate=1.0, max_issues=3)
    with pytest.raises(GroupFailed, match="failed 3 times"):
        asyncio.run(controller.run())


def test_a_learner_that_hangs_is_named_by_a_timeout():
    class Hung(ScriptedLearner):
        async def train(self, batch):
            raise StreamTimeout("waited 5 s for learner rank 0 to train step 0")

    with pytest.raises(StreamTimeout, match="learner rank 0"):
        asyncio.run(build(learner=Hung()).run())


def test_a_fleet_without_restarts_left_ends_the_run_though_nobody_asks_for_an_engine():
    controller = build(learner=ScriptedLearner(delay_s=60))

    async def watch():
        await asyncio.sleep(0.05)
        raise FleetDead("engine 0 died 4 times")

    controller.parts.fleet.watch = watch
    with pytest.raises(FleetDead, match="4 times"):
        asyncio.run(controller.run())


@pytest.mark.parametrize(("share", "most"), [(0.25, 6), (0.0, 0), (1.0, 24)])
def test_with_one_plan_ahead_weights_wait_for_it_to_come_near_its_end(share, most):
    controller = build(steps=10, staleness=1, push_at_share=share, learner=ScriptedLearner(delay_s=0.001))
    controller.parts.fleet.spread_s = 0.05
    played(controller.run())
    at_push = controller.parts.fleet.outstanding_at_push
    assert max(at_push) <= most
    assert share < 1 or max(at_push) > 6, "at once means in the middle of a plan"
