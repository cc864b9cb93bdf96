"""The sections of a run's config that a simulated system needs, in its words."""

from collections.abc import Callable
from typing import Any

from rl.simulation.spec import SystemSpec

Setting = Callable[[str, Any], Any]
"""(dotted name, default) -> value; ``rl.views.run_view.RunView.setting`` is one."""


def with_config(spec: SystemSpec, setting: Setting) -> SystemSpec:
    """The same engines, learner and lengths under the plan, the layout and the counts of a run's config.

    Raises:
        ValueError: the config asks for what cannot run.
    """
    tree = spec.model_dump()
    stream = ("prompts_per_step", "rollouts_per_prompt", "max_staleness", "pipeline_depth")
    more = ("push_at_share", "refill_rounds", "rollover_share")
    for name in (*stream, *more):
        tree["plan"][name] = setting(f"stream.{name}", tree["plan"][name])
    tree["plan"]["oversample"] = setting("stream.redundant_share", spec.plan.oversample)
    tree["lengths"]["max_tokens"] = setting("rollout.max_tokens", spec.lengths.max_tokens)
    tree["engines"]["count"] = setting("rollout.num_engines", 1)
    tree["engines"]["max_num_seqs"] = setting("rollout.max_num_seqs", spec.engines.max_num_seqs)
    tree["learner"]["ranks"] = setting("learner.num_ranks", 1)
    tree["learner"]["updates_per_batch"] = setting("learner.updates_per_batch", 1)
    tree["sync"]["prefill_again"] = setting("rollout.kv_after_update", "recompute") != "keep"
    tree["verifiers"]["workers"] = setting("verifiers.workers", 1)
    tree["layout"] |= layout_of(setting)
    tree["engines"]["gpus"] = setting("cluster.gpus_per_engine", 0) or 1.0
    tree["learner"]["gpus"] = setting("cluster.gpus_per_learner", 0) or 1.0
    price = setting("cluster.price_per_gpu_hour", None)
    tree["price_per_gpu_hour"] = spec.price_per_gpu_hour if price is None else price
    return SystemSpec.model_validate(tree)


def layout_of(setting: Setting) -> dict[str, Any]:
    """Who shares what: on a CPU all processes share the cores, pinned or not (two cores of one machine do
    less than twice the work of one: ``layout.cores`` is what a calibration found); ``cluster.colocated`` and
    ``cluster=gpu1`` take turns; other GPUs are split."""
    if setting("cluster.colocated", False) and (apart := setting("cluster.engines_apart", 0)):
        return {"kind": "hybrid", "shared_engines": setting("rollout.num_engines", 1) - apart}
    if setting("cluster.name", "local") == "gpu1" or setting("cluster.colocated", False):
        return {"kind": "colocated"}
    return {"kind": "cores" if setting("rollout.device", "cpu") == "cpu" else "split"}
