"""All learner ranks behind one object: one Ray actor each, every call on all of them, every wait with a
deadline."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, TypeVar

import numpy as np
import ray
from ray.exceptions import RayActorError, RayTaskError

from rl.batch.types import SampleFigures, StepResult, TrainingBatch
from rl.cluster.nodes import never_ran
from rl.config.algorithm import AlgorithmConfig, ShapingConfig
from rl.config.choice import Choice, OwnCode
from rl.config.learner import LearnerConfig
from rl.learner.actor import CONCURRENCY_GROUPS, LearnerActor
from rl.learner.settings import Recorded
from rl.records.status import ActorState
from rl.stream.turns import LEARNER, Apart
from rl.stream.waits import waiting
from rollout.engine import WeightUpdate
from rollout.user_code import absolute_target
from rollout.weight_sender import Rendezvous

logger = logging.getLogger(__name__)
SectionType = TypeVar("SectionType", AlgorithmConfig, LearnerConfig)

VERDICT_GRACE_S = 10.0
"""After one rank failed: how long the others get to say whether they died, since a peer's death also fails
the survivors."""
PUT_INLINE = 100_000
"""Tokens of a batch that a millisecond or so copies."""
CLOSE_TIMEOUT_S = 30.0
OFF_DEVICE = {"wait_saved", "stats", "close", "offload", "reload"}
"""Calls that need no turn on a device that is shared with engines."""


class LearnerDead(RuntimeError):
    """A learner rank's process is gone. The ranks hold one sharded state, so all of them must be rebuilt
    (``start`` again)."""

    def __init__(self, rank: int, waiting_for: str, *, ran: bool = True) -> None:
        """``ran``: False for a rank that had no process yet when its node went."""
        super().__init__(
            f"learner rank {rank} died during {waiting_for}; rebuild the group and load a checkpoint"
        )
        self.rank, self.ran = rank, ran


class LearnerHung(LearnerDead):
    """Ranks that are up did not answer in time: one of them stands still, and its peers wait for it. All of
    them are ended and rebuilt, as if it had died."""

    def __init__(self, ranks: Sequence[int], waiting_for: str, seconds: float) -> None:
        RuntimeError.__init__(
            self,
            f"waited {seconds:g} s for {waiting_for} on learner rank(s) {list(ranks)}; they are ended"
            " (stream.step_timeout_s)",
        )
        self.rank, self.ran = ranks[0], True


class LearnerGroup:
    """Starts the ranks and forwards to them. After an exception other than ValueError the group is unusable
    until ``start``."""

    def __init__(
        self,
        *,
        config: LearnerConfig,
        algorithm: AlgorithmConfig,
        model_path: str,
        seed: int,
        total_steps: int,
        max_tokens: int,
        trust: bool = False,
        serves_bf16: bool = False,
        records: Recorded = "none",
        actor_options: Sequence[dict[str, Any]] | dict[str, Any] | None = None,
        timeout_s: float = 600.0,
        start_timeout_s: float = 1800.0,
        turns: Apart | None = None,
    ) -> None:
        """``actor_options`` go to Ray's ``.options(...)``: one dict for all ranks, or one per rank (placement
        group bundles). ``turns``: with the engines, on one device."""
        self._turns = turns or Apart()
        self._config = config
        self._ranks_config = _with_absolute_files(config, ("optimizer", "schedule"))
        self._arguments: dict[str, Any] = {
            "config": self._ranks_config,
            "algorithm": _with_absolute_files(algorithm, ("advantage", "mask", "likelihood", "shaping")),
            "model_path": model_path,
            "seed": seed,
            "total_steps": total_steps,
            "max_tokens": max_tokens,
            "trust": trust,
            "serves_bf16": serves_bf16,
            "records": records,
            "world_size": config.num_ranks,
        }
        shared = actor_options is None or isinstance(actor_options, dict)
        self._options: list[Any] = (
            [actor_options or {}] * config.num_ranks if shared else list(actor_options or [])
        )
        if len(self._options) != config.num_ranks:
            raise ValueError(
                f"actor_options: got {len(self._options)} for learner.num_ranks={config.num_ranks}; give one"
                " per rank"
            )
        self._timeout_s = timeout_s
        self._start_timeout_s = start_timeout_s
        self._actors: list[Any] = []
        self._warmed = False
        """The actors are fresh: the next ``start`` takes them."""
        self._facts: list[dict[str, Any]] = []
        self._calls: list[str] = []
        """Calls that the ranks are at, oldest first."""
        self._dead: int | None = None
        self._hung = False
        self.moved: dict[str, float] = {}
        """Bytes that the last move off the device moved and left there."""
        self.device = "cpu"
        """Name of rank 0's device, once it is up."""
        self.whole_batch: str | None = None
        """Why batches cannot come in parts (``accumulate``), once the ranks are up; None = they can."""

    def warm(self) -> None:
        """Create the actors, so that their imports are done when ``start`` comes."""
        self._create()
        self._warmed = True
        for actor in self._actors:
            actor.warm.remote()

    def _create(self) -> None:
        self.kill()
        actor_class = ray.remote(concurrency_groups=CONCURRENCY_GROUPS)(LearnerActor)
        self._actors = [
            actor_class.options(**options).remote(rank=rank, **self._arguments)
            for rank, options in enumerate(self._options)
        ]

    async def start(self) -> list[dict[str, Any]]:
        """Create the actors and join them into one process group; returns each rank's ``setup`` facts (pid,
        host, seconds).

        On a group that already runs (or has a dead rank) this is a rebuild from the base model: ``load`` a
        checkpoint next.
        """
        if not self._warmed:
            self._create()
        self._warmed = False
        self._facts, self._dead, self._hung = [], None, False
        address, port = await self._ask_first("endpoint", timeout_s=self._start_timeout_s)
        self._facts = await self._call("setup", address, port, timeout_s=self._start_timeout_s)
        self.device, self.whole_batch = self._facts[0]["device"], self._facts[0]["whole_batch"]
        return self._facts

    def actors(self) -> list[ActorState]:
        """State of every rank."""
        facts = self._facts or [{} for _ in self._options]
        return [self._state(rank, fact) for rank, fact in enumerate(facts)]

    def _state(self, rank: int, fact: dict[str, Any]) -> ActorState:
        if rank == self._dead:
            state = "lost"
        elif not self._actors:
            state = "stopped" if self._facts else "starting"
        elif not self._facts:
            state = "starting"
        else:
            state = "busy" if self._calls else "live"
        return ActorState(
            name=f"learner-{rank}",
            kind="learner",
            state=state,
            detail=self._calls[0].removeprefix("learner.") if self._calls else "",
            pid=fact.get("pid"),
            host=fact.get("host"),
        )

    async def train(self, batch: TrainingBatch) -> StepResult:
        """One training batch on all ranks; it is put into the object store once, and each rank reads its
        share there."""
        return _merged(await self._call("train", await put_batch(batch)))

    async def accumulate(self, part: TrainingBatch) -> None:
        """Forward and backward over some groups of the next batch, on all ranks; ``complete`` or ``abandon``
        ends the step."""
        await self._call("accumulate", await put_batch(part))

    async def complete(self, batch: TrainingBatch, rest: TrainingBatch | None) -> StepResult:
        """As ``train``, where all of ``batch`` but ``rest`` was given to ``accumulate``."""
        whole = await put_batch(batch)
        return _merged(await self._call("complete", whole, None if rest is None else await put_batch(rest)))

    async def abandon(self) -> None:
        """Forget what was given to ``accumulate``."""
        await self._call("abandon")

    async def publish(self, version: int, directory: str) -> WeightUpdate:
        """Write the weights to shared memory on rank 0's node as ``version``."""
        update = (await self._call("publish", version, directory))[0]
        assert update is not None, "rank 0 publishes"
        return update

    async def put(self, update: WeightUpdate, *, changes: bool = False) -> WeightUpdate:
        """Put what ``publish`` wrote last into Ray's object store, while the ranks train on: the same as a
        push by ``object``, for engines on any node. With ``changes`` nodes that hold the publication before
        need not fetch what is as it was."""
        put: WeightUpdate = await self._ask_first("put", update, changes)
        return put

    async def prepare_transfer(self, *, transport: str, num_workers: int, timeout_s: float) -> None:
        """Get ready to send to ``num_workers`` vLLM workers by ``transport``; ``timeout_s`` for each of the
        engines' answers."""
        address, port = await self._ask_first("endpoint", timeout_s=self._start_timeout_s)
        rendezvous = Rendezvous(
            transport=transport, address=address, port=port, num_workers=num_workers, timeout_s=timeout_s
        )
        await self._call("prepare_transfer", rendezvous)

    async def connect(self) -> None:
        """Meet the engines; returns when they are there. Needs ``outgoing`` and ``delivered`` meanwhile."""
        await self._call("connect")

    async def send(self) -> None:
        """Send the weights of now; returns when every engine serves them. Needs ``outgoing`` and
        ``delivered`` meanwhile."""
        await self._call("send")

    async def outgoing(self) -> dict[str, Any]:
        """Return what the sender wants every engine to be told."""
        return await self._ask_first("outgoing")

    async def delivered(self) -> None:
        """Every engine has done what ``outgoing`` said."""
        await self._ask_first("delivered")

    async def score(self, sequences: list[list[int]]) -> list[list[float]]:
        """[sequences][T - 1] log-probs of tokens 1..T-1 at temperature 1."""
        return (await self._call("score", sequences))[0]

    async def prompt_signals(
        self, prompts: list[list[int]], *, columns: Sequence[str], template: tuple[int, int]
    ) -> dict[str, np.ndarray]:
        """Ask the policy about prompts (``curricula.measures.prompt_signals.COLUMNS``), [n, ...] each."""
        reference = ray.put(prompts)
        return (await self._call("prompt_signals", reference, list(columns), template))[0]

    async def save(self, directory: str, *, background: bool = True) -> None:
        """Snapshot all ranks; returns when training may go on, in the ``background`` before the files are
        complete."""
        await self._call("save", directory, background)

    async def wait_saved(self) -> None:
        """Return when all ranks' files of the last ``save`` are complete."""
        await self._call("wait_saved")

    async def load(self, directory: str) -> None:
        """Restore all ranks from ``save``; ValueError if it was written by a run of another shape."""
        await self._call("load", directory)

    async def export(self, directory: str, *, base: str | None = None) -> None:
        """Write a Hugging Face model directory on rank 0's node, with the tokenizer of the directory ``base``
        (the model's own)."""
        await self._call("export", directory, base)

    async def move(self, how: Literal["offload", "reload"]) -> None:
        """Take every rank off the device or put it there again; nothing to move before they are up."""
        found = await self._call(how) if self._facts else []
        for key in ("moved", "left") if how == "offload" and found else ():
            self.moved[f"turns/learner_{key}_bytes"] = max(rank[key] for rank in found)

    async def stats(self) -> list[dict[str, float]]:
        """Each rank's busy seconds, CPU seconds and tokens."""
        return await self._call("stats")

    async def close(self) -> None:
        """End the ranks, gently if they still answer. Idempotent."""
        if not self._actors:
            return
        if self._hung:
            self.kill()
            return
        # A rank that is dead or stuck cannot close; it is killed below, which is all that is left to do.
        with contextlib.suppress(LearnerDead, TimeoutError, RayActorError, RayTaskError):
            await self._call("close", timeout_s=CLOSE_TIMEOUT_S)
        self.kill()

    def kill(self) -> None:
        """End the ranks at once, whatever they are at; ``close`` afterwards has nothing left to wait for."""
        for actor in self._actors:
            ray.kill(actor, no_restart=True)
        self._actors, self._warmed = [], False

    async def _call(self, method: str, *arguments: Any, timeout_s: float | None = None) -> list[Any]:
        """[num_ranks] results of one method on every rank."""
        assert self._actors, "start() the learner group first"
        held = (
            contextlib.nullcontext()
            if method in OFF_DEVICE
            else self._turns.held(LEARNER, f"learner.{method}")
        )
        async with held:
            references = [getattr(actor, method).remote(*arguments) for actor in self._actors]
            return await self._gather(references, f"learner.{method}", timeout_s or self._timeout_s)

    async def _ask_first(self, method: str, *arguments: Any, timeout_s: float | None = None) -> Any:
        """Return rank 0's answer."""
        reference = getattr(self._actors[0], method).remote(*arguments)
        return (await self._gather([reference], f"learner.{method}", timeout_s or self._timeout_s))[0]

    async def _gather(self, references: list[Any], waiting_for: str, timeout_s: float) -> list[Any]:
        """Results of one reference per rank, or the exception that explains the failure best."""
        tasks = [asyncio.ensure_future(resolved(reference)) for reference in references]
        self._calls.append(waiting_for)
        try:
            with waiting(waiting_for, limit_s=timeout_s):
                done, pending = await asyncio.wait(
                    tasks, timeout=timeout_s, return_when=asyncio.FIRST_EXCEPTION
                )
            if any(task.exception() for task in done):
                await _hear_the_others(tasks)
                verdict = _verdict(tasks, waiting_for)
                self._dead = verdict.rank if isinstance(verdict, LearnerDead) else None
                raise verdict
            if pending:
                stuck = [rank for rank, task in enumerate(tasks) if task in pending]
                if self._facts and waiting_for != "learner.close":
                    self._hung, self._dead = True, stuck[0]
                    raise LearnerHung(stuck, waiting_for, timeout_s)
                raise TimeoutError(f"waited {timeout_s:g} s for {waiting_for} on learner rank(s) {stuck}")
            return [task.result() for task in tasks]
        finally:
            self._calls.remove(waiting_for)
            for task in tasks:
                task.cancel()


