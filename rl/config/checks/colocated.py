"""Refuse what engines and learner cannot do while one of them is off the device (``cluster.colocated``)."""

from collections.abc import Iterator

from rl.config.learner import DilocoSync
from rl.config.tree import ConfigTree


def colocated_problems(config: ConfigTree) -> Iterator[str]:
    """Settings that want both sides at work at once, or that a sleeping engine cannot keep."""
    cluster, engines = config.cluster, config.rollout.num_engines
    if not cluster.colocated:
        if cluster.engines_apart:
            yield (
                "cluster.engines_apart: without cluster.colocated all engines have devices of their own;"
                " leave it out, or set cluster.colocated=true"
            )
        return
    if cluster.engines_apart >= engines:
        yield (
            f"cluster.engines_apart: {cluster.engines_apart} of rollout.num_engines={engines} leaves none"
            " that takes turns with the learner; lower it, or set cluster.colocated=false"
        )
    yield from _both_at_once(config)
    yield from _lost_in_sleep(config)


def _both_at_once(config: ConfigTree) -> Iterator[str]:
    cluster, transport = config.cluster, config.rollout.weight_transfer
    if cluster.name not in ("local", "gpu1"):
        yield (
            f"cluster.colocated: cluster={cluster.name} gives engines and ranks devices of their own, which"
            " can work at the same time; choose cluster=colocated, or set it to false"
        )
    if transport in ("nccl", "ipc"):
        yield (
            f"rollout.weight_transfer: {transport} needs learner and engine on the device at the same time,"
            " and cluster.colocated lets them take turns; use shm"
        )
    if config.stream.inside_batch:
        yield (
            "stream.inside_batch: it trains while engines sample, and cluster.colocated lets them take"
            " turns; set it to false"
        )
    if isinstance(config.learner.sync, DilocoSync):
        yield (
            "learner.sync: diloco's replicas train beside each other, and cluster.colocated has one learner;"
            " leave it at gradients"
        )
    if config.evaluation.engines:
        yield (
            "evaluation.engines: they evaluate while the learner trains, and cluster.colocated lets them take"
            " turns; set it to 0"
        )


def _lost_in_sleep(config: ConfigTree) -> Iterator[str]:
    lora, offload = config.learner.lora, config.learner.offload
    if config.rollout.kv_after_update == "keep":
        yield (
            "rollout.kv_after_update: an engine that sleeps (cluster.colocated) drops its KV cache, so there"
            " is none to keep; set it to clear"
        )
    if config.cluster.sleep_level == 2 and lora is not None and lora.pushes_adapter:
        yield (
            "cluster.sleep_level: at 2 an engine drops the base, and learner.lora.push=adapter brings the"
            " adapter alone; set it to 1, or push merged weights"
        )
    if offload is not None and "nvme" in (offload.optimizer, offload.parameters):
        yield (
            "learner.offload: DeepSpeed keeps buffers for NVMe that cluster.colocated cannot take off the"
            " device; use cpu, or leave it out"
        )
