"""From sections to bundles and seats: counted by hand."""

import pytest

from rl.cluster.placement import Bundle, BundleGroup, Placement, Seat, plan_placement
from rl.cluster.ray_runtime import needed_cpus
from rl.config.load import load_config

GPU = ["rollout=gpu", "learner=gpu"]
MULTI = [
    "rollout=gpu",
    "learner=gpu",
    "cluster=multinode",
    "rollout.weight_transfer=nccl",
    "run.dir=/shared/runs",
]


def plan(*overrides: str) -> Placement:
    return plan_placement(load_config("quickstart", list(overrides)))


def test_local_gives_each_actor_a_cpu_bundle() -> None:
    placement = plan("rollout.num_engines=2", "cluster.cpus_per_learner=2")
    assert placement.groups == (BundleGroup("run", "PACK", (Bundle(1), Bundle(1), Bundle(2))),)
    assert placement.engines == (Seat(0, 0, 1, 0), Seat(0, 1, 1, 0))
    assert placement.learners == (Seat(0, 2, 2, 0),)
    assert placement.totals == {"CPU": 4}


def test_gpu1_puts_both_on_one_device() -> None:
    only = ["rollout.num_engines=1", "learner.num_ranks=1", "cluster=gpu1", "rollout.weight_transfer=ipc"]
    placement = plan(*GPU, *only, "cluster.gpus_per_engine=0.6", "cluster.gpus_per_learner=0.4")
    assert placement.groups == (BundleGroup("shared", "STRICT_PACK", (Bundle(2, 1),)),)
    assert placement.engines == (Seat(0, 0, 1, 0.6),) and placement.learners == (Seat(0, 0, 1, 0.4),)


def test_node8_holds_tensor_parallel_engines_beside_ranks() -> None:
    placement = plan(
        *GPU,
        "cluster=node8",
        "rollout.num_engines=2",
        "rollout.tensor_parallel=2",
        "cluster.gpus_per_engine=2",
    )
    (group,) = placement.groups
    assert group.strategy == "STRICT_PACK" and [b.gpus for b in group.bundles] == [2, 2, 1, 1, 1, 1]
    assert [s.bundle for s in placement.learners] == [2, 3, 4, 5]
    assert placement.totals == {"CPU": 6, "GPU": 8}


def test_multinode_packs_ranks_by_node_and_spreads_engines() -> None:
    placement = plan(
        *MULTI,
        "cluster.nodes=3",
        "cluster.learner_nodes=2",
        "learner.num_ranks=8",
        "rollout.num_engines=3",
    )
    learner, engines = placement.groups
    assert (learner.strategy, learner.bundles) == ("STRICT_SPREAD", (Bundle(4, 4), Bundle(4, 4)))
    assert (engines.strategy, engines.bundles) == ("SPREAD", (Bundle(1, 1),) * 3)
    assert [s.bundle for s in placement.learners] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert all(s.group == 1 for s in placement.engines)


def test_engines_apart_have_a_gpu_each_beside_the_one_in_turns() -> None:
    placement = plan("cluster=colocated", "cluster.engines_apart=2", "rollout.num_engines=3")
    assert [group.bundles for group in placement.groups] == [
        (Bundle(2, 1),),
        (Bundle(1, 1),),
        (Bundle(1, 1),),
    ]
    assert [(seat.group, seat.gpus) for seat in placement.engines] == [(0, 0.5), (1, 1), (2, 1)]
    assert placement.learners == (Seat(0, 0, 1, 0.5),)


def test_halves_may_want_other_kinds_of_devices() -> None:
    placement = plan(
        *MULTI,
        r"cluster.engine_resources={accelerator_type\:L40S: 0.001}",
        "cluster.learner_resources={rack-a: 1}",
    )
    learner, engines = placement.groups
    assert learner.bundles[0].resources == {"CPU": 4, "GPU": 4, "rack-a": 4}
    assert engines.bundles[0].resources == {"CPU": 1, "GPU": 1, "accelerator_type:L40S": 0.001}
    assert placement.totals["rack-a"] == 4 and placement.engines[0].gpus == 1
    elastic = plan(
        *MULTI, "rollout.weight_transfer=object", "cluster.elastic=true", "cluster.engine_resources={b: 1}"
    )
    assert all(seat.more == {"b": 1} for seat in elastic.engines)


def test_engines_of_an_elastic_fleet_have_groups_of_their_own_on_nodes_that_we_name() -> None:
    placement = plan(
        *MULTI[:3],
        "run.dir=/shared/runs",
        "rollout.weight_transfer=object",
        "cluster.elastic=true",
        "cluster.nodes=2",
        "learner.num_ranks=4",
        "rollout.num_engines=2",
        "evaluation.engines=1",
    )
    engine = Bundle(1, 1)
    assert placement.groups == (
        BundleGroup("learner", "STRICT_SPREAD", (Bundle(4, 4),)),
        BundleGroup("engine", "PACK", (engine,), named=True),
        BundleGroup("engine", "PACK", (engine,), named=True),
        BundleGroup("engines", "SPREAD", (engine,)),
    )
    assert placement.engines == (Seat(1, 0, 1, 1), Seat(2, 0, 1, 1), Seat(3, 0, 1, 1))
    assert placement.totals == {"CPU": 7, "GPU": 7}


@pytest.mark.parametrize(
    ("overrides", "cpus"), [([], 3), (["rollout.num_engines=3", "cluster.cpus_per_engine=0.5"], 4)]
)
def test_a_local_ray_gets_a_cpu_for_each_actor_and_one_to_spare(overrides: list[str], cpus: int) -> None:
    assert needed_cpus(load_config("quickstart", overrides)) == cpus