async def put_batch(batch: TrainingBatch) -> Any:
    """Ray's reference of a copy in the object store; a large one is copied in a thread."""
    large = len(batch.token_ids) > PUT_INLINE
    return await asyncio.to_thread(ray.put, batch) if large else ray.put(batch)


def _merged(results: list[StepResult]) -> StepResult:
    """Rank 0's result, with all ranks' samples."""
    return replace(results[0], samples=SampleFigures.merged([result.samples for result in results]))


def _with_absolute_files(section: SectionType, fields: Sequence[str]) -> SectionType:
    """The same settings, with outside code in files named so that a rank finds it from any directory."""
    return section.model_copy(update={field: _absolute(getattr(section, field)) for field in fields})


def _absolute(part: Choice | tuple[ShapingConfig, ...]) -> Choice | tuple[ShapingConfig, ...]:
    if isinstance(part, tuple):
        return tuple(one.model_copy(update={"name": absolute_target(one.name)}) for one in part)
    return part.model_copy(update={"name": absolute_target(part.name)}) if isinstance(part, OwnCode) else part


async def resolved(reference: Any) -> Any:
    """The result behind one of Ray's references."""
    return await reference


async def _hear_the_others(tasks: list["asyncio.Task[Any]"]) -> None:
    """Wait until a rank is known to be dead or all have answered, but not for long: the others may hang in a
    collective."""
    deadline = asyncio.get_running_loop().time() + VERDICT_GRACE_S
    while (left := deadline - asyncio.get_running_loop().time()) > 0:
        pending = [task for task in tasks if not task.done()]
        if not pending or any(isinstance(error, RayActorError) for error in _errors(tasks)):
            return
        await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)


def _errors(tasks: list["asyncio.Task[Any]"]) -> list[BaseException | None]:
    return [task.exception() if task.done() and not task.cancelled() else None for task in tasks]


def _verdict(tasks: list["asyncio.Task[Any]"], waiting_for: str) -> BaseException:
    """The cause among several failures: a death explains the survivors' broken connections, an error of our
    own explains itself."""
    errors = _errors(tasks)
    for rank, error in enumerate(errors):
        if isinstance(error, RayActorError):
            return LearnerDead(rank, waiting_for, ran=not never_ran(error))
    failed = [error for error in errors if error is not None]
    for error in failed:
        if isinstance(error, RayTaskError) and isinstance(error.cause, ValueError):
            return error.cause
    return failed[0]
