"""Our configs as vLLM's arguments. The one place that knows vLLM's names."""

import difflib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from rollout.engine import EngineConfig, WeightUpdate
from rollout.lora import buffer_rank, linear_modules
from rollout.types import SamplingConfig

RECEIVER = "rollout.weight_receiver.WeightReceiver"
FIXED = "rollout.weight_fixed.FixedWeights"
CPU_BATCHED_TOKENS = 8192
CUDA_BATCHED_TOKENS = 16384
"""vLLM's default is 2048 for engines built as ours are, and after every push all running sequences are
prefilled again."""


def engine_arguments(config: EngineConfig) -> dict[str, Any]:
    """Keyword arguments of ``EngineArgs`` and ``AsyncEngineArgs``."""
    arguments: dict[str, Any] = {
        "model": config.model,
        "dtype": config.dtype,
        "seed": config.seed,
        "trust_remote_code": config.trust_remote_code,
        "max_model_len": config.max_model_len,
        "max_num_seqs": config.max_num_seqs,
        "tensor_parallel_size": config.tensor_parallel,
        # Never "ray", which vLLM would choose for itself inside an actor's placement group, and then refuse
        # the bundle.
        "distributed_executor_backend": "uni" if config.tensor_parallel == 1 else "mp",
        "enable_prefix_caching": config.prefix_cache,
        "block_size": config.block_size,
        "watermark": config.cache_watermark,
        # log_softmax(logits / T): the distribution that was sampled, which is what the ratio divides by.
        "logprobs_mode": "processed_logprobs",
        "disable_log_stats": True,
        "worker_extension_cls": FIXED if config.fixed_weights else RECEIVER,
    }
    if not config.fixed_weights:
        arguments["weight_transfer_config"] = {"backend": config.weight_transfer}
    if config.lora_rank:
        arguments |= _lora_arguments(config)
    arguments |= _cpu_arguments(config) if config.device == "cpu" else _cuda_arguments(config)
    return arguments | dict(config.engine_args)


def check_engine_args(engine_args: Mapping[str, Any]) -> None:
    """ValueError, naming those that come near, for a name that vLLM's ``AsyncEngineArgs`` does not have.
    Imports vLLM."""
    from vllm.engine.arg_utils import AsyncEngineArgs

    known = [field.name for field in fields(AsyncEngineArgs)]
    for name in engine_args:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3)
            meant = (
                f"did you mean {' or '.join(near)}?" if near else "see vllm.engine.arg_utils.AsyncEngineArgs"
            )
            raise ValueError(f"rollout.engine_args.{name}: vLLM has no such argument; {meant}")


def _lora_arguments(config: EngineConfig) -> dict[str, Any]:
    return {
        "enable_lora": True,
        "max_loras": 1,
        "max_lora_rank": buffer_rank(config.lora_rank),
        # Without it vLLM wraps embedding and head too, and would look for prompt tokens' rows in a map of
        # sampled ones.
        "lora_target_modules": list(config.lora_modules) or linear_modules(Path(config.model)),
    }


def batched_tokens(config: EngineConfig) -> int:
    """Tokens of one engine step at most, prefills included."""
    default = CPU_BATCHED_TOKENS if config.device == "cpu" else CUDA_BATCHED_TOKENS
    return max(config.max_model_len, config.max_batched_tokens or default)


def _cpu_arguments(config: EngineConfig) -> dict[str, Any]:
    return {
        "enforce_eager": True,
        "kv_cache_memory_bytes": config.kv_cache_mib << 20,
        # A split prefill of a seeded request crashes vLLM's CPU sampler, the re-prefill after a cache reset
        # included.
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": batched_tokens(config),
    }


def _cuda_arguments(config: EngineConfig) -> dict[str, Any]:
    return {
        "gpu_memory_utilization": config.gpu_memory_utilization,
        "max_num_batched_tokens": batched_tokens(config),
        # vLLM's CPU platform refuses the argument; there the calls work without it and move nothing.
        "enable_sleep_mode": config.sleeps,
    }


def sampling_arguments(sampling: SamplingConfig, seed: int) -> dict[str, Any]:
    """Keyword arguments of ``SamplingParams`` for one rollout; ``output_kind`` is left to the caller, who
    imports vLLM."""
    return {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "ignore_eos": sampling.ignore_eos,
        "seed": seed,
        # 0 = the sampled token's log-prob only; flat = one list for each sequence, not one dict for each
        # token.
        "logprobs": 0,
        "flat_logprobs": True,
        "detokenize": False,
        # The object serves one request, so vLLM need not deep-copy it.
        "skip_clone": True,
    }


def stop_arguments(config: EngineConfig, sampling: SamplingConfig) -> dict[str, Any]:
    """Keyword arguments of ``SamplingParams`` that end completions of ``AsyncLLM`` early. It reads texts only
    if it may detokenise; special tokens count as text."""
    tokens = stop_tokens(config, sampling)
    texts = [*config.stop, *sampling.stop]
    if not texts:
        return tokens
    return {
        **tokens,
        "stop": texts,
        "detokenize": True,
        "skip_special_tokens": False,
    }


def stop_tokens(config: EngineConfig, sampling: SamplingConfig) -> dict[str, Any]:
    """The keyword argument of ``SamplingParams`` for tokens that end completions: the engine's and the
    request's."""
    return {"stop_token_ids": [*config.stop_token_ids, *sampling.stop_token_ids]}


def scoring_arguments() -> dict[str, Any]:
    """Keyword arguments of ``SamplingParams`` that return the log-probs of the prompt itself."""
    return {
        "temperature": 0.0,
        "max_tokens": 1,
        "prompt_logprobs": 0,
        "flat_logprobs": True,
        "detokenize": False,
        "skip_clone": True,
    }


def update_payload(update: WeightUpdate) -> dict[str, Any]:
    """Return what goes to every vLLM worker, as plain types that its message format can carry."""
    if update.transport == "shm":
        tensors = [[t.name, t.dtype, list(t.shape), t.offset, t.num_bytes] for t in update.tensors]
        return {
            "path": update.path,
            "tensors": tensors,
            "checksum": update.checksum,
            "adapter": update.adapter,
        }
    return {
        "names": [t.name for t in update.tensors],
        "dtype_names": [t.dtype for t in update.tensors],
        "shapes": [list(t.shape) for t in update.tensors],
        **update.backend_info,
    }


def load_calls(update: WeightUpdate) -> list[tuple[str, dict[str, Any]]]:
    """(worker method, keyword arguments), in order, that load a push which every worker has verified."""
    payload = {"update_info": update_payload(update)}
    if update.adapter:
        return [("load_adapter", payload)]
    return [("start_weight_update", {}), ("update_weights", payload), ("finish_weight_update", {})]
