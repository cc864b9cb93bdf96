"""Where actors go: the cluster, rollout and learner sections resolved into Ray placement groups.

* ``local``: one group, one bundle for each engine and rank, CPUs only.
* ``gpu1``: one bundle with the one GPU; engine and rank each take a fraction of it, so they meet on the same
  device. Engines apart (``cluster.engines_apart``) have one bundle and one GPU each.
* ``node8``: one group on one node, a bundle for each engine (``tensor_parallel`` GPUs) and each rank (one
  GPU).
* ``multinode``: one bundle of GPUs for each learner node, on different nodes, which all its ranks share
  (collectives stay inside a node where they can); engines spread over the nodes, one bundle each. With
  ``cluster.elastic`` each engine has a group of its own, on a node that we name, so that engines can follow
  the nodes.
"""

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rl.cluster.errors import PlacementError
from rl.cluster.nodes import cluster_nodes, free_of, spread

if TYPE_CHECKING:
    from rl.config.schema import Config

TIMEOUT_S = 60.0
NODE_LABEL = "ray.io/node-id"
"""The label that Ray gives every node."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """Resources reserved on one node."""

    cpus: float
    gpus: float = 0.0
    more: Mapping[str, float] = field(default_factory=dict)
    """Resources of other names, such as a kind of device."""

    @property
    def resources(self) -> dict[str, float]:
        """In Ray's words."""
        return {"CPU": self.cpus} | ({"GPU": self.gpus} if self.gpus else {}) | dict(self.more)

    def times(self, number: int) -> "Bundle":
        """So many of them in one."""
        return total([self] * number)


def total(bundles: Sequence[Bundle]) -> Bundle:
    """All of them in one."""
    more: Counter[str] = Counter()
    for bundle in bundles:
        more.update(bundle.more)
    return Bundle(sum(b.cpus for b in bundles), sum(b.gpus for b in bundles), dict(more))


@dataclass(frozen=True, slots=True)
class BundleGroup:
    """Bundles that Ray reserves all at once."""

    name: str
    strategy: str
    """PACK | SPREAD | STRICT_PACK | STRICT_SPREAD."""
    bundles: tuple[Bundle, ...]
    named: bool = False
    """On a node that we choose, by its name, and not Ray."""


@dataclass(frozen=True, slots=True)
class Seat:
    """Where one actor sits, and what it takes of its bundle."""

    group: int
    bundle: int
    cpus: float
    gpus: float
    more: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A plan, before Ray has seen it."""

    groups: tuple[BundleGroup, ...]
    engines: tuple[Seat, ...]
    learners: tuple[Seat, ...]
    """By rank."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of every actor in a seat."""

    @property
    def totals(self) -> dict[str, float]:
        """Resources over all bundles."""
        return total([b for g in self.groups for b in g.bundles]).resources


def plan_placement(config: "Config") -> Placement:
    """Bundles and seats for every engine and learner rank of a validated config; engines of evaluations are
    the last ones. Without ranks (an evaluation) engines have all places."""
    return replace(_layout(config), env=config.cluster.env)


