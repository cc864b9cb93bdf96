"""Engine configs that cannot work are refused before anything starts, and requests that cannot be served before vLLM sees them."""

import subprocess
import sys
from typing import Any

import pytest

from rollout.engine import EngineConfig, build_engine
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
    assert build_engine(config) == repr(config)  # type: ignore[comparison-overlap]


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


def test_log_probs_are_of_the_sampling_distribution() -> None:
    assert engine_arguments(EngineConfig(model="m"))["logprobs_mode"] == "processed_logprobs"
    arguments = sampling_arguments(SamplingConfig(temperature=0.7, top_p=0.9, max_tokens=5), seed=3)
    assert (arguments["temperature"], arguments["top_p"], arguments["max_tokens"], arguments["seed"]) == (0.7, 0.9, 5, 3)


def test_compiling_is_off_on_cpu_only() -> None:
    assert vllm_environment(EngineConfig(model="m", num_threads=3))["OMP_NUM_THREADS"] == "3"
    assert vllm_environment(EngineConfig(model="m"))["TORCH_COMPILE_DISABLE"] == "1"
    cuda = vllm_environment(EngineConfig(model="m", device="cuda", backend="async"))
    assert not {"TORCH_COMPILE_DISABLE", "OMP_NUM_THREADS", "VLLM_ENABLE_V1_MULTIPROCESSING"} & cuda.keys()


def request(**fields: Any) -> GroupRequest:
    defaults = {"group_id": 1, "prompt_token_ids": (3, 4), "seeds": (0, 2**63 - 1), "sampling": SamplingConfig(max_tokens=8)}
    return GroupRequest(**defaults | fields)


def test_a_request_may_fill_the_model_length_exactly() -> None:
    check_request(request(), max_model_len=10, vocab_size=5)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"prompt_token_ids": (3, 4, 4)}, r"prompt_token_ids \(3\) plus sampling.max_tokens \(8\) is over max_model_len=10"),
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
