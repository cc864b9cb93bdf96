"""Ray wrappings of the plain worker classes; the rest of the package never decorates anything."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import ray

from rl.cluster.gpus import learner_environment
from rl.cluster.placement import Placed
from rl.config.model import trusts_code
from rl.config.schema import Config
from rl.engines.colocated import ColocatedFleet
from rl.engines.fleet import EngineFleet
from rl.engines.parts import RayParts
from rl.engines.slot import FleetTimeouts
from rl.stream.turns import Apart, Turns
from rollout.engine import EngineConfig
from rollout.worker import RolloutWorker

MAX_CALLS = 100_000
"""A Ray async actor admits 1,000 calls at once by default: with more groups pending, nothing else would get
in."""


def engine_config(config: Config, model_path: Path, *, fixed_weights: bool = False) -> EngineConfig:
    """Return what an engine needs to know, without the rest of the run.

    ``fixed_weights``: nothing will be pushed into it.
    """
    rollout, lora = config.rollout, config.learner.lora
    pushed = lora is not None and lora.pushes_adapter and not fixed_weights
    served = lora if pushed else None
    return EngineConfig(
        stop=rollout.stop,
        stop_token_ids=rollout.stop_token_ids,
        model=str(model_path),
        backend=rollout.backend,
        tensor_parallel=rollout.tensor_parallel,
        dtype=rollout.dtype,
        device=rollout.device,
        max_model_len=rollout.max_model_len,
        max_num_seqs=rollout.max_num_seqs,
        max_batched_tokens=rollout.max_batched_tokens,
        kv_cache_mib=rollout.kv_cache_mib,
        gpu_memory_utilization=rollout.gpu_memory_utilization,
        block_size=rollout.block_size,
        cache_watermark=rollout.cache_watermark,
        prefix_cache=rollout.prefix_cache,
        kv_after_update=rollout.kv_after_update,
        weight_transfer="shm" if rollout.weight_transfer == "object" else rollout.weight_transfer,
        fixed_weights=fixed_weights,
        sleeps=config.cluster.colocated,
        lora_rank=0 if served is None else served.r,
        lora_modules=(
            () if served is None or isinstance(served.target_modules, str) else served.target_modules
        ),
        num_threads=rollout.num_threads,
        cores=rollout.cores,
        engine_args=rollout.engine_args,
        trust_remote_code=trusts_code(config.model),
        seed=config.run.seed,
    )


def create_fleet(
    config: Config,
    model_path: Path,
    placed: Placed,
    *,
    for_evaluation: bool = False,
    fixed_weights: bool = False,
    ready: dict[int, Any] | None = None,
    turns: Apart | None = None,
) -> EngineFleet:
    """The engines of a run, in their seats, not yet started; or those of ``evaluation.engines``.

    ``fixed_weights``: nothing will be pushed into them. ``ready``: actors of ``warm_engines``, by index; each
    is taken out when it is started. ``turns``: with the learner, on one device.
    """
    engine = engine_config(config, model_path, fixed_weights=fixed_weights)
    warmed = {} if ready is None else ready

    def make_actor(index: int) -> Any:
        if index in warmed:
            actor = warmed.pop(index)
            actor.take_base.options(concurrency_group="control").remote(engine.model)
            return actor
        return create_engine_actor(engine, placed.engine_options(index), name=f"engine-{index}")

    first = config.rollout.num_engines
    reserved = range(first, first + config.evaluation.engines)
    # The engines of an elastic fleet are those that have a seat by now.
    indices = reserved if for_evaluation else sorted(placed.engine_nodes) if placed.per_node else range(first)
    make_fleet: Callable[..., EngineFleet] = EngineFleet
    if isinstance(turns, Turns):
        make_fleet = partial(ColocatedFleet, turns=turns, apart=config.cluster.engines_apart)
    return make_fleet(
        make_actor=make_actor,
        indices=indices,
        max_restarts=config.rollout.max_restarts,
        timeouts=FleetTimeouts(start=config.stream.start_timeout_s, sync=config.stream.sync_timeout_s),
        rejoin=config.rollout.weight_transfer in ("shm", "object"),
        capacity=config.rollout.max_num_seqs,
    )


def warm_engines(config: Config, placed: Placed) -> dict[int, Any]:
    """Actors of the run's engines, evaluation's included, by index, that import vLLM from now on and load
    nothing: ``create_fleet`` tells them the base."""
    engine = replace(engine_config(config, Path()), model="")
    actors = {}
    for index in range(config.rollout.num_engines + config.evaluation.engines):
        actors[index] = create_engine_actor(engine, placed.engine_options(index), name=f"engine-{index}")
        actors[index].warm.options(concurrency_group="control").remote()
    return actors


def create_engine_actor(config: EngineConfig, options: dict[str, Any], *, name: str = "engine") -> Any:
    """An async actor around ``RolloutWorker``.

    Pause, load and health have a concurrency group of their own ("control"), so that no
    number of pending generates can hold them up.
    """
    actor = ray.remote(concurrency_groups={"control": 16})(RolloutWorker)
    return actor.options(max_concurrency=MAX_CALLS, max_restarts=0, **options).remote(
        config, name, RayParts()
    )


def learner_options(config: Config, placed: Placed) -> list[dict[str, Any]]:
    """Ray's options of every learner rank: its seat, and the environment that torch reads when it is
    loaded."""
    environment = learner_environment(config)
    more = {"runtime_env": {"env_vars": environment}} if environment else {}
    return [options | more for options in placed.learner_options]
