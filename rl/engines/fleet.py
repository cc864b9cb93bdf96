"""The engines of a run: which of them a group goes to, and how weights get to them. Which there are is
``rl.engines.members``' business."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from rl.engines.errors import EngineLost
from rl.engines.members import FleetMembers
from rl.engines.progress import completions_of, scores_of
from rl.engines.slot import LOST, EngineSlot, brief
from rl.stream.waiting import StreamTimeout, wait_for
from rollout.engine import WeightUpdate
from rollout.types import Completion, GroupRequest

logger = logging.getLogger(__name__)


class EngineFleet(FleetMembers):
    """Every engine of a run behind one object."""

    # -- requests --------------------------------------------------------------------------------------------

    async def generate(self, request: GroupRequest, *, timeout_s: float) -> list[Completion]:
        """[G] completions from the least loaded live engine.

        Args:
            request: The group.
            timeout_s: Longest time without a new token of it; time in the engine's queue does not count while
                the engine works.

        Raises:
            EngineLost: the engine died, hung or was replaced; issue the group again.
            FleetDead: no restart is left.
        """
        async with self.seat(request, timeout_s=timeout_s) as slot:
            started = time.monotonic()
            completions = await completions_of(
                slot.index,
                slot.actor,
                request,
                timeout_s=timeout_s,
                health_s=self._timeouts.health,
                clock=self._clock_of(slot),
            )
            longest = max(len(completion.token_ids) for completion in completions)
            self.shares.finished(slot.index, seconds=time.monotonic() - started, tokens=longest)
            return completions

    def _clock_of(self, slot: EngineSlot) -> Callable[[], float]:
        """Seconds that count while a group of this engine is waited for."""
        return time.monotonic

    def _routable(self) -> list[EngineSlot]:
        """Engines that a group may be sent to now."""
        return [s for s in self._slots if s.live]

    @asynccontextmanager
    async def seat(self, request: GroupRequest, *, timeout_s: float) -> AsyncIterator[EngineSlot]:
        """The live engine that has least to do for its share, with the group counted as its work; what is
        raised inside decides whether it is lost. Raises as ``generate``."""
        count = len(request.seeds)
        slot = await self._pick(count, timeout_s)
        actor = slot.actor
        slot.outstanding += count
        self.load.sent(slot.index, count)
        try:
            yield slot
            self._proven = True
        except StreamTimeout as error:
            await self._abort_or_lose(slot, actor, request)
            raise EngineLost(str(error)) from error
        except LOST as error:
            self._lose(slot, actor, error)
            raise EngineLost(
                f"engine {slot.index} died with group {request.group_id}: {brief(error)}"
            ) from error
        finally:
            slot.outstanding -= count
            self.load.done(slot.index, count)

    async def _pick(self, count: int, timeout_s: float) -> EngineSlot:
        await self.serving(timeout_s)
        return min(
            self._routable(), key=lambda s: ((s.outstanding + count) / self.shares.of(s.index), s.index)
        )

    async def _abort_or_lose(self, slot: EngineSlot, actor: Any, request: GroupRequest) -> None:
        """A late group is dropped from its engine, between two steps or after a push; an engine that cannot
        even do that has hung."""
        try:
            call = actor.abort.options(concurrency_group="control").remote([request.group_id])
            what = f"engine {slot.index} to abort a late group"
            self.tokens_lost += await wait_for(call, self._timeouts.sync, what)
        except LOST as error:
            self._lose(slot, actor, error)

    async def abort(self, group_id: int) -> None:
        """Make every live engine drop a group, if it has it."""
        for slot in [s for s in self._slots if s.live]:
            try:
                self.tokens_lost += await slot.ask(
                    "abort", [group_id], within=self._timeouts.sync, what=f"abort group {group_id}"
                )
            except LOST as error:
                self._lose(slot, slot.actor, error)

    async def score(self, sequences: list[list[int]]) -> list[list[list[float]]]:
        """Probe log-probs of every live engine, [engines][sequences][T-1]."""
        live, limits = [s for s in self._slots if s.live], self._timeouts
        results = await asyncio.gather(
            *(
                scores_of(
                    s.index,
                    s.actor,
                    sequences,
                    timeout_s=limits.sync,
                    health_s=limits.health,
                    clock=self._clock_of(s),
                )
                for s in live
            ),
            return_exceptions=True,
        )
        scores = []
        for slot, result in zip(live, results, strict=True):
            if isinstance(result, LOST):
                self._lose(slot, slot.actor, result)
            elif isinstance(result, BaseException):
                raise result
            else:
                scores.append(result)
        return scores

    async def stats(self) -> list[dict[str, float]]:
        """Counters of every live engine."""
        calls = [
            s.ask("stats", within=self._timeouts.health, what="say its stats") for s in self._slots if s.live
        ]
        results = await asyncio.gather(*calls, return_exceptions=True)
        return [r for r in results if isinstance(r, dict)]

    # -- weights ---------------------------------------------------------------------------------------------

    async def _start_slot(self, slot: EngineSlot) -> None:
        slot.actor = self._make_actor(slot.index)
        slot.info = await slot.ask("start", within=self._timeouts.start, what="start")
        self.shares.join(slot.index)
        if self._group:
            await self._into_group(slot)
            return
        async with self._push_lock:
            if self._update is not None:
                await self._push_slot(slot, self._update)
            slot.version, slot.live = self._target_version, True
            self._versions.join(slot.index, version=slot.version)
        self.changed.notify()

    # -- the transfer group (nccl, ipc) ----------------------------------------------------------------------

    @property
    def candidates(self) -> list[EngineSlot]:
        """Engines that a transfer group formed now would have, in the order of their ranks."""
        return [s for s in self._slots if s.live or s.waiting is not None]

    @property
    def group_is_current(self) -> bool:
        """False once an engine of the transfer group was lost, or another waits to come in."""
        return self._group == [s.actor for s in self.candidates]

    async def _into_group(self, slot: EngineSlot) -> None:
        """Wait until a push has brought the slot's engine in. Raises what it was lost by meanwhile."""
        slot.waiting = asyncio.get_running_loop().create_future()
        logger.warning("engine %d is up and comes in with the next push", slot.index)
        try:
            await slot.waiting
        finally:
            slot.waiting = None

    async def look_at_candidates(self) -> None:
        """Lose those that do not answer, before the others would wait for them inside a transfer."""
        within, what = self._timeouts.health, "answer before a transfer group is formed"
        await asyncio.gather(
            *(self._or_lose(s, s.ask("stats", within=within, what=what)) for s in self.candidates)
        )

    @contextmanager
    def transferring(self) -> Iterator[None]:
        """Inside the block every engine is waited for by the learner and the others: to lose one is fatal."""
        self._transferring = True
        try:
            yield
        finally:
            self._transferring = False

    async def init_weight_transfer(
        self, info_of: Callable[[int], Mapping[str, Any]], *, timeout_s: float
    ) -> None:
        """Make all ``candidates`` join a new transfer group, each with the init info of its place in it, all
        at once; those that were in the one before leave it first.

        Raises:
            StreamTimeout: they did not join in time; where one is missing, the others hang too.
        """
        members = [s.actor for s in self.candidates]
        leaving = [
            actor.leave_weight_transfer.options(concurrency_group="control").remote()
            for actor in members
            if actor in self._group
        ]
        await wait_for(asyncio.gather(*leaving), timeout_s, "engines to leave the old transfer group")
        calls = [
            actor.init_weight_transfer.options(concurrency_group="control").remote(info_of(place))
            for place, actor in enumerate(members)
        ]
        await wait_for(
            asyncio.gather(*calls), timeout_s, f"all of {len(calls)} engines to join the weight transfer"
        )
        self._group = members

    async def push(self, update: WeightUpdate) -> None:
        """Give every live engine these weights; one that fails leaves routing and restarts. Versions only
        rise.

        When it returns, ``confirmed_version == update.version``.

        Raises:
            FleetDead: an engine failed that cannot rejoin; at once, since the others wait for it inside the
                transfer.
        """
        if self._fatal is not None and not self._rejoin:
            raise self._fatal
        assert update.version >= self._target_version, "policy versions never go back"
        async with self._push_lock:
            self._update, self._target_version = update, update.version
            # A candidate is in the transfer, or it came up since, and waits for the next one.
            to = [s for s in self.candidates if s.live or s.actor in self._group]
            await asyncio.gather(*(self._or_lose(s, self._push_slot(s, update)) for s in to))
        self.changed.notify()

    async def fetch(self, update: WeightUpdate) -> None:
        """Bring these weights to every live engine's node, before ``push``, while engines sample on; for
        object. One that cannot is lost."""
        within, what = self._timeouts.sync, f"fetch version {update.version}"
        live = [s for s in self._slots if s.live]
        await asyncio.gather(
            *(self._or_lose(s, s.ask("fetch_weights", update, within=within, what=what)) for s in live)
        )

    async def _or_lose(self, slot: EngineSlot, work: Awaitable[Any]) -> None:
        actor = slot.actor
        try:
            await work
        except (*LOST, RuntimeError, ValueError) as error:
            self._lose(slot, actor, error)
            if self._fatal is not None and not self._rejoin:
                raise self._fatal from error

    async def _push_slot(self, slot: EngineSlot, update: WeightUpdate) -> None:
        what = f"load version {update.version}"
        served = await slot.ask("update_weights", update, within=self._timeouts.sync, what=what)
        if served != update.version:
            raise RuntimeError(
                f"engine {slot.index} serves version {served} after a push of {update.version}"
            )
        slot.version = served
        if slot.live:
            self._versions.confirm(slot.index, version=served)
        elif slot.waiting is not None:
            slot.live = True
            self._versions.join(slot.index, version=served)
            slot.waiting.set_result(None)
            slot.waiting = None
