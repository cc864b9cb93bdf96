"""Memory and time of one learner rank on a model of 135M random weights (SmolLM2's shape), by number format,
micro-batch, chunk of logits and recomputation.

    python -m benchmarks.speed.learner_memory [--arms a,b] [--quick] [--json FILE]

Each arm is a process of its own that trains two steps; anonymous memory is read every few milliseconds. GiB
over what the imports take:

* ``state``: after the first step, with what the allocator holds given back: weights, gradients, masters,
  AdamW's moments.
* ``peak``: the most during the second step; ``peak - state`` are activations, logits, and what the allocator
  keeps in pieces.
* ``arithmetic``: of ``rl.learner.memory`` for the state.

``step_s`` and ``cpu_s`` are of the second step, on one thread.

Claimed before the first run: (a) most of what is over the state are activations, in proportion to
``learner.micro_batch_tokens``, not logits; (b) autocast takes less state than bfloat16 (16 bytes a weight
against 20); (c) autocast and bfloat16 steps take at most half of float32's CPU time where the CPU has
avx512_bf16.
"""

import os

# Before anything imports torch or DeepSpeed.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TORCH_COMPILE_DISABLE", "1")

import argparse
import ctypes
import gc
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks.lib.common import CONSOLE, command_line, machine, parser, save
from rl.batch.types import TrainingBatch
from rl.config.algorithm import AlgorithmConfig
from rl.config.learner import LearnerConfig

GIB = 1 << 30
VOCAB = 49152
BUDGET, SMALL = 2048, 512
ARMS: dict[str, dict[str, Any]] = {
    "float32": {"dtype": "float32"},
    "autocast": {"dtype": "autocast"},
    "bfloat16": {"dtype": "bfloat16"},
    "autocast, small": {"dtype": "autocast", "micro_batch_tokens": SMALL},
    "autocast, small chunks": {"dtype": "autocast", "logits_per_chunk": 1 << 23},
    "autocast, shared prompts": {"dtype": "autocast", "packing": "shared"},
    "autocast, recomputed layers": {"dtype": "autocast", "gradient_checkpointing": True},
}
"""Name -> learner settings, at micro-batches of ``BUDGET`` tokens where they say nothing of it. "small": of
``SMALL``; "small chunks": 170 rows of logits at a time, where 2,730 are the default."""


