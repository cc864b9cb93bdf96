"""Which gap between engine and learner is rounding, and which ends the run."""

import asyncio
import logging
from types import SimpleNamespace

import numpy as np
import pytest

from rl.config.load import load_config
from rl.engines.errors import EngineLost
from rl.weights.probe import (
    COMPLETION_TOKENS,
    LOW_PRECISION_GAP,
    PROMPT_TOKENS,
    GapJudge,
    ProbeSequence,
    WeightMismatch,
    calibration_requests,
    gap,
    newest_sequences,
    nominal_lengths,
    probe_sequence,
)
from rl.weights.sync import WeightSync
from rollout.engine import WeightUpdate
from tests.integration.learner.batches import make_batch


def judge(*, floor: float = 1e-3, factor: float = 4.0, exact: bool = False) -> GapJudge:
    return GapJudge(floor=floor, factor=factor, exact=exact)


def test_the_limit_is_a_factor_over_the_first_gap_and_never_below_the_floor() -> None:
    low, exact = judge(), judge(exact=True)
    low.calibrate(0.04)
    exact.calibrate(1e-6)
    assert low.limit == pytest.approx(0.16) and exact.limit == 1e-3


def test_healthy_bf16_gaps_pass_that_the_fixed_tolerance_of_before_ended() -> None:
    """Four runs of one config had gaps of .064 to .155 at version 1, on an advised tolerance of .1."""
    healthy = judge()
    healthy.calibrate(0.043)
    for version, found in enumerate([0.064, 0.111, 0.155, 0.014], start=1):
        healthy.judge(version, found)


def test_the_first_gap_over_the_limit_warns_and_the_second_in_a_row_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watched = judge()
    watched.calibrate(0.02)
    with caplog.at_level(logging.WARNING):
        watched.judge(1, 0.1)
    assert "version 1" in caplog.text and "rollout.probe_factor=4" in caplog.text
    watched.judge(2, 0.01)  # all is well again
    watched.judge(3, 0.1)
    with pytest.raises(WeightMismatch, match=r"version 4.*1.00e-01 nats.*limit 8.00e-02"):
        watched.judge(4, 0.1)


@pytest.mark.parametrize("found", [0.33, float("nan"), float("inf")])
def test_a_gap_far_over_the_limit_or_no_number_ends_at_once(found: float) -> None:
    watched = judge()
    watched.calibrate(0.02)
    with pytest.raises(WeightMismatch):
        watched.judge(1, found)


@pytest.mark.parametrize(
    ("exact", "first"), [(True, 2e-3), (False, 1.1 * LOW_PRECISION_GAP), (False, float("nan"))]
)
def test_a_first_gap_that_no_rounding_explains_ends_before_any_training(exact: bool, first: float) -> None:
    with pytest.raises(WeightMismatch, match="before anything was trained"):
        judge(exact=exact).calibrate(first)


def test_without_a_calibration_float32_keeps_to_the_floor() -> None:
    exact = judge(exact=True)
    with pytest.raises(WeightMismatch):
        exact.judge(1, 0.1)
    judge().judge(1, 0.4)


def test_only_completions_count_and_the_worst_engine() -> None:
    sequences = [ProbeSequence([1, 2, 3, 4], 2), ProbeSequence([5, 6], 1)]
    learner = [[-9.0, -1.0, -1.0], [-2.0]]
    near, far = [[0.0, -1.0, -1.0], [-2.0]], [[-9.0, -1.0, -2.0], [-2.5]]
    assert gap(sequences, learner, [near, far]) == pytest.approx(0.5)
    assert gap(sequences, learner, [near]) == 0.0
    assert gap(sequences, learner, []) is None


def test_sequences_are_the_end_of_the_prompt_and_the_beginning_of_the_completion() -> None:
    long = probe_sequence(range(200), range(1000, 1100))
    assert long.token_ids[: long.first] == list(range(200 - PROMPT_TOKENS, 200))
    assert long.token_ids[long.first :] == list(range(1000, 1000 + COMPLETION_TOKENS))
    batch = make_batch()
    found = newest_sequences(batch)
    assert len(found) == 4
    starts = [batch.token_ids[a:b].tolist() for a, b in zip(batch.offsets, batch.offsets[1:], strict=False)]
    assert all(any(s.token_ids == tokens[: len(s.token_ids)] for tokens in starts) for s in found)
    batch.demonstration[:] = True
    assert newest_sequences(batch) == []


class Scripted:
    """A learner and a fleet whose log-probs differ by ``apart`` on sampled tokens, and by nats on prompts."""

    def __init__(self) -> None:
        self.apart, self.lost = 0.02, 1
        self.scored: list[list[list[int]]] = []

    async def generate(self, request, *, timeout_s):
        if self.lost:
            self.lost -= 1
            raise EngineLost("engine 0 died")
        return [SimpleNamespace(token_ids=np.array([7, 8]))]

    async def publish(self, version, directory):
        return WeightUpdate(version=version, transport="shm", path="f", tensors=(), checksum="c")

    async def push(self, update):
        return None

    async def score(self, sequences):
        self.scored.append(sequences)
        return [[-1.0] * (len(s) - 1) for s in sequences]

    async def engine_score(self, sequences):
        return [[[-3.0] * (len(s) - 3) + [-1.0 - self.apart] * 2 for s in sequences]]


def test_sync_calibrates_on_completions_of_the_base_and_then_judges() -> None:
    world = Scripted()
    fleet = SimpleNamespace(generate=world.generate, push=world.push, score=world.engine_score)
    prompts = [SimpleNamespace(token_ids=(1, 2, 3 + i)) for i in range(9)]
    requests = calibration_requests(prompts, load_config("quickstart"))
    assert len({r.group_id for r in requests}) == len(requests) == 4
    assert nominal_lengths(requests) == [35] * 4
    sync = WeightSync(
        learner=world,
        fleet=fleet,
        directory="unused",
        judge=judge(),
        probe_every=1,
        calibration=requests,
    )

    async def run() -> None:
        await sync.calibrate(timeout_s=1)
        assert world.scored[0] == [[*r.prompt_token_ids, 7, 8] for r in requests]
        world.apart = 0.07
        assert (await sync.push(await sync.publish(1))).probe_gap == pytest.approx(0.07)
        world.apart = 2.0
        with pytest.raises(WeightMismatch):
            await sync.push(await sync.publish(2))

    asyncio.run(run())


def test_the_learner_scores_the_probe_while_the_engines_load() -> None:
    events: list[str] = []

    class Slow(Scripted):
        async def push(self, update):
            events.append("loaded")

        async def score(self, sequences):
            events.append("asked")
            while "loaded" not in events:
                await asyncio.sleep(0)
            events.append("scored")
            return await super().score(sequences)

    world = Slow()
    fleet = SimpleNamespace(push=world.push, score=world.engine_score)
    sync = WeightSync(learner=world, fleet=fleet, directory="unused", judge=judge(), probe_every=1)
    sync._probe = [probe_sequence((1, 2, 3), (7, 8))]

    async def run() -> float | None:
        published = await sync.publish(1)
        assert events == ["asked"]
        return (await sync.push(published)).probe_gap

    assert asyncio.run(asyncio.wait_for(run(), 10)) == pytest.approx(0.02)
    assert events == ["asked", "loaded", "scored"]
