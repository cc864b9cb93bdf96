"""The learner section: optimizer, DeepSpeed, batching, LoRA."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from rl.config.base import Section
from rl.config.choice import ONE_OF, Choice, OwnCode
from rl.config.number_format import choose_dtype

Decay = Annotated[float, Field(ge=0, lt=1)]


class LoraConfig(Section):
    """Low-rank adapters through PEFT."""

    r: PositiveInt = 16
    """Rank of the adapter."""
    alpha: PositiveInt = 32
    """Its scale: alpha / r (rslora: alpha / sqrt(r))."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout of the adapter's input."""
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


class AdamW(Choice):
    """torch's AdamW for every parameter."""

    name: Literal["adamw"] = "adamw"
    """torch's AdamW for every parameter."""


class Muon(Choice):
    """DeepSpeed's Muon for the hidden matrices, AdamW for embeddings, heads and vectors."""

    name: Literal["muon"] = "muon"
    """DeepSpeed's Muon for the hidden matrices, AdamW for the rest."""
    muon_lr: PositiveFloat = 1e-3
    """Peak rate of the hidden matrices, in units of the spectral norm of one update."""
    momentum: float = Field(default=0.95, ge=0, lt=1)
    """Nesterov momentum."""


Optimizer = Annotated[AdamW | Muon | OwnCode, ONE_OF]


class ConstantSchedule(Choice):
    """The peak to the end."""

    name: Literal["constant"] = "constant"
    """The peak to the end."""


class _Falling(Choice):
    """The common settings of all schedules that fall."""

    min_lr_ratio: float = Field(default=0.0, ge=0, le=1)
    """Where the schedule ends at the run's last update, as a share of the peak."""


class FallingSchedule(_Falling):
    """A curve over the whole run."""

    name: Literal["linear", "cosine", "rex"]
    """The curve's shape; ``rex`` stays above the line and falls fastest at the end."""


class _LateDecay(_Falling):
    """A decay in the last share of the run."""

    decay_share: float = Field(default=0.1, gt=0, le=1)
    """Last share of the way, in which the rate comes down to ``min_lr_ratio``."""
    decay_shape: Literal["linear", "cosine", "sqrt"] = "linear"
    """How it does; ``sqrt`` is 1 - sqrt(x)."""


class WsdSchedule(_LateDecay):
    """Warm-up, stable, decay."""

    name: Literal["wsd"] = "wsd"
    """Warm-up, stable, decay."""


class PowerSchedule(_LateDecay):
    """A power of the updates, then a decay."""

    name: Literal["power"] = "power"
    """A power of the updates, then a decay."""
    exponent: PositiveFloat = 0.5
    """The rate is ``updates ^ -exponent``; 0.5 is the inverse square root."""


class UbaSchedule(_Falling):
    """The unified budget-aware schedule."""

    name: Literal["uba"] = "uba"
    """The unified budget-aware schedule."""
    phi: NonNegativeFloat = 2.0
    """Its shape: 0 constant, 2 cosine, larger falls faster."""


class OwnSchedule(OwnCode, _Falling):
    """A schedule of your own."""


Schedule = Annotated[
    ConstantSchedule | FallingSchedule | WsdSchedule | PowerSchedule | UbaSchedule | OwnSchedule, ONE_OF
]


class BucketPacking(Choice):
    """Rows sorted by length and right-padded."""

    name: Literal["buckets"] = "buckets"
    """Rows sorted by length and right-padded."""


class VarlenPacking(Choice):
    """Packed rows through torch's flash attention, bfloat16 on a GPU."""

    name: Literal["varlen"] = "varlen"
    """Packed rows through torch's flash attention, bfloat16 on a GPU."""
    sequence_parallel: PositiveInt = 1
    """Ranks that share each sequence (Ulysses)."""


class SharedPacking(Choice):
    """One row holds a prompt once and its completions after it."""

    name: Literal["shared"] = "shared"
    """A prompt once and its completions after it, each seeing the prompt and itself; torch's ``sdpa``."""


Packing = Annotated[BucketPacking | VarlenPacking | SharedPacking, ONE_OF]


class OffloadConfig(Section):
    """State that lives outside the GPU."""

    optimizer: Literal["none", "cpu", "nvme"] = "none"
    """Where optimizer states and float32 masters live; needs zero_stage 1-3, nvme 3."""
    parameters: Literal["none", "cpu", "nvme"] = "none"
    """Where the parameters' shards live; needs zero_stage 3."""
    path: str | None = None
    """Directory on the NVMe device."""


class GradientSync(Choice):
    """Every update is one of all ranks: they add up their gradients before each step."""

    name: Literal["gradients"] = "gradients"
    """All ranks add up their gradients before every step."""


