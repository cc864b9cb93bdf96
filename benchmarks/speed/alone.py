"""Each half of the pipeline by itself: the engine with no learner beside it, the learner with no engine."""

import asyncio
import time
from dataclasses import dataclass

from benchmarks.lib.rig import Mix, Rig
from rl.batch.types import TrainingBatch
from rl.stream.plans import GroupState
from rollout.types import Completion, Rollout, RolloutGroup

TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class Alone:
    """Seconds per step of one half by itself."""

    wall_s: float
    cpu_s: float
    """Of the engine's or the rank's process."""


async def rollout_alone(rig: Rig, mix: Mix, *, first: int, steps: int) -> tuple[Alone, list[TrainingBatch]]:
    """Generate the groups of steps ``first, first + 1, ...``, and return their batches.

    Step after step, as synchronous training asks for them: the next step's requests go out when the last of
    this one's are in.
    """
    seconds, batches = 0.0, []
    cpu = rig.cpu_seconds()["engine"]
    for step in range(first, first + steps):
        groups = rig.plan(mix, step)
        started = time.perf_counter()
        results = await asyncio.gather(*(rig.fleet.generate(g.request, timeout_s=TIMEOUT_S) for g in groups))
        seconds += time.perf_counter() - started
        scored = [await _scored(rig, g, r) for g, r in zip(groups, results, strict=True)]
        batches.append(TrainingBatch.from_groups(step, scored))
    return Alone(seconds / steps, (rig.cpu_seconds()["engine"] - cpu) / steps), batches


async def learner_alone(rig: Rig, batches: list[TrainingBatch]) -> Alone:
    """Train on ``batches``."""
    started, cpu = time.perf_counter(), rig.cpu_seconds()["learner"]
    for batch in batches:
        await rig.learner.train(batch)
    wall, count = time.perf_counter() - started, len(batches)
    return Alone(wall / count, (rig.cpu_seconds()["learner"] - cpu) / count)


async def _scored(rig: Rig, state: GroupState, completions: list[Completion]) -> RolloutGroup:
    texts = rig.tokenizer.batch_decode([c.token_ids.tolist() for c in completions], skip_special_tokens=True)
    results = await rig.scorer.score(state.prompt, texts, [c.truncated for c in completions])
    return RolloutGroup(
        group_id=state.request.group_id,
        plan_step=state.plan_step,
        prompt=state.prompt,
        sampling=state.request.sampling,
        rollouts=tuple(
            Rollout(completion=c, text=t, result=r)
            for c, t, r in zip(completions, texts, results, strict=True)
        ),
    )
