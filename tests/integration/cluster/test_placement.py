"""Placement groups on a real Ray with eight logical GPUs: every actor lands in its seat and sees its
devices."""

import os
import time

import pytest
import ray

from rl.cluster.nodes import cluster_nodes, free_of
from rl.cluster.placement import Placed, PlacementError, create_placement, plan_placement
from rl.config.load import load_config

GPU = ["rollout=gpu", "learner=gpu"]
MULTI = [
    "rollout=gpu",
    "learner=gpu",
    "cluster=multinode",
    "rollout.weight_transfer=nccl",
    "run.dir=/shared/runs",
]


@pytest.fixture(scope="module", autouse=True)
def eight_logical_gpus():
    ray.init(
        address="local",
        num_cpus=16,
        num_gpus=8,
        include_dashboard=False,
        object_store_memory=200 << 20,
        log_to_driver=False,
    )
    yield
    ray.shutdown()


@pytest.fixture(autouse=True)
def nothing_is_taken(eight_logical_gpus) -> None:
    """Ray gives back what the test before held a moment after it was asked to."""
    until = time.monotonic() + 30
    while ((free := ray.available_resources()).get("CPU"), free.get("GPU")) != (16, 8):
        assert time.monotonic() < until, f"still taken, free are {free}"
        time.sleep(0.05)


class Witness:
    """Says which devices it was given."""

    def devices(self) -> list[str]:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        return visible.split(",") if visible else []


def place(*overrides: str) -> Placed:
    return create_placement(plan_placement(load_config("quickstart", list(overrides))), timeout_s=20)


def devices(placed: Placed) -> tuple[list[list[str]], list[list[str]]]:
    """Devices of each engine and of each rank, from real actors in their seats."""
    options = [placed.engine_options(i) for i in range(len(placed.plan.engines))] + placed.learner_options
    actors = [ray.remote(Witness).options(**o).remote() for o in options]
    seen = ray.get([a.devices.remote() for a in actors], timeout=60)
    for actor in actors:
        ray.kill(actor)
    placed.remove()
    return seen[: len(placed.plan.engines)], seen[len(placed.plan.engines) :]


def test_node8_with_tensor_parallel_engines_uses_each_gpu_once() -> None:
    engines, ranks = devices(
        place(
            *GPU,
            "cluster=node8",
            "rollout.num_engines=2",
            "rollout.tensor_parallel=2",
            "cluster.gpus_per_engine=2",
        )
    )
    assert [len(e) for e in engines] == [2, 2] and [len(r) for r in ranks] == [1, 1, 1, 1]
    assert sorted(d for seat in engines + ranks for d in seat) == list("01234567")


def test_gpu1_shares_one_device() -> None:
    only = ["cluster=gpu1", "rollout.num_engines=1", "learner.num_ranks=1", "rollout.weight_transfer=ipc"]
    engines, ranks = devices(place(*GPU, *only))
    assert len(engines[0]) == 1 and engines == ranks


def test_multinode_plan_on_one_node_keeps_ranks_together() -> None:
    engines, ranks = devices(place(*MULTI, "cluster.nodes=1"))
    assert len({d for seat in ranks for d in seat}) == 4
    assert sorted(d for seat in engines + ranks for d in seat) == list("01234567")


def test_seats_of_an_elastic_fleet_come_and_go() -> None:
    elastic = ["cluster.elastic=true", "rollout.weight_transfer=object", "rollout.num_engines=2"]
    placed = place(*MULTI, *elastic, "cluster.nodes=1", "learner.num_ranks=4")
    [node] = cluster_nodes()
    assert placed.engine_nodes == {0: node.id, 1: node.id} and placed.known == {node.id}
    assert placed.per_node == 2, "as many as the fullest node has"
    assert placed.nodes() == ({node.id}, {node.id})
    taken = placed.taken()
    assert taken is not None and len(taken[node.id]) == 3
    assert free_of([node], taken)[node.id]["GPU"] == 2
    more = [placed.next_engine() for _ in range(3)]
    assert more == [2, 3, 4]
    assert placed.open(2, node.id, timeout_s=20) and placed.open(3, node.id, timeout_s=20)
    assert not placed.open(4, node.id, timeout_s=1), "no GPU is left"
    assert not placed.open(4, "0" * 56, timeout_s=1), "there is no such node"
    placed.close(0)
    placed.close(0)
    assert placed.open(4, node.id, timeout_s=20)
    actor = ray.remote(Witness).options(**placed.engine_options(4)).remote()
    assert len(ray.get(actor.devices.remote(), timeout=60)) == 1
    ray.kill(actor)
    placed.remove()
    assert placed.engine_nodes == {}


def test_local_needs_no_gpu() -> None:
    engines, ranks = devices(place("rollout.num_engines=2"))
    assert engines == [[], []] and ranks == [[]]


def test_a_seat_is_free_again_when_its_actor_dies() -> None:
    placed = place("rollout.num_engines=1")
    for _ in range(2):
        actor = ray.remote(Witness).options(**placed.engine_options(0)).remote()
        assert ray.get(actor.devices.remote(), timeout=30) == []
        ray.kill(actor)
    placed.remove()


def test_too_many_gpus_are_refused_at_once_with_both_sides_of_the_sum() -> None:
    with pytest.raises(
        PlacementError, match=r"too few GPUs.*Asked: 12 CPU, 12 GPU.*There: node 0: 16 CPU, 8 GPU"
    ):
        place(*GPU, "cluster=node8", "rollout.num_engines=8")


def test_more_learner_nodes_than_nodes_are_refused_at_once() -> None:
    with pytest.raises(PlacementError, match="'learner' needs 2 nodes"):
        place(*MULTI, "cluster.learner_nodes=2")


def test_resources_that_others_hold_time_out_with_what_is_free() -> None:
    first = place(*GPU, "cluster=node8")
    with pytest.raises(PlacementError, match=r"within 1 s.*free now: 8 CPU, 0 GPU"):
        create_placement(first.plan, timeout_s=1)
    first.remove()
