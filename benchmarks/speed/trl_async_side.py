"""TRL's experimental AsyncGRPOTrainer (as of TRL 1.16) on a T2RL run's base, prompts, verifier and optimizer,
on a CPU. Used by ``real_model.py``.

    python -m benchmarks.speed.trl_async_side --config run.yaml --out DIR

As shipped it needs a GPU three times: its constructor asks CUDA for the device's name (for the FLOPs it could
do), its attention is FlashAttention 3 from the ``kernels`` package, and its weights travel by NCCL. Here the
question is answered with "unknown", attention is torch's dense one under the same mask, and weights take our
shared-memory transport (``rollout.weight_receiver``) into a stock ``vllm serve``. The rest is TRL's.

Writes ``DIR/steps.jsonl`` as ``trl_side.py`` does; there are no snapshots.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.update(
    {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "false"}
)

import httpx
import torch
from datasets import Dataset
from transformers import AttentionInterface, AutoTokenizer, TrainerCallback

from benchmarks.speed.trl_side import optimizer_of
from rewards import build_reward
from rl.config.load import load_config
from rl.config.schema import Config
from rl.run.prepare.inputs import prepare
from rollout.engine import WeightUpdate
from rollout.types import Prompt
from rollout.vllm_args import RECEIVER, load_calls, update_payload
from rollout.vllm_env import COMMON_ENVIRONMENT, CPU_ENVIRONMENT
from rollout.weight_buffer import WeightBuffer, plan_layout

TREE_ATTENTION = "tree_fa3"
"""TRL's name of the attention that its trainer insists on."""


class Scorer:
    """The run's verifier as a reward function; pickled into TRL's rollout process."""

    def __init__(self, name: str, args: Any, prompts: Sequence[Prompt], *, max_tokens: int, eos: int) -> None:
        self.__name__ = "verifier"
        self._made = (name, args)
        self._prompts, self._max_tokens, self._eos = prompts, max_tokens, eos
        self._reward: Any = None

    def __call__(
        self, *, completions: list[Any], completion_ids: list[list[int]], index: list[int], **_: Any
    ) -> list[float]:
        """One value per completion."""
        self._reward = self._reward or build_reward(*self._made)
        values = []
        for number, messages, ids in zip(index, completions, completion_ids, strict=True):
            cut = len(ids) >= self._max_tokens and ids[-1] != self._eos
            text = "".join(message.get("content") or "" for message in messages)
            values.append(self._reward(self._prompts[number], text, truncated=cut).value)
        return values


class SharedMemoryTransfer:
    """TRL's weight transfer protocol over a file in shared memory; matrices travel in the server's format."""

    def __init__(self, url: str, directory: Path) -> None:
        self._url, self._directory, self._version = url, directory, 0
        self._buffer: WeightBuffer | None = None

    def init_weight_transfer(self) -> None:
        """The server is up already."""

    def pause(self) -> None:
        """Hold requests in flight."""
        self._post("/pause", params={"mode": "keep"})

    def send_weights(self, iterator: Iterator[tuple[str, torch.Tensor]]) -> None:
        """Write, verify, load."""
        named = list(iterator)
        if self._buffer is None:
            self._directory.mkdir()
            layout = [(n, "bfloat16" if t.dim() > 1 else "float32", tuple(t.shape)) for n, t in named]
            self._buffer = WeightBuffer.create(self._directory / "weights", plan_layout(layout))
        for name, tensor in named:
            self._buffer.write(name, tensor)
        self._version += 1
        specs = tuple(self._buffer.specs.values())
        update = WeightUpdate(
            version=self._version,
            transport="shm",
            path=str(self._buffer.path),
            tensors=specs,
            checksum=self._buffer.checksum(),
        )
        problems = self._rpc("verify_weight_update", {"update_info": update_payload(update)})
        if any(problem not in ("", None) for problem in problems):
            raise RuntimeError(f"the server refuses the weights: {problems}")
        for method, arguments in load_calls(update):
            self._rpc(method, arguments)
        self._post("/reset_prefix_cache")

    def resume(self) -> None:
        """Go on."""
        self._post("/resume")

    def destroy(self) -> None:
        """Remove the file."""
        if self._buffer is not None:
            self._buffer.close(unlink=True)
            self._directory.rmdir()

    def _rpc(self, method: str, arguments: dict[str, Any]) -> list[Any]:
        answer = self._post("/collective_rpc", json={"method": method, "kwargs": arguments})
        return list(answer.json().get("results", [])) if answer.content else []

    def _post(self, path: str, **arguments: Any) -> httpx.Response:
        answer = httpx.post(self._url + path, timeout=600, **arguments)
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text}")
        return answer


class Log(TrainerCallback):
    """One row per optimizer step. TRL's rollouts are counted where they are trained on."""

    def __init__(self, out: Path, rollouts: int) -> None:
        self._rows = (out / "steps.jsonl").open("w", encoding="utf-8", buffering=1)
        self._rollouts, self._tokens = rollouts, 0.0
        self._started = 0.0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Start the clock."""
        self._started = time.time()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        """TRL logs each step."""
        if "reward" not in logs:
            return
        ended, step = time.time(), state.global_step
        self._tokens += logs["batch/trained_tokens_per_step"]
        row = {"step": step, "seconds": ended - self._started, "ended": ended, "reward": logs["reward"]}
        row |= {"rollouts": self._rollouts * step, "tokens": round(self._tokens)}
        self._rows.write(json.dumps(row | {"logs": logs}) + "\n")


class TreeMask:
    """The mask that TRL's trie of samples asks for, [N, N] bool, made once for each micro-batch."""

    def __init__(self) -> None:
        self._of: torch.Tensor | None = None
        self._mask = torch.empty(0)

    def __call__(
        self, kv: torch.Tensor, q_ends: torch.Tensor, k_ends: torch.Tensor, size: int
    ) -> torch.Tensor:
        """Query i of a segment sees its path up to itself."""
        if self._of is not kv:
            mask = torch.zeros(size, size, dtype=torch.bool)
            for segment in range(len(q_ends) - 1):
                first, last = int(q_ends[segment]), int(q_ends[segment + 1])
                path = kv[int(k_ends[segment]) : int(k_ends[segment + 1])]
                before = len(path) - (last - first)
                mask[first:last, path[:before]] = True
                mask[first:last, first:last] = torch.ones(last - first, last - first, dtype=torch.bool).tril()
            self._of, self._mask = kv, mask
        return self._mask


