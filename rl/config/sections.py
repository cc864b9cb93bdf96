"""The small sections that belong to no plug-in: run, stream, rollout, evaluation, checkpoint, cluster."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_serializer,
    field_validator,
    model_validator,
)

from rl.config.base import Section
from rl.config.names import require_path_name
from rl.config.number_format import choose_dtype
from rl.config.secrets import without_secrets
from rl.config.suites import SuiteConfig

PathName = Annotated[str, AfterValidator(require_path_name)]
"""One component of a path."""


class RunConfig(Section):
    """Identity of the run."""

    name: PathName = "run"
    """Directory under ``dir``; also the wandb run name. If it is taken, a new run gets ``NAME-2``,
    ``NAME-3``, ..."""
    dir: str = Field(default="runs", min_length=1)
    """Where run directories go."""
    seed: NonNegativeInt = 0
    """Everything random derives from it: prompts, allocations, request seeds, initial LoRA weights."""
    steps: PositiveInt = 100
    """Optimizer steps."""
    rollout_token_budget: PositiveInt | None = None
    """Stop after this many sampled tokens, whichever comes first; for comparisons at equal tokens."""
    wall_clock_s: PositiveFloat | None = None
    """Stop after this many seconds of training (start-up and evaluations left out), likewise; for comparisons
    at equal time."""
    advisories: tuple[str, ...] = ()
    """Advisories of your own beside ours: ``path/to/file.py:attr`` or ``pkg.module:attr``, functions of
    metric rows (``rl.records.advisories``)."""


class StreamConfig(Section):
    """Plans, staleness and timeouts."""

    LIMITS: ClassVar[frozenset[str]] = frozenset(
        {
            "group_timeout_s",
            "inside_batch",
            "start_timeout_s",
            "step_timeout_s",
            "sync_timeout_s",
            "max_issues",
        }
    )

    prompts_per_step: PositiveInt = 32
    """Prompts in one plan (= one training batch)."""
    rollouts_per_prompt: PositiveInt = 16
    """Mean group size; the allocator splits ``prompts_per_step * rollouts_per_prompt`` rollouts."""
    max_staleness: NonNegativeInt = 1
    """Learner version at consumption minus oldest token version never exceeds it; 0 is synchronous."""
    pipeline_depth: NonNegativeInt | None = None
    """Plans issued ahead of the weights; at most ``max_staleness`` (its default)."""
    refill_rounds: int = Field(default=0, ge=0, le=63)
    """Rounds of replacement groups for dropped ones before the batch goes short."""
    push_at_share: float = Field(default=0.25, ge=0, le=1)
    """With one plan ahead, new weights wait until at most this share of it is still being sampled: every
    sequence in flight must be prefilled again under them. 1 pushes at once. With more plans ahead the engines
    are never that idle, and weights never wait."""
    inside_batch: bool = False
    """Train on finished groups of a batch while its last ones are still being sampled; one optimizer step on
    the whole batch, as without it. Objectives that need whole batches wait for them, and the log says so."""
    rollover_share: float = Field(default=0.0, ge=0, lt=1)
    """Share of a plan's groups that may be late: they join the next batch instead of holding this one up, if
    still fresh enough."""
    redundant_share: float = Field(default=0.0, ge=0, le=1)
    """Prompts in flight beyond those that batches take, as a share of ``prompts_per_step``: a batch closes
    with its first ``prompts_per_step`` groups. Late ones join the next batch in place of new prompts where
    they are fresh enough; else they are dropped as ``late``, which favours short answers."""
    group_timeout_s: PositiveFloat = 120.0
    """A group is re-issued, with the reason in the log, when it gets no new token for so long while its
    engine works on it. Time in an engine's queue does not count. The verdicts of a group may take as long."""
    start_timeout_s: PositiveFloat = 1800.0
    """Longest wait for an engine or the learner to load the model; a large one from a cold disk takes many
    minutes."""
    step_timeout_s: PositiveFloat = 600.0
    """Longest wait for a learner step, a save or a load. Evaluations are not counted against it."""
    sync_timeout_s: PositiveFloat = 60.0
    """Longest wait for one weight push."""
    max_issues: PositiveInt = 4
    """Issues of one group before the run fails loudly."""


