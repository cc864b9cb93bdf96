"""An elastic fleet follows the nodes: engines are added where one joins, and leave with a node that goes.

Looks every second at what nodes there are. A node that was there when the run began keeps what it was given;
one that comes later, or comes back, gets as many engines as the fullest one had then. The learner comes
first: while a bundle of its waits for a node, no engine takes a place.

See docs/decisions/0014-elastic-fleet.md.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from rl.cluster.nodes import ClusterNode, cluster_nodes, fits, free_of, take
from rl.cluster.placement import Placed
from rl.engines.errors import FleetDead
from rl.engines.fleet import EngineFleet
from rl.stream.background import in_background

logger = logging.getLogger(__name__)

EVERY_S = 1.0
OPEN_S = 5.0
"""For Ray to reserve a seat where we think that there is room."""
MARGIN_S = 5.0
"""So long before a draining node goes its engines end, whatever they are at."""


class NodeFollower:
    """Keeps a fleet's engines on the nodes that there are."""

    def __init__(
        self,
        *,
        fleet: EngineFleet,
        placed: Placed,
        admit: Callable[[ClusterNode], str | None],
        grace_s: float,
        hasten: Callable[[], None],
        nodes: Callable[[], Sequence[ClusterNode]] = cluster_nodes,
    ) -> None:
        """``admit`` says what a new node lacks, None if an engine can work there. ``grace_s``: for groups in
        flight on a draining node that names no deadline. ``hasten`` asks for a checkpoint at the next step,
        once for each draining node with a learner rank."""
        self._fleet, self._placed, self._admit, self._grace_s = fleet, placed, admit, grace_s
        self._nodes, self._hasten = nodes, hasten
        self._hastened: set[str] = set()
        """Draining nodes that were looked at for the learner's ranks."""
        self._leaving: dict[int, asyncio.Task[None]] = {}

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follow while the block lasts. What goes wrong with it ends the fleet."""
        task = in_background("nodes", self._follow(), what="following the nodes")
        task.add_done_callback(self._ended)
        try:
            yield
        finally:
            for one in (task, *self._leaving.values()):
                one.cancel()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fleet.fail(FleetDead(f"the nodes cannot be followed: {error}"))

    async def _follow(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Compare the engines with the nodes once, and begin what follows from it."""
        nodes = await asyncio.to_thread(self._nodes)
        here = {node.id: node for node in nodes}
        for engine, where in list(self._placed.engine_nodes.items()):
            node = here.get(where)
            if engine not in self._leaving and (node is None or node.draining):
                work = self._let_go(engine, node)
                self._leaving[engine] = in_background("nodes", work, what=f"engine {engine} leaving")
        await self._save_before([node for node in nodes if node.draining and node.id not in self._hastened])
        self._placed.known &= here.keys()
        for node in nodes:
            if node.id not in self._placed.known and not node.draining:
                await self._welcome(node)

    async def _save_before(self, draining: Sequence[ClusterNode]) -> None:
        """A checkpoint before the learner's ranks on these nodes are gone."""
        if not draining:
            return
        with_ranks, _ = await asyncio.to_thread(self._placed.nodes)
        self._hastened |= {node.id for node in draining}
        for node in draining:
            if node.id in with_ranks:
                logger.warning("node %s with a learner rank is drained: the next step saves", node.address)
                self._hasten()

    async def _let_go(self, engine: int, node: ClusterNode | None) -> None:
        if node is None:
            grace_s = 0.0
            logger.warning("the node of engine %d is gone, and the engine with it", engine)
        else:
            left = self._grace_s if node.deadline is None else node.deadline - time.time() - MARGIN_S
            grace_s = max(0.0, left)
            logger.warning(
                "node %s is drained: engine %d gets no more groups, and has %.0f s for those it samples",
                node.address,
                engine,
                grace_s,
            )
        await self._fleet.leave(engine, grace_s=grace_s)
        await asyncio.to_thread(self._placed.close, engine)
        del self._leaving[engine]

    async def _welcome(self, node: ClusterNode) -> None:
        placed = self._placed
        taken = await asyncio.to_thread(placed.taken)
        if taken is None:
            return  # the learner looks for a place: once it has one, this node is looked at again
        placed.known.add(node.id)
        room, need = free_of([node], taken)[node.id], placed.engine_bundle.resources
        if not fits(room, need):
            logger.info("node %s joined and has no room for an engine", node.address)
            return
        problem = await asyncio.to_thread(self._admit, node)
        if problem is not None:
            logger.error("node %s joined and gets no engine: %s", node.address, problem)
            return
        for _ in range(placed.per_node):
            if not fits(room, need):
                return
            engine = placed.next_engine()
            if not await asyncio.to_thread(placed.open, engine, node.id, timeout_s=OPEN_S):
                logger.warning("others hold what an engine needs on node %s, which joined", node.address)
                return
            take(room, need)
            self._fleet.add(engine)
            logger.warning("node %s joined: engine %d starts there", node.address, engine)
