"""``learner.deepspeed``: DeepSpeed's own settings beside those that we derive, which stay ours."""

from collections.abc import Iterator, Mapping
from typing import Any

from rl.config.errors import listed, suggest

OWNED = {
    "train_batch_size": "a batch is what the stream plans",
    "train_micro_batch_size_per_gpu": "learner.micro_batch_tokens sizes micro-batches",
    "gradient_accumulation_steps": "a step accumulates as many micro-batches as its batch has",
    "managed_gradient_accumulation": "the learner steps by itself",
    "gradient_clipping": "set learner.grad_clip",
    "optimizer": "set learner.optimizer, learner.lr, learner.betas, learner.eps and learner.weight_decay",
    "scheduler": "set learner.schedule",
    "fp16": "set learner.dtype",
    "bf16": "set learner.dtype",
    "bfloat16": "set learner.dtype",
    "torch_autocast": "set learner.dtype",
    "data_types": "set learner.dtype",
    "zero_force_ds_cpu_optimizer": "offloading uses torch's AdamW",
    "gradient_allreduce_op": "the loss has its own denominator, and its gradients are added",
    "tensor_parallel": "the learner shards by ZeRO and learner.packing.sequence_parallel",
    "pipeline": "the learner shards by ZeRO and learner.packing.sequence_parallel",
    "checkpoint": "the learner writes checkpoints by itself",
    "zero_optimization.stage": "set learner.zero_stage",
    "zero_optimization.offload_optimizer": "set learner.offload.optimizer",
    "zero_optimization.offload_param": "set learner.offload.parameters",
    "zero_optimization.cpu_offload": "set learner.offload.optimizer",
    "zero_optimization.cpu_offload_param": "set learner.offload.parameters",
    "zero_optimization.cpu_offload_use_pin_memory": "pinned where there is a GPU",
    "zero_optimization.reduce_scatter": "learner.optimizer and learner.packing.sequence_parallel decide",
    "zero_optimization.zenflow": "it brings an optimizer of its own",
}
"""Dotted DeepSpeed key -> what to do instead, or why it is fixed."""
PASSED = (
    "activation_checkpointing",
    "aio",
    "comms_logger",
    "communication_data_type",
    "disable_allgather",
    "disable_python_gc",
    "dump_state",
    "flops_profiler",
    "gradient_predivide_factor",
    "log_level",
    "memory_breakdown",
    "prescale_gradients",
    "seq_parallel_communication_data_type",
    "steps_per_print",
    "timers",
    "wall_clock_breakdown",
    "zero_allow_untested_optimizer",
    "zero_optimization",
)
"""DeepSpeed's top-level keys that a user may set. DeepSpeed ignores what it does not know, so others are
refused here."""


def option_problems(options: Mapping[str, Any]) -> Iterator[str]:
    """Every key of ``learner.deepspeed`` that is ours or unknown, without importing DeepSpeed."""
    for key, value in options.items():
        if key in OWNED:
            yield f"learner.deepspeed.{key}: not here; {OWNED[key]}"
        elif key not in PASSED:
            yield f"learner.deepspeed.{key}: no such setting.{suggest(key, PASSED)} Choices: {listed(PASSED)}"
        elif isinstance(value, Mapping):
            for inner in value:
                if f"{key}.{inner}" in OWNED:
                    yield f"learner.deepspeed.{key}.{inner}: not here; {OWNED[f'{key}.{inner}']}"
        elif key == "zero_optimization":
            yield f"learner.deepspeed.{key}: {value!r} is no mapping; give zero_optimization.KEY=VALUE"


def merged(ours: dict[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """``ours`` with the user's options laid over it, section by section."""
    result = dict(ours)
    for key, value in options.items():
        mine = result.get(key)
        result[key] = merged(mine, value) if isinstance(mine, dict) and isinstance(value, Mapping) else value
    return result
