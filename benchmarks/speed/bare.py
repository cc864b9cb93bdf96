"""What our actors are compared with: vLLM and DeepSpeed driven by the shortest loops that do the same work.

Both classes run in a Ray actor for the sake of a process of their own; one call does everything, and is timed
inside.
"""

import gc
import os
import socket
import time
from typing import Any

import numpy as np

from rl.batch.types import TrainingBatch
from rl.config.learner import LearnerConfig
from rollout.engine import EngineConfig
from rollout.types import GroupRequest
from rollout.vllm_args import engine_arguments, sampling_arguments
from rollout.vllm_env import prepare_process


class BareEngine:
    """``LLMEngine``: add every request, step until none is left."""

    def start(self, config: EngineConfig) -> None:
        """Load the model as our engine does, garbage collector included."""
        prepare_process(config)
        from vllm.engine.arg_utils import EngineArgs
        from vllm.v1.engine.llm_engine import LLMEngine

        self._llm: Any = LLMEngine.from_engine_args(EngineArgs(**engine_arguments(config)))
        gc.collect()
        gc.freeze()

    def generate(self, requests: list[GroupRequest]) -> dict[str, float]:
        """Wall and CPU seconds, and completion tokens."""
        from vllm.inputs.engine import tokens_input
        from vllm.sampling_params import RequestOutputKind, SamplingParams

        started, cpu, tokens, serial = time.perf_counter(), time.process_time(), 0, 0
        for request in requests:
            prompt = list(request.prompt_token_ids)
            for seed in request.seeds:
                params = SamplingParams(
                    **sampling_arguments(request.sampling, seed), output_kind=RequestOutputKind.FINAL_ONLY
                )
                self._llm.add_request(str(serial), tokens_input(prompt), params)
                serial += 1
        while self._llm.has_unfinished_requests():
            for output in self._llm.step():
                tokens += len(output.outputs[0].token_ids)
        facts = {
            "wall_s": time.perf_counter() - started,
            "cpu_s": time.process_time() - cpu,
            "tokens": float(tokens),
        }
        self._llm.reset_prefix_cache()
        return facts


class BareLearner:
    """A DeepSpeed engine: forward, backward for every micro-batch, then one step."""

    def start(self, config: LearnerConfig, model_path: str) -> None:
        """The same model, optimizer and DeepSpeed configuration as our rank."""
        if config.cores is not None:
            os.sched_setaffinity(0, config.cores)
        import torch

        from rl.learner.deepspeed_setup import init_distributed, initialize_engine
        from rl.learner.model import load_model

        torch.set_num_threads(config.num_threads)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        init_distributed(config, rank=0, world_size=1, address="127.0.0.1", port=port)
        self._engine: Any = initialize_engine(load_model(model_path, config), config, total_updates=1_000_000)
        self._config = config

    def train(self, batch: TrainingBatch) -> dict[str, float]:
        """Wall and CPU seconds of one step; the micro-batches are built before the clock starts."""
        import torch

        from rl.learner.micro_batch import build_micro_batch, plan_micro_batches

        lengths = np.diff(batch.offsets)
        plans = plan_micro_batches(
            lengths, np.arange(len(lengths)), world_size=1, token_budget=self._config.micro_batch_tokens
        )[0]
        micro_batches = [build_micro_batch(batch, plan, packed=False) for plan in plans]
        advantages = [
            torch.from_numpy(batch.rewards[micro.sample] - batch.rewards.mean()) for micro in micro_batches
        ]
        started, cpu = time.perf_counter(), time.process_time()
        self._engine.train()
        for micro, advantage in zip(micro_batches, advantages, strict=True):
            logprobs = self._engine(*micro.for_logprobs(batch.temperature))
            self._engine.backward(-(advantage * logprobs).sum() / batch.num_valid_tokens, scale_wrt_gas=False)
        self._engine.step()
        return {"wall_s": time.perf_counter() - started, "cpu_s": time.process_time() - cpu}
