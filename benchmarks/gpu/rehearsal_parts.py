"""What ``gpu_rehearsal`` measures with: random models and batches, packed against padded rows, training steps
against the clock.

Imports torch, transformers and those modules of ours that need no more; DeepSpeed where an arm asks for it.
"""

import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch

from rl.batch.types import TrainingBatch
from rl.learner import packed_attention
from rl.learner.logprob_model import LogprobModel
from rl.learner.micro_batch import MicroBatch, MicroBatchPlan, build_micro_batch, plan_micro_batches

PEAKS = {"H100 PCIe": 756e12, "H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "B200": 2250e12}
"""Dense bf16 operations a second by NVIDIA's data sheets; the first name that occurs counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A Qwen2-like model with tied embeddings."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    intermediate: int
    vocab: int

    def as_dict(self) -> dict[str, int]:
        """For the record."""
        return asdict(self)

    def flops(self, lengths: np.ndarray, loss_tokens: int) -> float:
        """Of one forward and backward over samples of these lengths: 2 a weight and token forward, twice that
        backward, and the causal half of the attention's two products. What is recomputed does not count: MFU
        is of useful arithmetic."""
        head = self.hidden // self.heads
        attention = self.hidden * self.hidden * 2 + 2 * self.hidden * self.kv_heads * head
        layer = attention + 3 * self.hidden * self.intermediate
        matrices = (
            2.0 * layer * self.layers * float(lengths.sum()) + 2.0 * self.hidden * self.vocab * loss_tokens
        )
        scores = 2.0 * self.layers * self.hidden * float((lengths.astype(np.float64) ** 2).sum())
        return 3 * (matrices + scores)


def build(shape: Shape, *, attention: str, dtype: torch.dtype, device: torch.device, **more: Any) -> Any:
    """A causal LM with random weights, the same for the same shape."""
    from transformers import AutoModelForCausalLM, Qwen2Config

    packed_attention.register()
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=shape.vocab,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        intermediate_size=shape.intermediate,
        tie_word_embeddings=True,
        max_position_embeddings=32_768,
        **more,
    )
    with device:
        return AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation=attention)


def attention_of(*, packed: bool, device: torch.device) -> str:
    """On CPU packed rows go through dense attention under a block-diagonal mask."""
    return packed_attention.NAME if packed and device.type == "cuda" else "sdpa"


def random_batch(shape: Shape, *, samples: int, longest: int) -> TrainingBatch:
    """Prompts of up to a sixteenth of ``longest``, completions of a long-tailed length, half of them
    right."""
    draw = np.random.default_rng(0)
    prompts = draw.integers(4, max(5, longest // 16), samples)
    completions = np.clip(draw.lognormal(np.log(longest / 6), 0.9, samples), 8, longest - prompts).astype(
        np.int64
    )
    lengths = prompts + completions
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    mask = np.concatenate([np.arange(p + c) >= p for p, c in zip(prompts, completions, strict=True)])
    rewards = (np.arange(samples) % 2).astype(np.float32)
    return TrainingBatch(
        step=0,
        token_ids=draw.integers(0, shape.vocab, offsets[-1]).astype(np.int32),
        offsets=offsets,
        prompt_lens=prompts.astype(np.int32),
        loss_mask=mask,
        behavior_logprobs=np.zeros(len(mask), np.float32),
        token_versions=np.zeros(len(mask), np.int32),
        rewards=rewards,
        correct=rewards > 0,
        truncated=np.zeros(samples, bool),
        demonstration=np.zeros(samples, bool),
        segment_ids=(np.arange(samples) // 8).astype(np.int32),
        group_ids=np.arange(-(-samples // 8)),
        temperature=1.0,
    )


def agreement(device: torch.device) -> dict[str, Any]:
    """Packed rows against padded ones on a small model in bf16, both against float32: mean distance in nats
    and of the gradient.

    ``ok`` if the packed ones are no further from float32 than twice the padded ones are.
    """
    shape = Shape(hidden=256, layers=4, heads=4, kv_heads=2, intermediate=512, vocab=1024)
    batch = random_batch(shape, samples=12, longest=200)
    found: dict[str, Any] = {}
    for window in (None, 16):
        more = (
            {}
            if window is None
            else {"use_sliding_window": True, "sliding_window": window, "max_window_layers": 2}
        )
        results = {}
        for name, dtype in (("exact", torch.float32), ("padded", torch.bfloat16), ("packed", torch.bfloat16)):
            packed = name == "packed"
            causal_lm = build(
                shape,
                attention=attention_of(packed=packed, device=device),
                dtype=dtype,
                device=device,
                **more,
            )
            results[name] = _logprobs_and_gradient(
                LogprobModel(causal_lm), batch, packed=packed, device=device
            )
        exact, gradient = results["exact"]
        for name in ("padded", "packed"):
            nats = float((results[name][0] - exact).abs().mean())
            angle = float((results[name][1] - gradient).norm() / gradient.norm())
            found[f"{name}, {'no window' if window is None else f'window {window}'}"] = {
                "nats": nats,
                "gradient": angle,
            }
    pairs = [(found[f"packed, {w}"], found[f"padded, {w}"]) for w in ("no window", "window 16")]
    found["ok"] = all(
        p["nats"] < 2 * q["nats"] + 1e-3 and p["gradient"] < 2 * q["gradient"] + 1e-2 for p, q in pairs
    )
    return found


def _logprobs_and_gradient(
    model: LogprobModel, batch: TrainingBatch, *, packed: bool, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    micro = build_micro_batch(batch, MicroBatchPlan(np.arange(len(batch.rewards))), packed=packed).to(device)
    logprobs = model(*micro.for_logprobs(1.0))
    logprobs.mean().backward()
    return logprobs.detach(), torch.cat(
        [p.grad.float().flatten() for p in model.parameters() if p.grad is not None]
    )


def attainable_flops(size: int = 8192, repeats: int = 20) -> float:
    """bf16 operations a second of a large matrix product on this GPU."""
    left, right = (torch.randn(size, size, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        left @ right
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(repeats):
        left @ right
    torch.cuda.synchronize()
    return 2.0 * size**3 * repeats / (time.perf_counter() - began)


def peak_flops(name: str) -> float | None:
    """By the data sheet; None for a GPU that the table does not have."""
    return next((peak for known, peak in PEAKS.items() if known in name), None)


class PlainAdamW:
    """bf16 weights with float32 masters, what DeepSpeed does at stage 1 on one rank, without DeepSpeed."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.weights = [p for p in model.parameters() if p.requires_grad]
        self.masters = [p.detach().float().clone() for p in self.weights]
        self.sums = [torch.zeros_like(m) for m in self.masters]
        self.optimizer = torch.optim.AdamW(self.masters, lr=1e-6, fused=True)

    def backward(self, loss: torch.Tensor) -> None:
        """Accumulate in float32."""
        loss.backward()
        for weight, total in zip(self.weights, self.sums, strict=True):
            if weight.grad is not None:
                total += weight.grad
                weight.grad = None

    def step(self) -> None:
        """Step the masters and copy them back."""
        for master, total in zip(self.masters, self.sums, strict=True):
            master.grad = total
        torch.nn.utils.clip_grad_norm_(self.masters, 1.0)
        self.optimizer.step()
        for weight, master, total in zip(self.weights, self.masters, self.sums, strict=True):
            weight.data.copy_(master)
            total.zero_()


def time_training(
    shape: Shape,
    batch: TrainingBatch,
    *,
    device: torch.device,
    token_budget: int,
    seconds: float,
    packed: bool = True,
    checkpointing: bool = False,
    logits_per_chunk: int = 1 << 27,
    zero_stage: Literal[0, 1, 2, 3] | None = None,
    offload: bool = False,
) -> dict[str, Any]:
    """Whole steps over the batch for about ``seconds``, after one that does not count."""
    dtype = torch.bfloat16
    causal_lm = build(shape, attention=attention_of(packed=packed, device=device), dtype=dtype, device=device)
    if checkpointing:
        causal_lm.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model = LogprobModel(causal_lm, logits_per_chunk=logits_per_chunk).train()
    lengths = np.diff(batch.offsets)
    plans = plan_micro_batches(lengths, np.arange(len(lengths)), world_size=1, token_budget=token_budget)[0]
    micro_batches = [build_micro_batch(batch, plan, packed=packed) for plan in plans]
    with Trainer(model, device, zero_stage, offload) as (forward, backward, step):
        durations: list[float] = []
        while not durations or sum(durations[1:]) < seconds:
            began = time.perf_counter()
            for micro in micro_batches:
                backward(_loss(forward, batch, micro.to(device)))
            step()
            if device.type == "cuda":
                torch.cuda.synchronize()
            durations.append(time.perf_counter() - began)
            if len(durations) > 1 and durations[0] > seconds:
                break
    step_s = float(np.median(durations[1:] or durations))
    flops = shape.flops(lengths, int(batch.loss_mask.sum()))
    return {
        "tokens_per_s": float(lengths.sum()) / step_s,
        "step_s": step_s,
        "steps": len(durations) - 1,
        "micro_batches": len(micro_batches),
        "padding_share": (
            1 - float(lengths.sum() - len(lengths)) / sum(m.input_ids.numel() for m in micro_batches)
        ),
        "flops_per_s": flops / step_s,
    }


def _loss(forward: Callable[..., torch.Tensor], batch: TrainingBatch, micro: MicroBatch) -> torch.Tensor:
    """The first update's policy gradient: advantages of plus or minus one half over the number of loss
    tokens."""
    advantages = torch.from_numpy(batch.rewards[micro.sample] - 0.5).to(micro.targets.device)
    return -(advantages * forward(*micro.for_logprobs(1.0))).sum() / batch.num_valid_tokens


class Trainer:
    """``(forward, backward, step)`` of plain torch, or of the learner's own DeepSpeed engine; gone after the
    block."""

    def __init__(
        self,
        model: LogprobModel,
        device: torch.device,
        zero_stage: Literal[0, 1, 2, 3] | None,
        offload: bool,
    ) -> None:
        self.model, self.device, self.stage, self.offload = model, device, zero_stage, offload
        self.engine: Any = None

    def __enter__(self) -> tuple[Callable[..., Any], Callable[..., Any], Callable[[], Any]]:
        if self.stage is None:
            plain = PlainAdamW(self.model)
            return self.model, plain.backward, plain.step
        from rl.config.learner import LearnerConfig, OffloadConfig
        from rl.learner.deepspeed_setup import init_distributed, initialize_engine

        config = LearnerConfig(
            device="cuda" if self.device.type == "cuda" else "cpu",
            dtype="bfloat16",
            zero_stage=self.stage,
            offload=OffloadConfig(optimizer="cpu") if self.offload else None,
            lr=1e-6,
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        init_distributed(config, rank=0, world_size=1, address="127.0.0.1", port=port)
        self.engine = initialize_engine(self.model, config, total_updates=1000)
        return self.engine, lambda loss: self.engine.backward(loss, scale_wrt_gas=False), self.engine.step

    def __exit__(self, *_: object) -> None:
        if self.engine is not None:
            from deepspeed import comm

            self.engine.destroy()
            self.engine = None
            comm.destroy_process_group()