def _layout(config: "Config") -> Placement:
    cluster, num_ranks = config.cluster, config.learner.num_ranks
    num_engines = config.rollout.num_engines + config.evaluation.engines
    engine = Bundle(cluster.cpus_per_engine, cluster.gpus_per_engine, cluster.engine_resources)
    rank = Bundle(cluster.cpus_per_learner, cluster.gpus_per_learner, cluster.learner_resources)
    if cluster.name == "gpu1":
        both = total([engine, rank])
        shared = replace(both, gpus=math.ceil(both.gpus))
        apart = [replace(engine, gpus=math.ceil(engine.gpus))] * cluster.engines_apart
        return Placement(
            groups=(
                BundleGroup("shared", "STRICT_PACK", (shared,)),
                *(BundleGroup("apart", "PACK", (bundle,)) for bundle in apart),
            ),
            engines=(
                Seat(0, 0, engine.cpus, engine.gpus),
                *(Seat(1 + i, 0, bundle.cpus, bundle.gpus) for i, bundle in enumerate(apart)),
            ),
            learners=(Seat(0, 0, rank.cpus, rank.gpus),),
        )
    if cluster.name == "multinode" and num_ranks:
        per_node = num_ranks // cluster.learner_nodes
        node = rank.times(per_node)
        alone = config.rollout.num_engines if cluster.elastic else 0
        together = num_engines - alone
        return Placement(
            groups=(
                BundleGroup("learner", "STRICT_SPREAD", (node,) * cluster.learner_nodes),
                *(BundleGroup("engine", "PACK", (engine,), named=True) for _ in range(alone)),
                *([BundleGroup("engines", cluster.strategy, (engine,) * together)] if together else []),
            ),
            engines=(
                *(Seat(1 + i, 0, engine.cpus, engine.gpus, engine.more) for i in range(alone)),
                *(Seat(1 + alone, i, engine.cpus, engine.gpus) for i in range(together)),
            ),
            learners=tuple(Seat(0, r // per_node, rank.cpus, rank.gpus) for r in range(num_ranks)),
        )
    return Placement(
        groups=(BundleGroup("run", cluster.strategy, (engine,) * num_engines + (rank,) * num_ranks),),
        engines=tuple(Seat(0, i, engine.cpus, engine.gpus) for i in range(num_engines)),
        learners=tuple(Seat(0, num_engines + r, rank.cpus, rank.gpus) for r in range(num_ranks)),
    )


class Placed:
    """Reserved placement groups, and the Ray options that put an actor into its seat."""

    def __init__(self, plan: Placement, groups: dict[int, Any]) -> None:
        """``groups``: a Ray placement group for each group of the plan but the named ones, by its index."""
        self.plan = plan
        self._groups = groups
        self._own: dict[int, Any] = {}
        """Engine to its own group, of those on named nodes."""
        self.engine_nodes: dict[int, str] = {}
        """Engine to the node that its seat is on, where we chose that (``cluster.elastic``)."""
        self.known: set[str] = set()
        """Nodes that have their engines, or keep without; those that join later are others."""
        self.per_node = 0
        """Engines that a joining node gets; 0 where engines do not follow nodes."""
        self._engines = len(plan.engines)
        """Numbers of engines that were given so far."""

    def engine_options(self, index: int) -> dict[str, Any]:
        """Keyword arguments for ``EngineActor.options(...)``. A restarted engine gets the seat of the dead
        one."""
        seat = self.plan.engines[min(index, len(self.plan.engines) - 1)]
        if index in self._own:
            return self._options(replace(seat, bundle=0), self._own[index])
        return self._options(seat, self._groups[seat.group])

    @property
    def learner_options(self) -> list[dict[str, Any]]:
        """Keyword arguments for ``LearnerActor.options(...)``, by rank."""
        return [self._options(seat, self._groups[seat.group]) for seat in self.plan.learners]

    def _options(self, seat: Seat, group: Any) -> dict[str, Any]:
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        strategy = PlacementGroupSchedulingStrategy(
            placement_group=group,
            placement_group_bundle_index=seat.bundle,
            placement_group_capture_child_tasks=False,
        )
        options = {"num_cpus": seat.cpus, "num_gpus": seat.gpus, "scheduling_strategy": strategy}
        return options | ({"runtime_env": {"env_vars": dict(self.plan.env)}} if self.plan.env else {})

    # -- seats that come and go ------------------------------------------------------------------------------

    @property
    def engine_bundle(self) -> Bundle:
        """The resources that one engine takes of its node."""
        seat = self.plan.engines[0]
        return Bundle(seat.cpus, seat.gpus, seat.more)

    def open(self, engine: int, node: str, *, timeout_s: float) -> bool:
        """Reserve a seat for an engine on a node; False, and nothing is reserved, if others hold what it
        needs there."""
        from ray.util import placement_group, remove_placement_group

        group = placement_group(
            [self.engine_bundle.resources],
            strategy="PACK",
            bundle_label_selector=[{NODE_LABEL: node}],
        )
        if not group.wait(timeout_s):
            remove_placement_group(group)
            return False
        self._own[engine], self.engine_nodes[engine] = group, node
        return True

    def next_engine(self) -> int:
        """A number that no engine of this run has had."""
        self._engines += 1
        return self._engines - 1

    def close(self, engine: int) -> None:
        """Give back the seat of an engine that will not return; idempotent."""
        from ray.util import remove_placement_group

        self.engine_nodes.pop(engine, None)
        group = self._own.pop(engine, None)
        if group is not None:
            remove_placement_group(group)

    def others(self) -> dict[str, list[dict[str, float]]] | None:
        """Node to what our seats that Ray chose take there, the learner's above all; None while some of them
        have lost their node and wait for room."""
        taken: dict[str, list[dict[str, float]]] = {}
        for index, group in self._groups.items():
            for bundle, node in enumerate(_nodes_of(group)):
                if not node:
                    return None
                taken.setdefault(node, []).append(self.plan.groups[index].bundles[bundle].resources)
        return taken

    def taken(self) -> dict[str, list[dict[str, float]]] | None:
        """As ``others``, with the engines' seats on named nodes."""
        taken = self.others()
        if taken is not None:
            for node in self.engine_nodes.values():
                taken.setdefault(node, []).append(self.engine_bundle.resources)
        return taken

    def nodes(self) -> tuple[set[str], set[str]]:
        """Nodes with a learner rank, and nodes with an engine."""
        ranks: set[str] = set()
        engines = set(self.engine_nodes.values())
        for seats, found in ((self.plan.learners, ranks), (self.plan.engines, engines)):
            for seat in seats:
                if seat.group in self._groups:
                    found.add(_nodes_of(self._groups[seat.group])[seat.bundle])
        return ranks - {""}, engines - {""}

    def remove(self) -> None:
        """Give the resources back; actors in them die."""
        from ray.util import remove_placement_group

        for engine in list(self._own):
            self.close(engine)
        for group in self._groups.values():
            remove_placement_group(group)
        self._groups = {}


def _nodes_of(group: Any) -> list[str]:
    """The node of each bundle, '' of one that has none now."""
    from ray.util import placement_group_table

    found = placement_group_table(group)["bundles_to_node_id"]
    return [found[bundle] or "" for bundle in sorted(found)]


def create_placement(plan: Placement, *, timeout_s: float = TIMEOUT_S) -> Placed:
    """Reserve every bundle on the connected Ray.

    Raises:
        PlacementError: The nodes are too small (at once), or others hold the resources (after ``timeout_s``
            seconds).
    """
    from ray.util import placement_group

    _refuse_impossible(plan)
    deadline = time.monotonic() + timeout_s
    groups = {
        index: placement_group([b.resources for b in g.bundles], strategy=g.strategy)
        for index, g in enumerate(plan.groups)
        if not g.named
    }
    placed = Placed(plan, groups)
    ready = all(group.wait(max(0.0, deadline - time.monotonic())) for group in groups.values())
    if not ready or not _open_named(placed, deadline):
        placed.remove()
        raise PlacementError(
            f"the cluster did not free the resources within {timeout_s:g} s. {_situation(plan)}"
        )
    return placed


def _open_named(placed: Placed, deadline: float) -> bool:
    """Seats of engines on nodes that we choose, as evenly as there is room beside the learner; False if there
    is not enough."""
    count = sum(group.named for group in placed.plan.groups)
    if not count:
        return True
    nodes = cluster_nodes()
    room = free_of(nodes, placed.others() or {})
    chosen = spread(room, placed.engine_bundle.resources, count)
    if chosen is None:
        return False
    placed.known, placed.per_node = {node.id for node in nodes}, max(Counter(chosen).values())
    return all(
        placed.open(engine, node, timeout_s=max(0.0, deadline - time.monotonic()))
        for engine, node in enumerate(chosen)
    )


def _refuse_impossible(plan: Placement) -> None:
    """Refuse what can never be placed, before waiting: more in total than the cluster has, or in one place
    than any node has."""
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    for kind, wanted in plan.totals.items():
        if wanted > sum(node.get(kind, 0) for node in nodes):
            raise PlacementError(f"the cluster has too few {kind}s. {_situation(plan)}")
    for group in plan.groups:
        if group.strategy == "STRICT_SPREAD" and len(group.bundles) > len(nodes):
            raise PlacementError(f"{group.name!r} needs {len(group.bundles)} nodes. {_situation(plan)}")
        parts = [group.bundles] if group.strategy == "STRICT_PACK" else [(b,) for b in group.bundles]
        for part in parts:
            need = total(part).resources
            if not any(all(node.get(kind, 0) >= amount for kind, amount in need.items()) for node in nodes):
                raise PlacementError(
                    f"no single node has {_amounts(need, plan)} for {group.name!r}. {_situation(plan)}"
                )


def _situation(plan: Placement) -> str:
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    asked = "; ".join(
        f"{g.name}: {len(g.bundles)} x ({_amounts(g.bundles[0].resources, plan)}), {g.strategy}"
        for g in plan.groups
    )
    have = "; ".join(f"node {i}: {_amounts(node, plan)}" for i, node in enumerate(nodes))
    return (
        f"Asked: {_amounts(plan.totals, plan)} [{asked}]. There: {have}; free now:"
        f" {_amounts(ray.available_resources(), plan)}. Lower rollout.num_engines, rollout.tensor_parallel or"
        " learner.num_ranks, or choose another cluster="
    )


def _amounts(resources: dict[str, float], plan: Placement) -> str:
    kinds = dict.fromkeys(("CPU", "GPU", *plan.totals))
    return ", ".join(f"{resources.get(kind, 0):g} {kind}" for kind in kinds)
