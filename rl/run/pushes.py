"""New weights on their way to the engines, beside the loops."""

import asyncio
import time

from rl.config.schema import Config
from rl.engines.fleet import EngineFleet
from rl.records.trace import TraceWriter
from rl.stream.background import in_background
from rl.stream.buffer import StreamBuffer
from rl.stream.waiting import wait_for
from rl.stream.waits import waiting
from rl.weights.sync import Published, SyncReport, WeightSync


class Pushes:
    """One push at a time. One that fails is told by ``watch``, whoever waits for what it would have
    brought."""

    def __init__(
        self,
        *,
        config: Config,
        buffer: StreamBuffer,
        fleet: EngineFleet,
        sync: WeightSync,
        trace: TraceWriter,
        calm: bool,
    ) -> None:
        """``calm``: let the one plan that is out come near its end first
        (docs/decisions/0004-push-when-calm.md)."""
        self._stream = config.stream
        self._fleet = fleet
        self._sync = sync
        self._trace = trace
        self._calm_first = calm and buffer.depth == 1 and config.stream.push_at_share < 1
        self._task: asyncio.Task[SyncReport] | None = None
        self._failed = asyncio.Event()

    def begin(self, published: Published) -> None:
        """Push when the engines are calm; the one before has ``settled``."""
        self._task = in_background("push", self._push(published), what="a weight push")
        self._task.add_done_callback(self._look)

    def _look(self, push: "asyncio.Task[SyncReport]") -> None:
        if not push.cancelled() and push.exception() is not None:
            self._failed.set()

    async def settled(self) -> SyncReport | None:
        """Wait for the last push that was begun; None if there was none. Raises what it failed of."""
        if self._task is None:
            return None
        limit = self._stream.step_timeout_s + self._stream.sync_timeout_s
        return await wait_for(asyncio.shield(self._task), limit, "the weight push")

    async def watch(self) -> None:
        """Run beside the loops: raises what a push failed of, at once. Without new weights no plan may be
        drawn, and who waits for one would hear of it by a time limit alone."""
        with waiting("a push that fails"):
            await self._failed.wait()
        await self.settled()

    async def _push(self, published: Published) -> SyncReport:
        if self._calm_first:
            await self._calm()
        started = time.time()
        report = await self._sync.push(published)
        self._trace.complete("sync", f"version {report.version}", started, time.time(), gap=report.probe_gap)
        self._fleet.changed.notify()
        return report

    async def _calm(self) -> None:
        """No ticket is left until the push, so the plan that is out does end."""
        stream = self._stream
        enough = stream.push_at_share * stream.prompts_per_step * stream.rollouts_per_prompt
        await self._fleet.changed.until(
            lambda: self._fleet.outstanding <= enough,
            timeout_s=stream.step_timeout_s,
            what="the plan in flight to come near its end",
        )
