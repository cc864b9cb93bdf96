"""The nodes of the connected Ray, and which of them has room for what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterNode:
    """A node that is alive. One that died and came back is another one."""

    id: str
    address: str
    resources: Mapping[str, float] = field(default_factory=dict)
    """All that the node has, in Ray's words."""
    draining: bool = False
    """It is about to be taken away."""
    deadline: float | None = None
    """Seconds since the epoch when a draining node will be gone; None where nobody said."""


def cluster_nodes() -> list[ClusterNode]:
    """Every live node, oldest connection first; asks Ray's head, which takes milliseconds."""
    import ray
    from ray._private.state import state

    alive = [node for node in ray.nodes() if node["Alive"]]
    draining: dict[str, int] = state.get_draining_nodes()
    return [
        ClusterNode(
            id=node["NodeID"],
            address=node["NodeManagerAddress"],
            resources=node["Resources"],
            draining=node["NodeID"] in draining,
            deadline=draining.get(node["NodeID"], 0) / 1000 or None,
        )
        for node in alive
    ]


def spread(
    room: Mapping[str, Mapping[str, float]], need: Mapping[str, float], count: int
) -> list[str] | None:
    """Nodes for ``count`` actors, as evenly as their room allows; None if there is not enough of it.

    Args:
        room: Node to what is free on it.
        need: Resources of one actor.
        count: Of actors; a node may come several times.

    Example: three actors of one CPU on nodes with 1 and 8 CPUs go to both, and the third to the larger one.
    """
    left = {node: dict(free) for node, free in room.items()}
    chosen: list[str] = []
    for _ in range(count):
        fitting = [n for n, free in left.items() if fits(free, need)]
        if not fitting:
            return None
        node = min(fitting, key=lambda n: (chosen.count(n), [-left[n].get(kind, 0) for kind in need]))
        chosen.append(node)
        take(left[node], need)
    return chosen


def fits(free: Mapping[str, float], need: Mapping[str, float]) -> bool:
    """True if an actor that needs this has room there."""
    return all(free.get(kind, 0) >= amount for kind, amount in need.items())


def take(free: dict[str, float], need: Mapping[str, float]) -> None:
    """Reserve it there."""
    for kind, amount in need.items():
        free[kind] = free.get(kind, 0) - amount


def free_of(
    nodes: Sequence[ClusterNode], taken: Mapping[str, Sequence[Mapping[str, float]]]
) -> dict[str, dict[str, float]]:
    """Node to what is left on it after reservations of our own (node to what each of them takes); nodes that
    drain have nothing left. Those of other users are not known here."""
    room = {node.id: dict(node.resources) for node in nodes if not node.draining}
    for node, needs in taken.items():
        for need in needs if node in room else ():
            take(room[node], need)
    return room


def never_ran(error: BaseException) -> bool:
    """True if Ray gave an actor up before it had a process: the node that it was to start on is gone. Ray
    tells it by the words alone (``ActorDiedErrorContext.never_started``)."""
    from ray.exceptions import ActorDiedError

    return isinstance(error, ActorDiedError) and "The actor never ran" in str(error)
