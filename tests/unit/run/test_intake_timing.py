"""What parts of a batch gain, on a clock that only waits move: the real controller, a model of an engine that
batches continuously, and a learner whose seconds are known. Nothing here depends on the machine."""

import asyncio
import random
from typing import Any

import numpy as np
import pytest

from rl.batch.types import StepResult
from rollout.types import Completion, FinishReason, VersionSpan
from tests.unit.run.test_controller import ScriptedFleet, build
from tests.unit.run.test_intake import LearnerInParts
from tests.unit.run.virtual_clock import VirtualLoop

SEATS = 128
STEP_S, SEQUENCE_S, PREFILL_S = 0.003, 68e-6, 1.4e-3
"""An engine step, each sequence in it, and each that joins: about the quickstart's with a quarter of its
sequences, as are the next two."""
TRAIN_S, CALL_S = 0.41, 0.015
"""A batch on the learner, and every call of it."""


class SharedEngine(ScriptedFleet):
    """All sequences take their steps together; a step takes as long as there are sequences in it."""

    def __init__(self) -> None:
        super().__init__(random.Random(0))
        self.waiting: list[list[Any]] = []
        self.running: list[list[Any]] = []
        self.work: asyncio.Task[None] | None = None

    async def _generate(self, request):
        version = self.confirmed_version
        draw = np.random.default_rng(request.group_id)
        lengths = np.clip(np.exp(draw.normal(np.log(10), 0.6, len(request.seeds))).astype(int), 2, 64)
        done = [asyncio.get_running_loop().create_future() for _ in lengths]
        self.waiting += [[int(length), future] for length, future in zip(lengths, done, strict=True)]
        if self.work is None or self.work.done():
            self.work = asyncio.create_task(self._until_idle())
        await asyncio.gather(*done)
        return [
            Completion(
                token_ids=np.full(length, 5, dtype=np.int32),
                behavior_logprobs=np.zeros(length, dtype=np.float32),
                loss_mask=np.ones(length, dtype=bool),
                spans=(VersionSpan(0, int(length), version),),
                finish_reason=FinishReason.STOP,
            )
            for length in lengths
        ]

    async def _until_idle(self):
        while self.waiting or self.running:
            room = SEATS - len(self.running)
            joining, self.waiting = self.waiting[:room], self.waiting[room:]
            self.running += joining
            await asyncio.sleep(STEP_S + SEQUENCE_S * len(self.running) + PREFILL_S * len(joining))
            for sequence in self.running:
                sequence[0] -= 1
                if sequence[0] == 0:
                    sequence[1].set_result(None)
            self.running = [sequence for sequence in self.running if sequence[0]]


class TimedLearner(LearnerInParts):
    async def train(self, batch):
        await asyncio.sleep(CALL_S + TRAIN_S * len(batch.rewards) / SEATS)
        return StepResult(applied=True)

    async def accumulate(self, part):
        await asyncio.sleep(CALL_S + TRAIN_S * len(part.rewards) / SEATS)

    async def complete(self, batch, rest):
        await asyncio.sleep(CALL_S + TRAIN_S * (0 if rest is None else len(rest.rewards)) / SEATS)
        return StepResult(applied=True)


def step_s(*, staleness: int, inside_batch: bool) -> float:
    """Mean virtual seconds of a step in the middle of a run."""
    loop = VirtualLoop()
    controller = build(
        steps=12,
        staleness=staleness,
        inside_batch=inside_batch,
        prompts_per_step=32,
        rollouts_per_prompt=4,
        learner=TimedLearner(),
        fleet=SharedEngine(),
    )
    ended: list[float] = []

    async def step_ended(record, **_):
        ended.append(loop.time())

    controller.parts.recorder.step = step_ended
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert runner.run(controller.run())
    return (ended[-3] - ended[3]) / (len(ended) - 6)


@pytest.mark.parametrize(
    ("staleness", "least", "most"),
    [
        (0, 1.04, 1.3),  # the tail of a plan is all there is to work in
        (1, 1.1, 1.5),  # no more pairs of a short step and a long one
        (2, 0.98, 1.05),  # the engine never waited for weights
    ],
)
def test_parts_take_the_training_behind_the_last_group_off_the_path(staleness, least, most):
    whole = step_s(staleness=staleness, inside_batch=False)
    parts = step_s(staleness=staleness, inside_batch=True)
    assert least < whole / parts < most, (whole, parts)
