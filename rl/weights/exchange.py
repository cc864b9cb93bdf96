"""Weights from GPU to GPU (nccl, ipc): the learner's side and the engines' side of a transfer run at the same
time.

Neither side can finish alone: NCCL is a collective of both, and IPC handles are good only while the learner
keeps still. So the controller starts the learner's call, carries vLLM's message from the learner to the
engines, and confirms it back.
"""

import asyncio
import logging
from collections.abc import Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from rl.engines.errors import TransferGroupBroken
from rl.engines.slot import LOST, brief
from rl.stream.waiting import wait_for
from rollout.engine import WeightUpdate
from rollout.weight_sender import engine_init_info, weight_update

if TYPE_CHECKING:
    from rl.config.schema import Config
    from rl.engines.fleet import EngineFleet
    from rl.learner.group import LearnerGroup

T = TypeVar("T")
logger = logging.getLogger(__name__)

GRACE_S = 10.0
"""By which an engine's own time limit comes first: its error says which engine."""
CONNECT_TIMEOUT_S = 180.0
"""For the first meeting: the learner imports vLLM, and NCCL looks at the network."""


class WeightExchange:
    """One transfer group of the learner and all live engines.

    It is formed at the start, and anew before a transfer once an engine was lost or has come back: engines
    that come back get their weights by that transfer. An engine that is lost inside a transfer ends the
    attempt, since the others and the learner cannot finish without it.
    """

    def __init__(
        self,
        *,
        learner: "LearnerGroup",
        fleet: "EngineFleet",
        transport: str,
        tensor_parallel: int,
        timeout_s: float,
    ) -> None:
        self._learner = learner
        self._fleet = fleet
        self._transport = transport
        self._tensor_parallel = tensor_parallel
        self._timeout_s = timeout_s

    async def connect(self) -> None:
        """Bring the sending rank and every engine's workers together.

        Raises:
            StreamTimeout: they did not meet in time.
        """
        await self._learner.prepare_transfer(
            transport=self._transport,
            num_workers=len(self._fleet.candidates) * self._tensor_parallel,
            timeout_s=max(CONNECT_TIMEOUT_S, self._timeout_s) + GRACE_S,
        )
        what = f"learner and engines to meet for rollout.weight_transfer={self._transport}"
        await self._together(
            self._learner.connect(),
            self._introduce_engines(),
            timeout_s=CONNECT_TIMEOUT_S + GRACE_S,
            what=what,
        )

    async def send(self, version: int) -> WeightUpdate:
        """Send the learner's weights of now to every engine as ``version``; the learner does nothing else
        meanwhile.

        Raises:
            FleetDead: an engine failed; the others and the learner cannot finish without it.
            StreamTimeout: the transfer took too long.
        """
        if not self._fleet.group_is_current:
            await self._form_anew()
        with self._fleet.transferring():
            return await self._send(version)

    async def _form_anew(self) -> None:
        await self._fleet.look_at_candidates()
        logger.warning(
            "the transfer group is formed anew, of %d engines and the learner", len(self._fleet.candidates)
        )
        with self._fleet.transferring():
            try:
                await self.connect()
            except (*LOST, RuntimeError) as error:
                raise TransferGroupBroken(
                    f"the transfer group could not be formed anew ({brief(error)}): engines and learner start"
                    " again from the last checkpoint"
                ) from error

    async def _send(self, version: int) -> WeightUpdate:
        what = f"version {version} to travel by rollout.weight_transfer={self._transport}"
        return await self._together(
            self._learner.send(),
            self._receive_on_engines(version),
            timeout_s=self._timeout_s + GRACE_S,
            what=what,
        )

    async def _introduce_engines(self) -> None:
        """The engines' side of ``connect``: every worker learns where the sending rank is."""
        message = await self._learner.outgoing()
        await self._fleet.init_weight_transfer(partial(self._init_info, message), timeout_s=CONNECT_TIMEOUT_S)
        await self._learner.delivered()

    def _init_info(self, message: dict[str, Any], engine: int) -> dict[str, Any]:
        return engine_init_info(message, engine=engine, tensor_parallel=self._tensor_parallel)

    async def _receive_on_engines(self, version: int) -> WeightUpdate:
        """The engines' side of ``send``: they learn what is sent, and load it."""
        message = await self._learner.outgoing()
        update = weight_update(message, version=version, transport=self._transport)
        await self._fleet.push(update)
        await self._learner.delivered()
        return update

    async def _together(
        self,
        learner_side: Coroutine[Any, Any, None],
        engine_side: Coroutine[Any, Any, T],
        *,
        timeout_s: float,
        what: str,
    ) -> T:
        """Both sides at once; the first failure of either ends the wait for both. Returns what the engines'
        side did."""
        learner, engines = asyncio.create_task(learner_side), asyncio.create_task(engine_side)
        try:
            await wait_for(asyncio.gather(learner, engines), timeout_s, what)
            return engines.result()
        finally:
            for task in (learner, engines):
                task.cancel()
            await asyncio.gather(learner, engines, return_exceptions=True)


def create_exchange(
    config: "Config", *, learner: "LearnerGroup", fleet: "EngineFleet"
) -> WeightExchange | None:
    """The exchange that the config asks for; None for shm and object."""
    rollout = config.rollout
    if rollout.weight_transfer in ("shm", "object"):
        return None
    return WeightExchange(
        learner=learner,
        fleet=fleet,
        transport=rollout.weight_transfer,
        tensor_parallel=rollout.tensor_parallel,
        timeout_s=config.stream.sync_timeout_s,
    )
