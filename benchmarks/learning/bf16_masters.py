"""How far a learner moves the policy that is served in bfloat16, by number format and by where its float32
masters begin.

    python -m benchmarks.learning.bf16_masters [--lr 1e-6 1e-5] [--quick] [--json FILE]

One random Llama, one batch, the real DeepSpeed learner, AdamW at a constant rate. After 1, 3 and 10 updates
the published weights are rounded to bfloat16, as an engine holds them, and scored in float64.

* ``served_changed``: share of the served numbers that differ from those before the first update.
* ``moved``: slope of the served policy's change of log-probs over that of a float32 learner served in
  float32, over the batch's tokens (least squares through 0). 1: what is served moves as it should.
* ``correlation`` of the two changes; ``noise``: what the change has beside slope x reference, over the
  reference, root mean squares.

Claimed before the first run: (a) masters made of rounded weights move what is served by less than a tenth at
first, at lr 1e-6 still after 10 updates; (b) masters with the checkpoint's low bits, or drawn ones, have
slopes within .2 of that of a float32 learner served in bfloat16; (c) autocast over float32 files has too,
over bfloat16 files it has not, since engines round the same weights, until these are dithered.
"""

import os

# Before anything imports torch or DeepSpeed.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TORCH_COMPILE_DISABLE", "1")

import argparse
import socket
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.table import Table

from benchmarks.lib.common import CONSOLE, command_line, machine, parser, save
from rl.batch.types import TrainingBatch
from rl.config.algorithm import AlgorithmConfig
from rl.config.learner import LearnerConfig
from rl.learner.rank import LearnerRank
from rl.learner.weights import iterate_weights

UPDATES = (1, 3, 10)
ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    "float32": ("float32", {"dtype": "float32"}),
    "bfloat16, masters of rounded weights": ("bfloat16", {"dtype": "bfloat16", "dither": False}),
    "bfloat16, masters of float32 files": ("float32", {"dtype": "bfloat16"}),
    "bfloat16, dithered masters of bfloat16 files": ("bfloat16", {"dtype": "bfloat16"}),
    "autocast of float32 files": ("float32", {"dtype": "autocast"}),
    "autocast of bfloat16 files": ("bfloat16", {"dtype": "autocast", "dither": False}),
    "autocast of bfloat16 files, dithered": ("bfloat16", {"dtype": "autocast"}),
    "float32 of bfloat16 files": ("bfloat16", {"dtype": "float32", "dither": False}),
    "float32 of bfloat16 files, dithered": ("bfloat16", {"dtype": "float32"}),
}
"""Name -> (number format of the base's files, learner settings). The rounded masters are those of any files
before they began with low bits."""


