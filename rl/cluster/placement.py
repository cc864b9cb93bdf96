"""Where actors go: the cluster, rollout and learner sections resolved into Ray placement groups.

* ``local``: one group, one bundle for each engine and rank, CPUs only.
* ``gpu1``: one bundle with the one GPU; engine and rank each take a fraction of it, so they meet on the same
  device.
* ``node8``: one group on one node, a bundle for each engine (``tensor_parallel`` GPUs) and each rank (one
  GPU).
* ``multinode``: one bundle of GPUs for each learner node, on different nodes, which all its ranks share
  (collectives stay inside a node where they can); engines spread over the nodes, one bundle each.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rl.config.schema import Config

TIMEOUT_S = 60.0


class PlacementError(RuntimeError):
    """The cluster cannot hold the run; the message says what is asked and what there is."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """Resources reserved on one node."""

    cpus: float
    gpus: float = 0.0

    @property
    def resources(self) -> dict[str, float]:
        """In Ray's words."""
        return {"CPU": self.cpus} | ({"GPU": self.gpus} if self.gpus else {})


@dataclass(frozen=True, slots=True)
class BundleGroup:
    """Bundles that Ray reserves all at once."""

    name: str
    strategy: str
    """PACK | SPREAD | STRICT_PACK | STRICT_SPREAD."""
    bundles: tuple[Bundle, ...]


@dataclass(frozen=True, slots=True)
class Seat:
    """Where one actor sits, and what it takes of its bundle."""

    group: int
    bundle: int
    cpus: float
    gpus: float


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
        bundles = [b for g in self.groups for b in g.bundles]
        return Bundle(sum(b.cpus for b in bundles), sum(b.gpus for b in bundles)).resources


def plan_placement(config: "Config") -> Placement:
    """Bundles and seats for every engine and learner rank of a validated config; engines of evaluations are
    the last ones. Without ranks (an evaluation) engines have all places."""
    return replace(_layout(config), env=config.cluster.env)


def _layout(config: "Config") -> Placement:
    cluster, num_ranks = config.cluster, config.learner.num_ranks
    num_engines = config.rollout.num_engines + config.evaluation.engines
    engine = Bundle(cluster.cpus_per_engine, cluster.gpus_per_engine)
    rank = Bundle(cluster.cpus_per_learner, cluster.gpus_per_learner)
    if cluster.name == "gpu1":
        shared = Bundle(engine.cpus + rank.cpus, math.ceil(engine.gpus + rank.gpus))
        return Placement(
            groups=(BundleGroup("shared", "STRICT_PACK", (shared,)),),
            engines=(Seat(0, 0, engine.cpus, engine.gpus),),
            learners=(Seat(0, 0, rank.cpus, rank.gpus),),
        )
    if cluster.name == "multinode" and num_ranks:
        per_node = num_ranks // cluster.learner_nodes
        node = Bundle(rank.cpus * per_node, rank.gpus * per_node)
        return Placement(
            groups=(
                BundleGroup("learner", "STRICT_SPREAD", (node,) * cluster.learner_nodes),
                BundleGroup("engines", cluster.strategy, (engine,) * num_engines),
            ),
            engines=tuple(Seat(1, i, engine.cpus, engine.gpus) for i in range(num_engines)),
            learners=tuple(Seat(0, r // per_node, rank.cpus, rank.gpus) for r in range(num_ranks)),
        )
    return Placement(
        groups=(BundleGroup("run", cluster.strategy, (engine,) * num_engines + (rank,) * num_ranks),),
        engines=tuple(Seat(0, i, engine.cpus, engine.gpus) for i in range(num_engines)),
        learners=tuple(Seat(0, num_engines + r, rank.cpus, rank.gpus) for r in range(num_ranks)),
    )


class Placed:
    """Reserved placement groups, and the Ray options that put an actor into its seat."""

    def __init__(self, plan: Placement, groups: list[Any]) -> None:
        """``groups``: one Ray placement group for each group of the plan."""
        self.plan = plan
        self._groups = groups

    def engine_options(self, index: int) -> dict[str, Any]:
        """Keyword arguments for ``EngineActor.options(...)``. A restarted engine gets the seat of the dead
        one."""
        return self._options(self.plan.engines[index])

    @property
    def learner_options(self) -> list[dict[str, Any]]:
        """Keyword arguments for ``LearnerActor.options(...)``, by rank."""
        return [self._options(seat) for seat in self.plan.learners]

    def _options(self, seat: Seat) -> dict[str, Any]:
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        strategy = PlacementGroupSchedulingStrategy(
            placement_group=self._groups[seat.group],
            placement_group_bundle_index=seat.bundle,
            placement_group_capture_child_tasks=False,
        )
        options = {"num_cpus": seat.cpus, "num_gpus": seat.gpus, "scheduling_strategy": strategy}
        return options | ({"runtime_env": {"env_vars": dict(self.plan.env)}} if self.plan.env else {})

    def remove(self) -> None:
        """Give the resources back; actors in them die."""
        from ray.util import remove_placement_group

        for group in self._groups:
            remove_placement_group(group)
        self._groups = []


def create_placement(plan: Placement, *, timeout_s: float = TIMEOUT_S) -> Placed:
    """Reserve every bundle on the connected Ray.

    Raises:
        PlacementError: The nodes are too small (at once), or others hold the resources (after ``timeout_s``
            seconds).
    """
    from ray.util import placement_group

    _refuse_impossible(plan)
    deadline = time.monotonic() + timeout_s
    groups = [placement_group([b.resources for b in g.bundles], strategy=g.strategy) for g in plan.groups]
    placed = Placed(plan, groups)
    for group in groups:
        if not group.wait(max(0.0, deadline - time.monotonic())):
            placed.remove()
            raise PlacementError(
                f"the cluster did not free the resources within {timeout_s:g} s. {_situation(plan)}"
            )
    return placed


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
            need = Bundle(sum(b.cpus for b in part), sum(b.gpus for b in part)).resources
            if not any(all(node.get(kind, 0) >= amount for kind, amount in need.items()) for node in nodes):
                raise PlacementError(
                    f"no single node has {_amounts(need)} for {group.name!r}. {_situation(plan)}"
                )


def _situation(plan: Placement) -> str:
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    asked = "; ".join(
        f"{g.name}: {len(g.bundles)} x ({_amounts(g.bundles[0].resources)}), {g.strategy}"
        for g in plan.groups
    )
    have = "; ".join(f"node {i}: {_amounts(node)}" for i, node in enumerate(nodes))
    return (
        f"Asked: {_amounts(plan.totals)} [{asked}]. There: {have}; free now:"
        f" {_amounts(ray.available_resources())}. Lower rollout.num_engines, rollout.tensor_parallel or"
        " learner.num_ranks, or choose another cluster="
    )


def _amounts(resources: dict[str, float]) -> str:
    return ", ".join(f"{resources.get(kind, 0):g} {kind}" for kind in ("CPU", "GPU"))
