"""Check what the machines allow: devices, transports, GPUs per actor."""

from collections.abc import Iterator
from pathlib import Path

from rl.config.tree import ConfigTree


def cluster_problems(config: ConfigTree) -> Iterator[str]:
    """Every way in which rollout, learner and cluster sections contradict each other."""
    yield from _transport(config)
    yield from _devices(config)
    yield from _engine_gpus(config)
    yield from _layout(config)
    yield from _run_directory(config)
    yield from _elastic(config)


def _transport(config: ConfigTree) -> Iterator[str]:
    transport, cluster = config.rollout.weight_transfer, config.cluster
    on_cpu = "cpu" in (config.rollout.device, config.learner.device)
    if transport == "shm" and cluster.nodes > 1:
        yield (
            f"rollout.weight_transfer: shm is shared memory of one node, cluster.nodes={cluster.nodes}; use"
            f" {'object' if on_cpu else 'object or nccl'}"
        )
    if config.rollout.weight_changes and transport != "object":
        yield (
            "rollout.weight_changes: they are sent between nodes, by rollout.weight_transfer=object, which is"
            f" {transport}; leave it out, or choose object"
        )
    if transport in ("nccl", "ipc") and on_cpu:
        both = config.rollout.device == config.learner.device
        fix = (
            "cluster=local sets it with the rest of a CPU run"
            if both
            else "use shm, which carries them through memory (object on several nodes)"
        )
        yield (
            f"rollout.weight_transfer: {transport} moves weights between GPUs, but rollout or learner.device"
            f" is cpu; {fix}"
        )
    elif transport == "ipc" and cluster.name != "gpu1":
        yield "rollout.weight_transfer: ipc needs engine and learner on the same GPU (cluster=gpu1); use nccl"
    elif transport == "nccl" and cluster.name == "gpu1":
        yield (
            "rollout.weight_transfer: NCCL refuses two ranks on one GPU, and cluster=gpu1 shares it; use ipc"
            " or shm"
        )


def _devices(config: ConfigTree) -> Iterator[str]:
    cluster = config.cluster
    for section, device, field, gpus in (
        ("rollout", config.rollout.device, "gpus_per_engine", cluster.gpus_per_engine),
        ("learner", config.learner.device, "gpus_per_learner", cluster.gpus_per_learner),
    ):
        if device == "cuda" and gpus == 0:
            yield (
                f"cluster.{field}: 0 GPUs, but {section}.device=cuda; choose cluster=gpu1|node8|multinode, or"
                f" {section}=cpu"
            )
        if device == "cpu" and gpus > 0:
            yield (
                f"cluster.{field}: reserves {gpus:g} GPU(s), but {section}.device=cpu; choose {section}=gpu"
                " or cluster=local"
            )


def _engine_gpus(config: ConfigTree) -> Iterator[str]:
    rollout, gpus = config.rollout, config.cluster.gpus_per_engine
    if rollout.device == "cpu":
        if rollout.tensor_parallel > 1:
            yield (
                f"rollout.tensor_parallel: {rollout.tensor_parallel} needs rollout.device=cuda; on CPU raise"
                " rollout.num_engines"
            )
        return
    if rollout.tensor_parallel > 1 and gpus != rollout.tensor_parallel:
        yield (
            f"cluster.gpus_per_engine: {gpus:g} does not match"
            f" rollout.tensor_parallel={rollout.tensor_parallel}; set"
            f" cluster.gpus_per_engine={rollout.tensor_parallel}"
        )
    if rollout.tensor_parallel == 1 and gpus > 1:
        yield (
            f"cluster.gpus_per_engine: {gpus:g}, but rollout.tensor_parallel=1 uses one GPU; set the second"
            " to the first"
        )


def _layout(config: ConfigTree) -> Iterator[str]:
    cluster, rollout, learner = config.cluster, config.rollout, config.learner
    if cluster.gpus_per_learner > 1:
        yield (
            f"cluster.gpus_per_learner: {cluster.gpus_per_learner:g}, but a rank drives one GPU; raise"
            " learner.num_ranks"
        )
    if cluster.name == "gpu1":
        if (rollout.num_engines - cluster.engines_apart, learner.num_ranks) != (1, 1):
            yield (
                "cluster.name: gpu1 is one engine and one rank (and cluster.engines_apart); set"
                " rollout.num_engines=1 learner.num_ranks=1, or cluster=node8"
            )
        if config.evaluation.engines:
            yield "evaluation.engines: the one GPU of cluster=gpu1 has no room for more engines; set it to 0"
        if cluster.gpus_per_engine + cluster.gpus_per_learner > 1:
            yield (
                "cluster.gpus_per_engine: with cluster.gpus_per_learner more than the one GPU of"
                " cluster=gpu1; keep the sum at 1"
            )
    if cluster.name == "multinode" and cluster.address is None:
        yield (
            "cluster.address: a Ray started here spans one node; set auto (on a node of the cluster) or"
            " host:port"
        )
    if cluster.name != "multinode" and cluster.nodes > 1:
        yield f"cluster.nodes: {cluster.nodes} nodes need cluster=multinode"
    if cluster.learner_nodes > cluster.nodes:
        yield (
            f"cluster.learner_nodes: {cluster.learner_nodes} exceeds cluster.nodes={cluster.nodes}; lower it"
        )
    if learner.num_ranks % cluster.learner_nodes:
        yield (
            f"learner.num_ranks: {learner.num_ranks} ranks do not divide over"
            f" cluster.learner_nodes={cluster.learner_nodes}; ranks of one node are packed together, so use a"
            " multiple"
        )


def _run_directory(config: ConfigTree) -> Iterator[str]:
    if config.cluster.name == "multinode" and not Path(config.run.dir).is_absolute():
        yield (
            f"run.dir: {config.run.dir!r} is relative, and every node would write to one of its own; give the"
            " absolute path of one that all nodes see, e.g. run.dir=/shared/runs"
        )


def _elastic(config: ConfigTree) -> Iterator[str]:
    if not config.cluster.elastic:
        return
    transport = config.rollout.weight_transfer
    if transport in ("nccl", "ipc"):
        yield (
            f"cluster.elastic: {transport} moves weights in a group of engines, never tried with new"
            " nodes; use rollout.weight_transfer=object, or leave cluster.elastic out"
        )
    if config.cluster.name != "multinode":
        yield "cluster.elastic: engines can follow nodes with cluster=multinode only; leave it out"