class RolloutConfig(Section):
    """Engines and sampling."""

    LIMITS: ClassVar[frozenset[str]] = frozenset(
        {"max_restarts", "block_size", "cache_watermark", "probe_factor"}
    )

    backend: Literal["inprocess", "async"] = "inprocess"
    """``inprocess``: LLMEngine stepped in a thread of the actor (CPU default). ``async``: AsyncLLM (GPU
    default)."""
    num_engines: PositiveInt = 1
    """vLLM engines, each with an actor of its own."""
    tensor_parallel: PositiveInt = 1
    """GPUs that one engine is split over."""
    temperature: PositiveFloat = 1.0
    """Temperature of training rollouts; evaluations have their own."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Nucleus of training rollouts; only 1 trains (the learner knows no nucleus)."""
    max_tokens: PositiveInt = 64
    """Completion tokens at most."""
    max_model_len: PositiveInt = 128
    """Prompt plus completion."""
    stop: tuple[str, ...] = ()
    """Texts that end a completion, in training and evaluation. All tokens up to the one that completes the
    text are trained; rewards see what stands in front of it."""
    stop_token_ids: tuple[NonNegativeInt, ...] = ()
    """Tokens that end a completion, beside the end tokens of the tokenizer and of generation_config.json."""
    ignore_eos: bool = False
    """Training rollouts go on to ``max_tokens`` whatever is sampled: fixed token counts, for benchmarks."""
    max_num_seqs: PositiveInt = 512
    """Sequences in flight in one engine."""
    max_batched_tokens: PositiveInt | None = None
    """Tokens of one engine step, prefills included; None = 16384 on a GPU, 8192 on a CPU, and never less than
    ``max_model_len``."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "float32"
    """Number format of the engine's weights and arithmetic; ``auto``: bfloat16 where the device has
    instructions for it, else float32."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where engines run."""
    kv_cache_mib: PositiveInt = 256
    """CPU only; on GPUs see ``gpu_memory_utilization``."""
    gpu_memory_utilization: float = Field(default=0.85, gt=0, lt=1)
    """Share of a GPU that an engine may take, weights and KV cache together."""
    block_size: PositiveInt = 32
    """Tokens of one block of the KV cache."""
    cache_watermark: float = Field(default=0.0, ge=0, lt=1)
    """Share of the KV cache that must be free before an engine takes another sequence in, so that fewer are
    dropped and prefilled again when the cache is full. Pays where it holds a quarter of ``max_num_seqs``."""
    prefix_cache: bool = True
    """Prompts that share a beginning are prefilled once."""
    kv_after_update: Literal["clear", "keep"] = "clear"
    """``keep`` goes on with the old weights' KV: faster, a named approximation."""
    weight_transfer: Literal["shm", "object", "nccl", "ipc"] = "shm"
    """``shm`` is same-node only; ``object`` goes to any node through Ray's object store; ``nccl`` and ``ipc``
    need GPUs: an engine that dies comes back with the next push, one that dies in a push ends the attempt."""
    weight_changes: bool = False
    """By ``object``, send a node only what changed since the push before, where it holds that one. Exact.
    Pays where engines compute in bfloat16 and nodes are far apart: in float32 nearly every weight changes."""
    num_threads: PositiveInt = 1
    """Torch threads of an engine on CPU."""
    cores: tuple[int, ...] | None = None
    """CPU cores to pin an engine to; None leaves it to the kernel."""
    max_restarts: NonNegativeInt = 3
    """Engine deaths tolerated per worker."""
    engine_args: dict[str, Any] = Field(default_factory=dict)
    """More arguments of vLLM's ``AsyncEngineArgs`` for every engine, by vLLM's names: ``{enforce_eager: true,
    quantization: fp8}``. What other fields of this config set is refused here."""
    probe_every: NonNegativeInt = 1
    """Versions between log-prob probes of engine against learner; 0 = never."""
    probe_tolerance: PositiveFloat = 1e-3
    """Mean |engine - learner| log-prob over the probe's tokens that is always allowed, in nats. In bf16
    ``probe_factor`` allows more."""
    probe_factor: float = Field(default=4.0, ge=1)
    """Times the gap of the untouched base, measured at the start, that is allowed too. A larger gap warns; a
    second one in a row ends the run, one over four times as large does at once."""

    @model_validator(mode="before")
    @classmethod
    def _auto_is_decided(cls, section: Any) -> Any:
        return choose_dtype(section, fast="bfloat16")

    @field_validator("stop")
    @classmethod
    def _stops_say_something(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "" in value:
            raise ValueError("an empty text would end every completion; leave it out")
        return value

    @property
    def unread(self) -> frozenset[str]:
        """A CPU has no GPU's settings, and the other way round; changes go by object alone."""
        on_cpu = self.device == "cpu"
        others = ("gpu_memory_utilization", "tensor_parallel") if on_cpu else ("kv_cache_mib",)
        return frozenset((*others, *(() if self.weight_transfer == "object" else ("weight_changes",))))


class EvaluationConfig(Section):
    """Held-out evaluation at fixed seeds, pinned to one policy version."""

    LIMITS: ClassVar[frozenset[str]] = frozenset({"bootstrap", "engines", "suites"})

    every: NonNegativeInt = 0
    """Steps between evaluations; 0 = before and after only."""
    split: Literal["dev", "test"] = "test"
    """Split of the task that is evaluated."""
    num_prompts: PositiveInt = 120
    """Stratified over categories and levels; the first n by index."""
    samples_per_prompt: PositiveInt = 8
    """Attempts at each prompt, at ``temperature``."""
    temperature: PositiveFloat = 1.0
    """Temperature of the main figures."""
    ks: tuple[PositiveInt, ...] = (1, 8)
    """The k of pass@k; each at most ``samples_per_prompt``."""
    greedy: bool = True
    """Also report greedy accuracy."""
    extra_temperatures: tuple[PositiveFloat, ...] = (0.6,)
    """Also report pass@1 at these, for the base and the final policy."""
    bootstrap: PositiveInt = 2000
    """Resamples of the interval."""
    suites: dict[PathName, SuiteConfig] = Field(default_factory=dict)
    """More held-out suites by name, each with its own problems and cadence (docs/evaluation.md)."""
    engines: NonNegativeInt = 0
    """Engines reserved for evaluations between steps: they hold one version while training goes on. 0 = the
    rollout engines evaluate, and training waits."""


class CheckpointConfig(Section):
    """Checkpoints: what survives a kill."""

    every: NonNegativeInt = 20
    """Steps between checkpoints; 0 = only at the end and on interrupt."""
    keep: PositiveInt = 2
    """Newest checkpoints that stay."""
    keep_hours: PositiveFloat | None = None
    """Also keep those written less than so many hours ago."""
    keep_best: bool = False
    """Also keep the checkpoint with the best held-out pass@1, at ``evaluation.temperature``; needs
    ``evaluation.every``."""
    background: bool = True
    """Training goes on while a copy of the learner's state, held in the host's memory, is written
    (``--dry-run`` says its bytes). False: it waits until the disk has everything, and no copy stays in
    memory."""
    at_end: bool = True
    """Also write one when the run gets to its end, so that more steps can follow; it is about 3 times as
    large as the weights (Adam's two moments). False: a finished run leaves ``model/`` and the checkpoints of
    before."""


class ClusterConfig(Section):
    """Where actors go."""

    LIMITS: ClassVar[frozenset[str]] = frozenset({"cpus_per_engine", "cpus_per_learner", "object_store_mib"})

    name: Literal["local", "gpu1", "node8", "multinode"] = "local"
    """The layout of actors; on the command line ``cluster=`` brings devices and transport along."""
    address: str | None = None
    """Ray address; None starts a local Ray."""
    num_cpus: PositiveInt | None = None
    """Logical CPUs of the local Ray; None = enough for the actors of this config."""
    gpus_per_engine: NonNegativeFloat = 0
    """GPUs of one engine (= tensor_parallel on GPU clusters)."""
    gpus_per_learner: NonNegativeFloat = 0
    """GPUs of one learner rank."""
    cpus_per_engine: PositiveFloat = 1
    """Logical CPUs that Ray reserves for one engine."""
    cpus_per_learner: PositiveFloat = 1
    """Logical CPUs that Ray reserves for one learner rank."""
    engine_resources: dict[str, PositiveFloat] = Field(default_factory=dict)
    """Other resources that an engine's node must have, in Ray's names: a kind of device
    (``{"accelerator_type:L40S": 0.001}``), or a label that its ``ray start --resources`` gives, such as a
    rack."""
    learner_resources: dict[str, PositiveFloat] = Field(default_factory=dict)
    """The same of a learner rank's node."""
    colocated: bool = False
    """Engines and learner take turns on the same devices: engines sleep while the learner trains, and its
    parameters, gradients and optimizer states lie in host memory while engines sample."""
    engines_apart: NonNegativeInt = 0
    """``colocated``: so many of ``rollout.num_engines`` have devices of their own, and sample on while the
    learner trains."""
    sleep_level: Literal[1, 2] = 1
    """How engines sleep while the learner has the device (vLLM's levels): 1 keeps their weights in host
    memory, 2 keeps none, and the next push brings them."""
    strategy: Literal["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"] = "PACK"
    """Ray placement strategy of the bundles."""
    nodes: PositiveInt = 1
    """Machines of ``cluster=multinode``."""
    learner_nodes: PositiveInt = 1
    """Nodes that the learner ranks are split over, packed within each."""
    elastic: bool = False
    """``cluster=multinode``: the engines follow the nodes. A node that joins gets as many as the fullest one
    had at the start, where there is room; those of a node that leaves or is drained are not started
    elsewhere."""
    object_store_mib: PositiveInt = 512
    """Size of the local Ray's object store."""
    price_per_gpu_hour: NonNegativeFloat | None = None
    """Price of one GPU for an hour, in whatever currency; ``cost/money`` is in it. None = no money is
    counted."""
    env: dict[str, str] = Field(default_factory=dict)
    """Environment variables of every engine and learner process, on any node: ``NCCL_SOCKET_IFNAME``,
    ``HF_HOME``, ``VLLM_*``. The value of one that is named like a secret is written to no file."""

    @field_serializer("env", when_used="json")
    def _env_to_write(self, env: dict[str, str]) -> dict[str, str]:
        return without_secrets(env)

    @property
    def unread(self) -> frozenset[str]:
        """Without GPUs none are shared out; one machine has no nodes to divide."""
        on_gpu = ("gpus_per_engine", "gpus_per_learner", "price_per_gpu_hour", "colocated")
        gpus = on_gpu if self.name == "local" else ()
        level = () if self.colocated else ("sleep_level", "engines_apart")
        nodes = () if self.name == "multinode" else ("nodes", "learner_nodes", "elastic", "strategy")
        return frozenset((*gpus, *level, *nodes))
