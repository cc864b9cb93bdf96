"""The learner section: optimizer, DeepSpeed, batching, LoRA."""

from typing import Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from rl.config.base import Section


class LoraConfig(Section):
    """Low-rank adapters through PEFT."""

    r: PositiveInt = 16
    """Rank of the adapter."""
    alpha: PositiveInt = 32
    """Its scale: alpha / r (rslora: alpha / sqrt(r))."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Of the adapter's input."""
    target_modules: tuple[str, ...] | Literal["all-linear"] = "all-linear"
    """Names of the layers that get one."""
    kind: Literal["lora", "rslora", "dora"] = "lora"
    """Plain, rank-stabilised or weight-decomposed."""
    push: Literal["merged", "adapter"] = "merged"
    """``merged``: engines get whole weights. ``adapter``: the adapter alone, which vLLM's LoRA runtime adds
    to the base."""

    @property
    def pushes_adapter(self) -> bool:
        """True if engines serve base + adapter."""
        return self.push == "adapter"


class LearnerConfig(Section):
    """One DeepSpeed engine per rank."""

    num_ranks: PositiveInt = 1
    """DeepSpeed processes, data parallel."""
    zero_stage: Literal[0, 1, 2, 3] = 0
    """What is sharded over the ranks: 0 nothing, 1 optimizer state, 2 gradients too, 3 weights too."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """What the forward and backward pass compute in."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the ranks run."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """``muon``: DeepSpeed's Muon for the hidden matrices, AdamW for embeddings, heads and vectors."""
    lr: PositiveFloat = 4e-4
    """Peak rate of AdamW."""
    muon_lr: PositiveFloat = 1e-3
    """Peak rate of Muon, in units of the spectral norm of one update; ``optimizer=muon`` only."""
    muon_momentum: float = Field(default=0.95, ge=0, lt=1)
    """Nesterov momentum; ``optimizer=muon`` only."""
    schedule: Literal["constant", "linear", "cosine", "rex", "wsd", "power", "uba"] = "constant"
    """From the peak to ``min_lr_ratio`` at the run's last update; ``rl.learner.schedules`` has formulas and
    papers."""
    warmup_steps: NonNegativeInt = 0
    """Updates of linear rise, the first of them not 0; counted in optimizer updates, as the schedule is."""
    min_lr_ratio: float = Field(default=0.0, ge=0, le=1)
    """Where the schedule ends, as a share of the peak."""
    schedule_decay_share: float = Field(default=0.1, gt=0, le=1)
    """Last share of the way in which ``wsd`` and ``power`` come down to ``min_lr_ratio``."""
    schedule_decay_shape: Literal["linear", "cosine", "sqrt"] = "linear"
    """How they do; ``sqrt`` is 1 - sqrt(x)."""
    schedule_exponent: PositiveFloat = 0.5
    """Of ``power``; 0.5 is the inverse square root."""
    schedule_phi: NonNegativeFloat = 2.0
    """Shape of ``uba``: 0 constant, 2 cosine, larger falls faster."""
    betas: tuple[float, float] = (0.9, 0.95)
    """AdamW's decay of its two moments."""
    eps: PositiveFloat = 1e-8
    """AdamW's floor of the root of the second moment."""
    weight_decay: NonNegativeFloat = 0.0
    """Decoupled."""
    grad_clip: NonNegativeFloat = 1.0
    """Global norm; 0 = off."""
    updates_per_batch: PositiveInt = 1
    """Optimizer steps taken on one training batch (PPO mini-batches), each on a disjoint share of its
    groups."""
    micro_batch_tokens: PositiveInt = 4096
    """Padded tokens of one forward-backward (CPU buckets) or packed tokens (GPU)."""
    packing: Literal["buckets", "varlen"] = "buckets"
    """``buckets``: length-sorted and right-padded. ``varlen``: packed rows through torch's flash attention,
    bfloat16 on a GPU."""
    logits_per_chunk: PositiveInt = 1 << 27
    """Logits (tokens x vocabulary) held at once; more are recomputed in the backward pass, chunk by chunk. 4
    bytes each, and the same again for their gradient."""
    gradient_checkpointing: bool = False
    """Recompute each layer's activations in the backward pass instead of keeping them."""
    offload_optimizer: Literal["none", "cpu", "nvme"] = "none"
    """Where optimizer states and float32 masters live instead of the GPU; needs zero_stage 1-3, nvme 3."""
    offload_parameters: Literal["none", "cpu", "nvme"] = "none"
    """The same for the parameters' shards; needs zero_stage 3."""
    offload_path: str | None = None
    """Directory on the NVMe device."""
    sequence_parallel: PositiveInt = 1
    """Ranks that share each sequence (Ulysses); GPU only."""
    lora: LoraConfig | None = None
    deepspeed: dict[str, Any] = Field(default_factory=dict)
    """More of DeepSpeed's own settings, as its JSON has them
    (``zero_optimization.zero_hpz_partition_size=8``); those that other fields of ours set are refused."""
    num_threads: PositiveInt = 1
    """Torch threads of a rank on CPU."""
    cores: tuple[int, ...] | None = None
    """CPU cores to pin the ranks to; None leaves it to the kernel."""
    max_restarts: NonNegativeInt = 2
    """Deaths of a learner rank survived in one run: all ranks are rebuilt from the newest checkpoint."""
    collective_timeout_s: PositiveFloat = 120.0
    """Longest wait of one rank for the others before the group counts as dead."""