class DilocoSync(Choice):
    """Low-communication data parallel: every rank is a replica that trains on its own share, and the replicas
    exchange how far they have moved every few batches (Streaming DiLoCo, arXiv 2501.18512)."""

    name: Literal["diloco"] = "diloco"
    """Replicas step alone and exchange how far they have moved every few batches."""
    every: PositiveInt = 8
    """H: training batches between two exchanges of the same weights."""
    fragments: PositiveInt = 1
    """P: parts of the weights, exchanged in turn, so that no more than 1/P of them travel at once."""
    overlap: NonNegativeInt = 0
    """Tau: batches that a part is under way while training goes on; 0 waits for it."""
    mixing: float = Field(default=0.0, ge=0, lt=1)
    """Alpha: the share of a replica's own weights that it keeps when a part arrives."""
    outer_lr: PositiveFloat = 0.7
    """Step size of the outer optimizer; 1 with ``outer_momentum=0`` is the plain mean of the replicas."""
    outer_momentum: float = Field(default=0.9, ge=0, lt=1)
    """Nesterov momentum of the outer optimizer."""
    bits: Literal[32, 8, 4] = 32
    """Bits of a weight's way as it travels: 32, float32; 8, integers with a scale for every 256 weights; 4,
    powers of two below such a scale."""


Sync = Annotated[GradientSync | DilocoSync, ONE_OF]


class LearnerConfig(Section):
    """One DeepSpeed engine per rank."""

    LIMITS: ClassVar[frozenset[str]] = frozenset(
        {"max_restarts", "replay_mib", "collective_timeout_s", "logits_per_chunk", "dither"}
    )

    num_ranks: PositiveInt = 1
    """DeepSpeed processes, data parallel."""
    sync: Sync = GradientSync()
    """How the ranks stay one model."""
    zero_stage: Literal[0, 1, 2, 3] = 0
    """Sharding over the ranks: 0 nothing, 1 optimizer state, 2 gradients too, 3 weights too."""
    dtype: Literal["auto", "float32", "bfloat16", "autocast"] = "float32"
    """Number format: ``float32``; ``bfloat16`` weights and arithmetic beside float32 masters; ``autocast``:
    float32 weights, matrix products in bfloat16; ``auto``: autocast where the device has instructions for
    bfloat16, else float32."""
    dither: bool = True
    """For a base in bfloat16 files and engines in bfloat16: each float32 weight or master begins at random
    among the numbers that round to the base's, so that small updates move what is served from the first one
    on. What is served before it is the base."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the ranks run."""
    optimizer: Optimizer = AdamW()
    """How gradients become steps."""
    lr: PositiveFloat = 4e-4
    """Peak rate of AdamW."""
    schedule: Schedule = ConstantSchedule()
    """How the rate falls from its peak; ``rl.learner.schedules`` has formulas and papers."""
    warmup_steps: NonNegativeInt = 0
    """Updates of linear rise, the first of them not 0; counted in optimizer updates, as the schedule is."""
    betas: tuple[Decay, Decay] = (0.9, 0.95)
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
    packing: Packing = BucketPacking()
    """How samples become the rows of a micro-batch."""
    logits_per_chunk: PositiveInt = 1 << 27
    """Logits (tokens x vocabulary) held at once; more are recomputed in the backward pass, chunk by chunk. 4
    bytes each, and the same again for their gradient."""
    gradient_checkpointing: bool = False
    """Recompute each layer's activations in the backward pass instead of keeping them."""
    offload: OffloadConfig | None = None
    """Keeps state outside the GPU; None = everything stays on it."""
    lora: LoraConfig | None = None
    """Trains adapters instead of the whole base; None = the whole base."""
    deepspeed: dict[str, Any] = Field(default_factory=dict)
    """More of DeepSpeed's own settings, as its JSON has them
    (``zero_optimization.zero_hpz_partition_size=8``); those that other fields of ours set are refused."""
    num_threads: PositiveInt = 1
    """Torch threads of a rank on CPU."""
    cores: tuple[int, ...] | None = None
    """CPU cores to pin the ranks to; None leaves it to the kernel."""
    max_restarts: NonNegativeInt = 2
    """Deaths of a learner rank survived in one run: all ranks are rebuilt from the newest checkpoint."""
    replay_mib: NonNegativeInt = 0
    """Memory for the training batches since the newest checkpoint, by which rebuilt ranks catch up while
    engines go on (1024 holds about 50 million tokens). Where it is too little, with 0, and under ``nccl`` and
    ``ipc`` the whole run goes back to the checkpoint."""
    collective_timeout_s: PositiveFloat = 120.0
    """Longest wait of one rank for the others before the group counts as dead."""

    @model_validator(mode="before")
    @classmethod
    def _auto_is_decided(cls, section: Any) -> Any:
        return choose_dtype(section, fast="autocast")

    @property
    def unread(self) -> frozenset[str]:
        """One rank has nobody to exchange anything with."""
        return frozenset({"sync"}) if self.num_ranks == 1 else frozenset()

    @property
    def sequence_parallel(self) -> int:
        """Ranks that share each sequence."""
        return self.packing.sequence_parallel if isinstance(self.packing, VarlenPacking) else 1
