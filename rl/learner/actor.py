"""The learner rank as a Ray actor: what needs to know that it runs under Ray."""

import socket
from dataclasses import replace
from typing import Any

import ray

from rl.learner.rank import LearnerRank
from rollout.engine import WeightUpdate

CONCURRENCY_GROUPS = {"background": 1, "transfer": 1}
"""For ``ray.remote(concurrency_groups=...)``: what must not stand in line behind a training step, nor hold
one up.

``transfer`` is apart because a checkpoint may keep ``background`` waiting for the disk.
"""


class LearnerActor(LearnerRank):
    """Calls run one at a time, in order, but for those of the two other groups."""

    def __repr__(self) -> str:
        """The name; Ray writes it at the head of the actor's log files."""
        return f"learner-{self._settings.rank}"

    def endpoint(self) -> tuple[str, int]:
        """This node's address and a port that was free a moment ago, where the other ranks will meet rank
        0."""
        with socket.socket() as probe:
            probe.bind(("", 0))
            return ray.util.get_node_ip_address(), probe.getsockname()[1]

    @ray.method(concurrency_group="background")
    def wait_saved(self) -> None:
        """As in LearnerRank; training goes on meanwhile."""
        super().wait_saved()

    @ray.method(concurrency_group="background")
    def stats(self) -> dict[str, float]:
        """As in LearnerRank; answers at once, also during a step."""
        return super().stats()

    @ray.method(concurrency_group="transfer")
    def put(self, update: WeightUpdate, changes: bool) -> WeightUpdate:
        """Put the file of the newest ``publish`` into Ray's object store, in parts that this process owns,
        and with ``changes`` what is new in each since the publication before; training goes on meanwhile.
        Rank 0 only."""
        publisher = self._built.publisher
        since, news = publisher.changes(update) if changes else ("", [])
        whole = publisher.parts(update)
        parts = tuple(map(ray.put, whole))
        update = replace(update, transport="object", parts=parts)
        if not news:
            return update
        changed = [ray.put(new) if new is not None else part for new, part in zip(news, parts, strict=True)]
        sizes = [(part if new is None else new).nbytes for new, part in zip(news, whole, strict=True)]
        return replace(update, changes=tuple(changed), since=since, changed_bytes=sum(sizes))

    @ray.method(concurrency_group="transfer")
    def outgoing(self) -> dict[str, Any]:
        """As in LearnerRank; while ``connect`` or ``send`` runs."""
        return super().outgoing()

    @ray.method(concurrency_group="transfer")
    def delivered(self) -> None:
        """As in LearnerRank; while ``connect`` or ``send`` runs."""
        super().delivered()