def cpu_tree_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Any,
    *,
    tree_kv_index: torch.Tensor,
    tree_cu_seqlens_q: torch.Tensor,
    tree_cu_seqlens_k: torch.Tensor,
    scaling: float | None = None,
    masks: TreeMask = TreeMask(),  # noqa: B008 - one for all layers
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """What TRL asks of FlashAttention 3, dense: [1, H, N, D] -> [1, N, H, D]."""
    mask = masks(tree_kv_index, tree_cu_seqlens_q, tree_cu_seqlens_k, query.shape[2])
    out = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, scale=scaling, enable_gqa=True
    )
    return out.transpose(1, 2), None


def start_server(config: Config, model: Path, out: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Stock ``vllm serve`` with our weight receiver; one thread, as ours has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    settings = {
        "model": str(model),
        "host": "127.0.0.1",
        "port": port,
        "dtype": "bfloat16",
        "max_model_len": config.rollout.max_model_len,
        "max_num_seqs": 128,
        "enforce_eager": True,
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": 8192,
        "kv_cache_memory_bytes": 256 << 20,
        "logprobs_mode": "processed_logprobs",
        "worker_extension_cls": RECEIVER,
        "weight_transfer_config": {"backend": "shm"},
    }
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    for name, value in settings.items():
        flag = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            command.append(flag if value else "--no-" + flag[2:])
        else:
            command += [flag, json.dumps(value) if isinstance(value, dict) else str(value)]
    environment = os.environ | COMMON_ENVIRONMENT | CPU_ENVIRONMENT
    environment |= {"VLLM_SERVER_DEV_MODE": "1", "OMP_NUM_THREADS": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    server = subprocess.Popen(
        command, env=environment, stdout=(out / "server.txt").open("w"), stderr=subprocess.STDOUT
    )
    return server, f"http://127.0.0.1:{port}"


def train(config: Config, args: argparse.Namespace, url: str) -> None:
    """Run it."""
    from trl.experimental.async_grpo import AsyncGRPOConfig, AsyncGRPOTrainer, async_grpo_trainer

    async_grpo_trainer.get_peak_flops_per_device = lambda *_: None
    prepared = prepare(config)
    tokenizer = AutoTokenizer.from_pretrained(prepared.model_path)
    rollout, learner, stream = config.rollout, config.learner, config.stream
    rows = []
    for index, prompt in enumerate(prepared.train_prompts):
        question = prompt.text.split("<|im_start|>user\n")[1].split("<|im_end|>")[0]
        messages = [{"role": "user", "content": question}]
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        assert list(ids) == list(prompt.token_ids), "both sides must see the same prompt tokens"
        rows.append({"prompt": messages, "index": index})
    batch = stream.prompts_per_step * stream.rollouts_per_prompt
    settings = AsyncGRPOConfig(
        output_dir=str(args.out / "trainer"),
        max_steps=config.run.steps,
        per_device_train_batch_size=args.rows or batch,
        gradient_accumulation_steps=batch // (args.rows or batch),
        token_budget=0,
        num_generations=stream.rollouts_per_prompt,
        max_completion_length=rollout.max_tokens,
        max_staleness=stream.max_staleness,
        temperature=rollout.temperature,
        dtype="float32",
        bf16=True,
        use_cpu=True,
        learning_rate=learner.lr,
        max_grad_norm=learner.grad_clip,
        gradient_checkpointing=False,
        save_strategy="no",
        seed=config.run.seed,
        disable_tqdm=True,
        report_to=[],
        vllm_server_base_url=url,
    )
    scorer = Scorer(
        prepared.task.reward_name,
        prepared.task.reward_args,
        prepared.train_prompts,
        max_tokens=rollout.max_tokens,
        eos=tokenizer.eos_token_id,
    )
    trainer = AsyncGRPOTrainer(
        model=str(prepared.model_path),
        reward_funcs=scorer,
        args=settings,
        train_dataset=Dataset.from_list(rows).shuffle(seed=config.run.seed),
        processing_class=tokenizer,
        callbacks=[Log(args.out, batch)],
        weight_transfer=SharedMemoryTransfer(url, Path("/dev/shm") / f"trl-async-{os.getpid()}"),
    )
    trainer.optimizer, trainer.lr_scheduler = optimizer_of(trainer.model, config)
    AttentionInterface.register(TREE_ATTENTION, cpu_tree_attention)
    trainer.train()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True, help="resolved config of the T2RL run")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=0, help="rollouts of a forward pass; 0 = all of a step")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    config = load_config(args.config)
    server, url = start_server(config, prepare(config).model_path, args.out)
    try:
        for _ in range(300):
            if server.poll() is not None:
                raise RuntimeError(f"vllm serve ended with {server.returncode}")
            try:
                if httpx.get(url + "/health", timeout=5).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(1)
        train(config, args, url)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=60)


if __name__ == "__main__":
    main()
