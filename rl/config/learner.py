"""The learner section: optimizer, DeepSpeed, batching, LoRA."""

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from rl.config.base import Section


class LoraConfig(Section):
    """Low-rank adapters through PEFT."""

    r: PositiveInt = 16
    alpha: PositiveInt = 32
    dropout: float = Field(default=0.0, ge=0, lt=1)
    target_modules: tuple[str, ...] | Literal["all-linear"] = "all-linear"
    kind: Literal["lora", "rslora", "dora"] = "lora"


class LearnerConfig(Section):
    """One DeepSpeed engine per rank."""

    num_ranks: PositiveInt = 1
    zero_stage: Literal[0, 1, 2, 3] = 0
    dtype: Literal["float32", "bfloat16"] = "float32"
    device: Literal["cpu", "cuda"] = "cpu"
    lr: PositiveFloat = 4e-4
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup_steps: NonNegativeInt = 0
    min_lr_ratio: float = Field(default=0.0, ge=0, le=1)
    """Where the schedule ends, as a share of ``lr``."""
    betas: tuple[float, float] = (0.9, 0.95)
    eps: PositiveFloat = 1e-8
    weight_decay: NonNegativeFloat = 0.0
    grad_clip: NonNegativeFloat = 1.0
    """Global norm; 0 = off."""
    updates_per_batch: PositiveInt = 1
    """Optimizer steps taken on one training batch (PPO mini-batches), each on a disjoint share of its groups."""
    micro_batch_tokens: PositiveInt = 4096
    """Padded tokens of one forward-backward (CPU buckets) or packed tokens (GPU)."""
    packing: Literal["buckets", "varlen"] = "buckets"
    """``buckets``: length-sorted and right-padded. ``varlen``: packed flash attention, GPU only."""
    gradient_checkpointing: bool = False
    lora: LoraConfig | None = None
    num_threads: PositiveInt = 1
    cores: tuple[int, ...] | None = None
    """CPU cores to pin the ranks to; None leaves it to the kernel."""
    max_restarts: NonNegativeInt = 2
    """Deaths of a learner rank survived in one run: all ranks are rebuilt from the newest checkpoint."""
    collective_timeout_s: PositiveFloat = 120.0
