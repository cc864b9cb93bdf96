"""Engine configs that cannot work are refused before anything starts, and requests that cannot be served
before vLLM sees them."""

import subprocess
import sys
from typing import Any

import pytest

from rollout.engine import EngineConfig, build_engine
from rollout.engine_args import engine_args_problems
from rollout.requests import check_request, check_sequence
from rollout.types import GroupRequest, SamplingConfig
from rollout.vllm_args import engine_arguments, sampling_arguments
from rollout.vllm_env import vllm_environment


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"device": "tpu"}, "device: 'tpu'"),
        ({"kv_after_update": "drop"}, "kv_after_update"),
        ({"weight_transfer": "http"}, "use one of shm, nccl, ipc"),
        ({"weight_transfer": "nccl"}, "needs device=cuda"),
        ({"tensor_parallel": 2}, "use backend=async"),
        ({"lora_rank": 4, "fixed_weights": True}, "takes no push"),
    ],
)
def test_impossible_configs(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EngineConfig(model="m", **fields)


def test_unknown_backend_names_the_choices() -> None:
    with pytest.raises(ValueError, match="use one of inprocess, async, or pkg"):
        build_engine(EngineConfig(model="m", backend="sglang"))


def test_backend_from_outside() -> None:
    config = EngineConfig(model="m", backend="builtins:repr")
    assert build_engine(config) == repr(config)


def test_engines_are_built_without_importing_vllm() -> None:
    code = (
        "import sys; from rollout.engine import *; from rollout.worker import RolloutWorker; "
        "[build_engine(EngineConfig(model='m', backend=b)) for b in ENGINES]; "
        "sys.exit('vllm' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_prefills_are_never_split_on_cpu() -> None:
    """Trap: a split prefill of a seeded request crashes vLLM's CPU sampler."""
    for length in (64, 100_000):
        arguments = engine_arguments(EngineConfig(model="m", max_model_len=length))
        assert arguments["enable_chunked_prefill"] is False
        assert arguments["max_num_batched_tokens"] >= length
    assert "enable_chunked_prefill" not in engine_arguments(EngineConfig(model="m", device="cuda"))


@pytest.mark.parametrize(("ways", "executor"), [(1, "uni"), (2, "mp"), (8, "mp")])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_tensor_parallel_never_leaves_the_executor_to_vllm(ways: int, executor: str, device: str) -> None:
    """Inside an actor's placement group vLLM would choose Ray, and then refuse a bundle of several GPUs."""
    config = EngineConfig(model="m", backend="async", tensor_parallel=ways, device=device)
    assert engine_arguments(config)["distributed_executor_backend"] == executor


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [({}, 16384), ({"max_model_len": 40_000}, 40_000), ({"max_batched_tokens": 4096}, 4096)],
)
def test_a_gpu_engine_prefills_many_tokens_a_step(fields: dict[str, Any], tokens: int) -> None:
    assert (
        engine_arguments(EngineConfig(model="m", device="cuda", **fields))["max_num_batched_tokens"] == tokens
    )


def test_more_arguments_are_passed_on_and_ours_are_refused_with_the_field_to_set() -> None:
    more = {"enforce_eager": True, "quantization": "fp8"}
    arguments = engine_arguments(EngineConfig(model="m", device="cuda", engine_args=more))
    assert arguments["quantization"] == "fp8" and arguments["enforce_eager"] is True
    assert engine_args_problems(more, device="cuda") == []
    assert engine_args_problems({"dtype": "auto"}, device="cuda") == [
        "rollout.engine_args.dtype: set rollout.dtype; leave it out here"
    ]
    speculative = {"speculative_config": {"method": "ngram", "num_speculative_tokens": 3}}
    assert engine_args_problems(speculative, device="cuda") == []
    (problem,) = engine_args_problems(speculative, device="cpu")
    assert problem.startswith("rollout.engine_args.speculative_config: ")
    (problem,) = engine_args_problems({"enable_chunked_prefill": True}, device="cpu")
    assert "crashes vLLM's CPU sampler" in problem


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_every_argument_that_we_give_vllm_is_ours(device: str) -> None:
    config = EngineConfig(model="m", device=device, lora_rank=4, lora_modules=("q_proj",))
    assert len(engine_args_problems(engine_arguments(config), device=device)) == len(engine_arguments(config))


def test_engines_that_take_no_push_have_no_receiver() -> None:
    """It would keep their weights unpacked."""
    served = engine_arguments(EngineConfig(model="m", fixed_weights=True))
    assert "weight_transfer_config" not in served and "weight_fixed" in served["worker_extension_cls"]
    trained = engine_arguments(EngineConfig(model="m"))
    assert trained["weight_transfer_config"] == {"backend": "shm"}
    assert "weight_receiver" in trained["worker_extension_cls"]


def test_log_probs_are_of_the_sampling_distribution() -> None:
    assert engine_arguments(EngineConfig(model="m"))["logprobs_mode"] == "processed_logprobs"
    arguments = sampling_arguments(SamplingConfig(temperature=0.7, top_p=0.9, max_tokens=5), seed=3)
    assert (arguments["temperature"], arguments["top_p"], arguments["max_tokens"], arguments["seed"]) == (
        0.7,
        0.9,
        5,
        3,
    )


def test_compiling_is_off_on_cpu_only() -> None:
    assert vllm_environment(EngineConfig(model="m", num_threads=3))["OMP_NUM_THREADS"] == "3"
    assert vllm_environment(EngineConfig(model="m"))["TORCH_COMPILE_DISABLE"] == "1"
    cuda = vllm_environment(EngineConfig(model="m", device="cuda", backend="async"))
    assert not {"TORCH_COMPILE_DISABLE", "OMP_NUM_THREADS", "VLLM_ENABLE_V1_MULTIPROCESSING"} & cuda.keys()


def request(**fields: Any) -> GroupRequest:
    defaults = {
        "group_id": 1,
        "prompt_token_ids": (3, 4),
        "seeds": (0, 2**63 - 1),
        "sampling": SamplingConfig(max_tokens=8),
    }
    return GroupRequest(**defaults | fields)


def test_a_request_may_fill_the_model_length_exactly() -> None:
    check_request(request(), max_model_len=10, vocab_size=5)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"prompt_token_ids": (3, 4, 4)},
            r"prompt_token_ids \(3\) plus sampling.max_tokens \(8\) is over max_model_len=10",
        ),
        ({"prompt_token_ids": (5,)}, "outside 0..4"),
        ({"prompt_token_ids": (-1,)}, "outside 0..4"),
        ({"prompt_token_ids": ()}, "is empty"),
        ({"seeds": ()}, "seeds"),
        ({"seeds": (2**63,)}, "seeds"),
        ({"sampling": SamplingConfig(max_tokens=0)}, "at least 1"),
        ({"sampling": SamplingConfig(max_tokens=8, temperature=-1)}, "temperature"),
        ({"sampling": SamplingConfig(max_tokens=8, temperature=0.009)}, "use 0 for greedy"),
        ({"sampling": SamplingConfig(max_tokens=8, top_p=0)}, "top_p"),
    ],
)
def test_requests_that_cannot_be_served(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_request(request(**fields), max_model_len=10, vocab_size=5)


@pytest.mark.parametrize(("length", "fits"), [(1, False), (2, True), (9, True), (10, False)])
def test_scored_sequences_leave_room_for_one_token(length: int, fits: bool) -> None:
    if fits:
        check_sequence([3] * length, max_model_len=10, vocab_size=5)
        return
    with pytest.raises(ValueError, match=r"2\.\.9"):
        check_sequence([3] * length, max_model_len=10, vocab_size=5)
