"""All replicas as one learner group: each batch is divided among those who live, and one that dies comes back
while the others go on."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import ray
from ray.exceptions import RayActorError, RayTaskError

from rl.batch.shares import divided, taken, together
from rl.batch.types import StepResult, TrainingBatch
from rl.learner.actor import CONCURRENCY_GROUPS
from rl.learner.diloco.actor import BROKEN, ReplicaActor
from rl.learner.diloco.link import Meeting
from rl.learner.group import LearnerDead, LearnerGroup, LearnerHung, put_batch, resolved
from rl.records.status import ActorState
from rl.stream.waits import waiting
from rollout.engine import WeightUpdate

logger = logging.getLogger(__name__)


class ReplicaGroup(LearnerGroup):
    """``learner.sync=diloco``.

    A replica's death in ``train`` costs what it had learnt since its last exchange. In any other call, or
    with no replica left, or after ``learner.max_restarts`` of them, it is a ``LearnerDead`` as that of a
    rank.
    """

    def __init__(self, **arguments: Any) -> None:
        """``arguments``: those of ``LearnerGroup``."""
        super().__init__(**arguments)
        self._replicas: dict[int, Any] = {}
        """By number, those that take part."""
        self._returning: dict[int, asyncio.Task[Any]] = {}
        """Those that are being started again."""
        self._known: dict[int, dict[str, Any]] = {}
        """Facts of their ``setup``."""
        self._lead = 0
        """Publishes, exports, and writes what all share."""
        self._epoch = 0
        self._deaths = 0

    def warm(self) -> None:
        """Nothing: replicas are made one by one, when they start."""

    async def start(self) -> list[dict[str, Any]]:
        """As in LearnerGroup: all replicas, each alone, then together."""
        self.kill()
        self._replicas, self._known, self._lead, self._deaths = {}, {}, 0, 0
        numbers = range(self._config.num_ranks)
        self._replicas = dict(zip(numbers, await asyncio.gather(*map(self._started, numbers)), strict=True))
        self._facts = [self._known[number] for number in numbers]
        self.device, self.whole_batch = self._facts[0]["device"], self._facts[0]["whole_batch"]
        await self._meet()
        return self._facts

    async def _started(self, number: int) -> Any:
        """A new actor for replica ``number``, set up but not yet with the others."""
        cores = self._config.cores
        own = None if cores is None else cores[number :: self._config.num_ranks] or cores
        arguments = {k: v for k, v in self._arguments.items() if k != "world_size"}
        arguments["config"] = self._ranks_config.model_copy(update={"cores": own})
        actor_class = ray.remote(concurrency_groups=CONCURRENCY_GROUPS)(ReplicaActor)
        actor = actor_class.options(**self._options[number]).remote(number=number, **arguments)
        self._actors.append(actor)
        one = {number: actor}
        address, port = (await self._each(one, "endpoint", {}, self._start_timeout_s))[number]
        facts = await self._each(one, "setup", {number: (address, port)}, self._start_timeout_s)
        self._known[number] = facts[number]
        return actor

    async def _meet(self) -> None:
        """A new link among those who take part."""
        self._epoch += 1
        numbers = sorted(self._replicas)
        address, port = await self._ask_first("endpoint")
        meetings = {
            number: (Meeting(address=address, port=port, index=i, size=len(numbers), epoch=self._epoch),)
            for i, number in enumerate(sorted(numbers, key=lambda n: (n != self._lead, n)))
        }
        await self._each(self._replicas, "join", meetings)

    async def train(self, batch: TrainingBatch) -> StepResult:
        """One training batch, divided by whole groups among the replicas that live. Shares of those that die
        on the way are lost to it (``learner/lost_samples``)."""
        await self._admit()
        numbers = sorted(self._replicas)
        shares = dict(zip(numbers, divided(batch, len(numbers)), strict=True))
        parts = {
            n: await put_batch(taken(batch, share)) if len(share) else None for n, share in shares.items()
        }
        results, dead = await self._train_shares(parts)
        if dead or any(BROKEN in result.detail for result in results.values()):
            await self._go_on_without(dead)
        finished = sorted(results)
        result = together(batch, [shares[n] for n in finished], [results[n] for n in finished])
        result.metrics["learner/lost_samples"] = float(sum(len(shares[n]) for n in dead))
        return result

    async def _train_shares(self, parts: Mapping[int, Any]) -> tuple[dict[int, StepResult], list[int]]:
        """The results of those that finished, and those that died; who stands still is ended, and died."""
        waiting_for = "learner.train"
        tasks = {
            n: asyncio.ensure_future(resolved(self._replicas[n].train_share.remote(part)))
            for n, part in parts.items()
        }
        self._calls.append(waiting_for)
        try:
            with waiting(waiting_for, limit_s=self._timeout_s):
                _, pending = await asyncio.wait(tasks.values(), timeout=self._timeout_s)
            stuck = [n for n, task in tasks.items() if task in pending]
            if len(stuck) == len(tasks):
                raise LearnerHung(stuck, waiting_for, self._timeout_s)
            for number in stuck:
                ray.kill(self._replicas[number], no_restart=True)
            errors = {n: task.exception() for n, task in tasks.items() if n not in stuck}
            for error in errors.values():
                if isinstance(error, RayTaskError) and isinstance(error.cause, ValueError):
                    raise error.cause
                if error is not None and not isinstance(error, RayActorError):
                    raise error
            dead = stuck + [n for n, error in errors.items() if error is not None]
            return {n: task.result() for n, task in tasks.items() if n not in dead}, dead
        finally:
            self._calls.remove(waiting_for)
            for task in tasks.values():
                task.cancel()

    async def _go_on_without(self, dead: Sequence[int]) -> None:
        """Bury the dead, begin to bring them back, and link those who are left."""
        for number in dead:
            self._deaths += 1
            del self._replicas[number]
            if not self._replicas or self._deaths > self._config.max_restarts:
                raise LearnerDead(number, "learner.train")
            logger.error(
                "learner replica %d died; %d go on, and it is started again", number, len(self._replicas)
            )
            self._returning[number] = asyncio.create_task(self._started(number))
        if self._lead not in self._replicas:
            self._lead = min(self._replicas)
        await self._meet()

    async def _admit(self) -> None:
        """Let in those who are back."""
        ready = {number: task for number, task in self._returning.items() if task.done()}
        for number, task in ready.items():
            del self._returning[number]
            self._replicas[number] = task.result()
            logger.info("learner replica %d is back", number)
        if ready:
            await self._meet()

    # -- what is asked of one, or of each otherwise ----------------------------------------------------------

    async def publish(self, version: int, directory: str) -> WeightUpdate:
        """As in LearnerGroup: the outer weights, from one replica."""
        update: WeightUpdate | None = await self._ask_first("publish", version, directory)
        assert update is not None, "each replica is rank 0 of its own"
        return update

    async def score(self, sequences: list[list[int]]) -> list[list[float]]:
        """As in LearnerGroup, by the outer weights."""
        found: list[list[float]] = await self._ask_first("score", sequences)
        return found

    async def prompt_signals(
        self, prompts: list[list[int]], *, columns: Sequence[str], template: tuple[int, int]
    ) -> dict[str, np.ndarray]:
        """As in LearnerGroup, by the outer weights."""
        arguments = (ray.put(prompts), list(columns), template)
        found: dict[str, np.ndarray] = await self._ask_first("prompt_signals", *arguments)
        return found

    async def export(self, directory: str, *, base: str | None = None) -> None:
        """As in LearnerGroup: the outer weights."""
        await self._ask_first("export", directory, base)

    async def save(self, directory: str, *, background: bool = True) -> None:
        """As in LearnerGroup; of the replicas that take part."""
        asked = {number: (directory, background, number == self._lead) for number in self._replicas}
        await self._each(self._replicas, "save", asked)

    def actors(self) -> list[ActorState]:
        """State of every replica."""
        return [self._state(n, self._known.get(n, {})) for n in range(self._config.num_ranks)]

    def _state(self, rank: int, fact: dict[str, Any]) -> ActorState:
        state = super()._state(rank, fact)
        return replace(state, state="starting") if rank in self._returning else state

    def kill(self) -> None:
        """As in LearnerGroup; also those that were coming back."""
        for task in self._returning.values():
            task.cancel()
        self._returning = {}
        super().kill()

    async def _call(self, method: str, *arguments: Any, timeout_s: float | None = None) -> list[Any]:
        """Results of one method on every replica that takes part, by number."""
        asked = dict.fromkeys(self._replicas, arguments)
        found = await self._each(self._replicas, method, asked, timeout_s)
        return [found[number] for number in sorted(found)]

    async def _ask_first(self, method: str, *arguments: Any, timeout_s: float | None = None) -> Any:
        """The lead's answer."""
        lead = {self._lead: self._replicas[self._lead]}
        return (await self._each(lead, method, {self._lead: arguments}, timeout_s))[self._lead]

    async def _each(
        self,
        actors: Mapping[int, Any],
        method: str,
        arguments: Mapping[int, Sequence[Any]],
        timeout_s: float | None = None,
    ) -> dict[int, Any]:
        """Results by number of one method, with ``arguments`` of each one's own."""
        numbers, waiting_for = sorted(actors), f"learner.{method}"
        references = [getattr(actors[n], method).remote(*arguments.get(n, ())) for n in numbers]
        try:
            found = await self._gather(references, waiting_for, timeout_s or self._timeout_s)
        except LearnerHung:
            raise
        except LearnerDead as error:
            self._dead = numbers[error.rank]
            raise LearnerDead(numbers[error.rank], waiting_for) from error
        return dict(zip(numbers, found, strict=True))
