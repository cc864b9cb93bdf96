"""``cluster=`` in one word: choosing where a run goes on the command line also chooses engine, learner and
transport of that place.

A config file sets the three groups by itself. An override that moves the run elsewhere sets each of the
fields below from the presets of the new place, or to its default. Lengths, batch sizes and learning rates are
the config's own and stay.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from omegaconf import OmegaConf

from rl.config.fields import choices_at
from rl.config.overrides import Override, chosen, spell

if TYPE_CHECKING:
    from pydantic import BaseModel

DEVICE_OF = {"local": "cpu", "gpu1": "gpu", "node8": "gpu", "multinode": "gpu", "colocated": "gpu"}
"""Preset of ``cluster`` -> preset of ``rollout`` and of ``learner``."""
FIELDS: dict[str, tuple[str, ...]] = {
    "cluster": (
        "address",
        "gpus_per_engine",
        "gpus_per_learner",
        "strategy",
        "colocated",
        "sleep_level",
        "nodes",
        "learner_nodes",
        "elastic",
        "object_store_mib",
    ),
    "rollout": (
        "backend",
        "num_engines",
        "tensor_parallel",
        "device",
        "dtype",
        "weight_transfer",
        "gpu_memory_utilization",
        "block_size",
        "probe_tolerance",
        "num_threads",
        "cores",
    ),
    "learner": (
        "num_ranks",
        "zero_stage",
        "device",
        "dtype",
        "packing",
        "micro_batch_tokens",
        "gradient_checkpointing",
        "offload",
        "num_threads",
        "cores",
    ),
}
"""Fields that depend on the machine and not on the experiment."""
RANK: dict[str, Any] = {"num_ranks": 1, "zero_stage": 0, "micro_batch_tokens": 4096}
ONE_GPU: dict[str, dict[str, dict[str, Any]]] = {
    "gpu1": {
        "rollout": {"num_engines": 1, "weight_transfer": "ipc", "gpu_memory_utilization": 0.4},
        "learner": RANK,
    },
    "colocated": {"rollout": {"num_engines": 1, "weight_transfer": "shm"}, "learner": RANK},
}
"""One engine and one rank on one device: each with a share of it, or in turns with all of it."""
CPU_NODES: dict[str, dict[str, Any]] = {
    "cluster": {"gpus_per_engine": 0, "gpus_per_learner": 0},
    "rollout": {"weight_transfer": "object", "cores": None},
    "learner": {"cores": None},
}
"""``cluster=multinode rollout=cpu learner=cpu`` is several nodes without a GPU."""


def implied(
    overrides: list[Override], folder: Path, shipped: Path, root: "type[BaseModel]"
) -> list[Override]:
    """The settings that a ``cluster=`` among the overrides stands for; to be put before the user's own, which
    win.

    A half whose preset the user names too, and names otherwise (``cluster=local rollout=gpu``), is left as it
    is named: the checks say what does not fit.
    """
    chosen = {o.group: o.presets[0] for o in overrides if o.group and len(o.presets) == 1}
    cluster = chosen.get("cluster", "")
    if cluster not in DEVICE_OF:
        return []
    cpu_nodes = cluster == "multinode" and chosen.get("rollout") == chosen.get("learner") == "cpu"
    device = "cpu" if cpu_nodes else DEVICE_OF[cluster]
    special = CPU_NODES if cpu_nodes else ONE_GPU.get(cluster, {})
    out: list[Override] = []
    for group, fields in FIELDS.items():
        preset = cluster if group == "cluster" else device
        if group not in root.model_fields or chosen.get(group, preset) != preset:
            continue
        own, packaged = (place / group / f"{preset}.yaml" for place in (folder, shipped))
        values = cast(
            "dict[str, Any]", OmegaConf.to_container(OmegaConf.load(own if own.is_file() else packaged))
        )
        values |= special.get(group, {})
        defaults = root.model_fields[group].default
        for field in fields:
            value = values[field] if field in values else plain_default(defaults, field)
            out += _set(root, f"{group}.{field}", value, source=f"cluster={cluster}")
    return out


def plain_default(defaults: Any, field: str) -> Any:
    """The default of a section's field as YAML would have it."""
    return defaults.model_dump(mode="json", include={field})[field]


def _set(root: "type[BaseModel]", path: str, value: Any, *, source: str) -> list[Override]:
    """Replace what stands at a path."""
    if isinstance(value, str) and choices_at(root, path.split(".")):
        return chosen(path, value, source)
    if isinstance(value, Mapping) and choices_at(root, path.split(".")):
        settings = Override(text=f"++{path}={spell(value)}", source=source)
        return [*chosen(path, value["name"], source), settings]
    return [Override(text=f"++{path}={spell(value)}", source=source)]