def save_base(path: Path) -> None:
    """A Llama of SmolLM2-135M's shape with random weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCAB,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(path)


def make_batch(*, groups: int, size: int = 8, prompt: int = 56, longest: int = 48) -> TrainingBatch:
    """Groups that share a prompt, completions of unequal length, random tokens and rewards."""
    draw = np.random.default_rng(0)
    samples = groups * size
    lengths = draw.integers(8, longest + 1, samples) + prompt
    tokens = draw.integers(4, VOCAB, int(lengths.sum())).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    mask = np.ones(len(tokens), dtype=bool)
    for group in range(groups):
        first = tokens[offsets[group * size] :][:prompt].copy()
        for sample in range(group * size, (group + 1) * size):
            tokens[offsets[sample] : offsets[sample] + prompt] = first
            mask[offsets[sample] : offsets[sample] + prompt] = False
    rewards = np.tile(np.arange(size) % 2, groups).astype(np.float32)
    return TrainingBatch(
        step=0,
        token_ids=tokens,
        offsets=offsets,
        prompt_lens=np.full(samples, prompt, np.int32),
        loss_mask=mask,
        behavior_logprobs=np.where(mask, -np.log(VOCAB), 0).astype(np.float32),
        token_versions=np.where(mask, 0, -1).astype(np.int32),
        rewards=rewards,
        correct=rewards > 0,
        truncated=np.zeros(samples, dtype=bool),
        demonstration=np.zeros(samples, dtype=bool),
        segment_ids=np.arange(groups, dtype=np.int32).repeat(size),
        group_ids=np.arange(groups, dtype=np.int64),
        temperature=1.0,
    )


def anonymous_bytes() -> int:
    """This process's own memory, without files that it maps."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def settled_bytes() -> int:
    """The same once the allocator has given back what it can."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return anonymous_bytes()


class Peak:
    """The most anonymous memory inside the block."""

    def __enter__(self) -> "Peak":
        self.bytes, self._over = anonymous_bytes(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._over.wait(0.005):
            self.bytes = max(self.bytes, anonymous_bytes())

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self.bytes = max(self.bytes, anonymous_bytes())


def measure(base: str, settings: dict[str, Any], groups: int) -> dict[str, float]:
    """One arm, in this process."""
    import deepspeed  # noqa: F401 - what imports take is no part of the figures
    import torch
    import transformers  # noqa: F401

    from rl.learner.memory import Sizes, state_bytes
    from rl.learner.rank import LearnerRank

    torch.set_num_threads(1)
    imports = settled_bytes()
    config = LearnerConfig(**{"lr": 1e-7, "micro_batch_tokens": BUDGET} | settings)
    rank = LearnerRank(
        config=config,
        algorithm=AlgorithmConfig(),
        model_path=base,
        rank=0,
        world_size=1,
        seed=0,
        total_steps=1000,
        max_tokens=48,
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with Peak() as loading:
        rank.setup("127.0.0.1", port)
    batch = make_batch(groups=groups)
    assert rank.train(batch).applied
    state = settled_bytes()
    started, cpu = time.perf_counter(), time.process_time()
    with Peak() as peak:
        assert rank.train(batch).applied
    times = {"step_s": time.perf_counter() - started, "cpu_s": time.process_time() - cpu}
    parameters = sum(p.numel() for p in rank._engine.module.parameters())
    sizes = {"state": state - imports, "peak": peak.bytes - imports, "setup_peak": loading.bytes - imports}
    sizes["arithmetic"] = state_bytes(Sizes(parameters, 0), config)
    rank.close()
    return {name: round(size / GIB, 3) for name, size in sizes.items()} | {
        name: round(seconds, 2) for name, seconds in times.items()
    }


def _arguments() -> argparse.Namespace:
    made = parser(__doc__ or "")
    made.add_argument("--arms", default=",,".join(ARMS), help="names, with two commas between them")
    made.add_argument("--one", help=argparse.SUPPRESS)
    made.add_argument("--base", help=argparse.SUPPRESS)
    made.add_argument("--groups", type=int, default=None, help="of 8 rollouts; default 3; 1 with --quick")
    args = made.parse_args()
    args.groups = args.groups or (1 if args.quick else 3)
    return args


def main() -> None:
    args = _arguments()
    if args.one:
        print(json.dumps(measure(args.base, ARMS[args.one], args.groups)))
        return
    facts, rows = machine(), {}
    with tempfile.TemporaryDirectory(prefix="t2rl-memory-") as directory:
        save_base(Path(directory))
        for arm in args.arms.split(",,"):
            command = [sys.executable, "-m", "benchmarks.speed.learner_memory", "--one", arm]
            command += ["--base", directory, "--groups", str(args.groups)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            rows[arm] = json.loads(done.stdout.strip().splitlines()[-1])
            CONSOLE.print(f"{arm}: {rows[arm]}")  # it takes minutes
    batch = make_batch(groups=args.groups)
    columns = list(next(iter(rows.values())))
    table = Table("arm", *columns, title=f"{len(batch.token_ids)} tokens, {batch.num_valid_tokens} sampled")
    for arm, row in rows.items():
        table.add_row(arm, *(f"{row[c]:.2f}" for c in columns))
    CONSOLE.print(table)
    tokens = {"tokens": len(batch.token_ids), "sampled": batch.num_valid_tokens}
    save("learner_memory", {"machine": facts, "command": command_line(), **tokens, "arms": rows}, args=args)


if __name__ == "__main__":
    main()