def save_bases(directory: Path, *, hidden: int, layers: int) -> dict[str, Path]:
    """One random Llama, written in both number formats."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=1024,
        hidden_size=hidden,
        intermediate_size=3 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        num_key_value_heads=hidden // 128,
        tie_word_embeddings=True,
        initializer_range=0.05,
    )
    model = LlamaForCausalLM(config)
    paths = {name: directory / name for name in ("float32", "bfloat16")}
    model.save_pretrained(paths["float32"])
    model.bfloat16().save_pretrained(paths["bfloat16"])
    return paths


def make_batch(path: Path, *, groups: int = 4, size: int = 4, length: int = 20) -> TrainingBatch:
    """Random tokens with 0/1 rewards; the behaviour's log-probs are the base's own."""
    draw = np.random.default_rng(0)
    samples, prompt = groups * size, 6
    prompts = draw.integers(4, 1024, (groups, prompt)).repeat(size, 0)
    tokens = np.concatenate([prompts, draw.integers(4, 1024, (samples, length))], 1).astype(np.int32)
    mask = np.zeros(tokens.shape, dtype=bool)
    mask[:, prompt:] = True
    rewards = np.tile(np.arange(size) % 2, groups).astype(np.float32)
    behaviour = np.zeros(tokens.shape, dtype=np.float32)
    behaviour[:, 1:] = scores(path, {}, tokens)
    behaviour[~mask] = 0
    return TrainingBatch(
        step=0,
        token_ids=tokens.reshape(-1),
        offsets=np.arange(samples + 1, dtype=np.int64) * tokens.shape[1],
        prompt_lens=np.full(samples, prompt, np.int32),
        loss_mask=mask.reshape(-1),
        behavior_logprobs=behaviour.reshape(-1),
        token_versions=np.where(mask, 0, -1).astype(np.int32).reshape(-1),
        rewards=rewards,
        correct=rewards > 0,
        truncated=np.zeros(samples, dtype=bool),
        demonstration=np.zeros(samples, dtype=bool),
        segment_ids=np.arange(groups, dtype=np.int32).repeat(size),
        group_ids=np.arange(groups, dtype=np.int64),
        temperature=1.0,
    )


@torch.no_grad()
def scores(path: Path, weights: dict[str, torch.Tensor], tokens: np.ndarray) -> np.ndarray:
    """[rows, L - 1] float64 log-probs of the model with these weights (the files', where there are none)."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float64)
    model.load_state_dict({name: value.double() for name, value in weights.items()}, strict=False)
    model.tie_weights()
    ids = torch.from_numpy(tokens.astype(np.int64))
    logprobs = torch.log_softmax(model(input_ids=ids).logits[:, :-1], -1)
    return logprobs.gather(2, ids[:, 1:, None])[..., 0].numpy()


def trajectory(path: Path, batch: TrainingBatch, settings: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Published weights before the first update and after each of ``UPDATES``."""
    rank = LearnerRank(
        config=LearnerConfig(**settings),
        algorithm=AlgorithmConfig(),
        model_path=str(path),
        rank=0,
        world_size=1,
        seed=0,
        total_steps=1000,
        max_tokens=32,
        serves_bf16=True,
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    rank.setup("127.0.0.1", port)
    taken = {}
    for update in range(max(UPDATES) + 1):
        if update:
            assert rank.train(batch).applied
        if update in (0, *UPDATES):
            model = rank._engine.module.causal_lm
            taken[update] = {n: t.clone() for n, t in iterate_weights(model, gather=False)}
    rank.close()
    return taken


def compare(before: dict[str, Any], after: dict[str, Any], change: np.ndarray, reference: np.ndarray) -> dict:
    """The figures of one arm after some updates; weights as they are served."""
    differing = sum(int((before[n] != after[n]).sum()) for n in before)
    slope = float((change * reference).sum() / (reference**2).sum())
    rest = np.sqrt(((change - slope * reference) ** 2).mean() / (reference**2).mean())
    return {
        "served_changed": differing / sum(t.numel() for t in before.values()),
        "moved": slope,
        "correlation": float(np.corrcoef(change.ravel(), reference.ravel())[0, 1]) if change.any() else 0.0,
        "noise": float(rest),
    }


def measure(paths: dict[str, Path], lr: float) -> dict[str, dict[int, dict[str, float]]]:
    """All arms at one learning rate: figures by arm and number of updates."""
    batch = make_batch(paths["float32"])
    tokens = batch.token_ids.reshape(len(batch.rewards), -1)
    chosen = batch.loss_mask.reshape(tokens.shape)[:, 1:]
    references: dict[int, np.ndarray] = {}
    rows: dict[str, dict[int, dict[str, float]]] = {}
    for arm, (files, settings) in ARMS.items():
        taken = trajectory(paths[files], batch, settings | {"lr": lr})
        if arm == "float32":
            exact = {u: scores(paths[files], taken[u], tokens)[chosen] for u in taken}
            references = {u: exact[u] - exact[0] for u in UPDATES}
        served = {u: {n: t.bfloat16() for n, t in w.items()} for u, w in taken.items()}
        scored = {u: scores(paths[files], served[u], tokens)[chosen] for u in served}
        rows[arm] = {u: compare(served[0], served[u], scored[u] - scored[0], references[u]) for u in UPDATES}
    return rows


def _arguments() -> argparse.Namespace:
    made = parser(__doc__ or "")
    made.add_argument("--lr", type=float, nargs="+", default=[1e-6, 1e-5])
    return made.parse_args()


def main() -> None:
    args = _arguments()
    result: dict[str, Any] = {
        "machine": machine(),
        "command": command_line(),
    }
    with tempfile.TemporaryDirectory(prefix="t2rl-bf16-") as directory:
        size = {"hidden": 128, "layers": 2} if args.quick else {"hidden": 256, "layers": 4}
        paths = save_bases(Path(directory), **size)
        result |= {"base": size, "lr": {f"{lr:g}": measure(paths, lr) for lr in args.lr}}
    for lr, arms in result["lr"].items():
        columns = [f"{what} {u}" for what in ("served", "moved", "noise") for u in UPDATES]
        table = Table("arm", *columns, title=f"lr {lr}")
        for arm, at in arms.items():
            keys = ("served_changed", "moved", "noise")
            table.add_row(arm, *(f"{at[u][key]:.3f}" for key in keys for u in UPDATES))
        CONSOLE.print(table)
    save("bf16_masters", result, args=args)


if __name__ == "__main__":
    main()
