"""Which of vLLM's arguments a user may give by ``rollout.engine_args``: all but those that other fields of
the config set."""

from collections.abc import Mapping
from typing import Any

OWNED: dict[str, str] = {
    "model": "set model.path",
    "tokenizer": "set model.path",
    "revision": "set model.revision",
    "trust_remote_code": "set model.trust_remote_code",
    "dtype": "set rollout.dtype",
    "seed": "set run.seed",
    "max_model_len": "set rollout.max_model_len",
    "max_num_seqs": "set rollout.max_num_seqs",
    "max_num_batched_tokens": "set rollout.max_batched_tokens",
    "tensor_parallel_size": "set rollout.tensor_parallel",
    "enable_prefix_caching": "set rollout.prefix_cache",
    "block_size": "set rollout.block_size",
    "gpu_memory_utilization": "set rollout.gpu_memory_utilization",
    "kv_cache_memory_bytes": "set rollout.kv_cache_mib",
    "watermark": "set rollout.cache_watermark",
    "enable_sleep_mode": "set cluster.colocated",
    "enable_lora": "set learner.lora.push=adapter",
    "max_loras": "set learner.lora.push=adapter",
    "max_lora_rank": "set learner.lora.r",
    "lora_target_modules": "set learner.lora.target_modules",
    "logprobs_mode": "the ratio divides by the log-probs that were sampled from",
    "worker_extension_cls": "weights are received through it",
    "weight_transfer_config": "set rollout.weight_transfer",
    "distributed_executor_backend": "it follows from rollout.tensor_parallel",
    "disable_log_stats": "nothing reads vLLM's own statistics",
}
"""Fields of vLLM's that ``rollout.engine_args`` may not set, and what to do instead, or why not."""
OWNED_ON_CPU: dict[str, str] = {
    "enforce_eager": "the CPU build runs eagerly",
    "enable_chunked_prefill": "a split prefill of a seeded request crashes vLLM's CPU sampler",
    "speculative_config": "vLLM's CPU build replaces rejected drafts by tokens of a uniform distribution",
}


def engine_args_problems(engine_args: Mapping[str, Any], *, device: str) -> list[str]:
    """Which of ``rollout.engine_args`` are ours to set; vLLM is not needed to say so."""
    owned = OWNED | (OWNED_ON_CPU if device == "cpu" else {})
    return [
        f"rollout.engine_args.{name}: {owned[name]}; leave it out here"
        for name in engine_args
        if name in owned
    ]
