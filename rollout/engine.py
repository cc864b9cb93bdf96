"""The engine protocol: what the rollout worker needs from an inference server, whichever vLLM class is behind
it."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from rollout.streaming import StreamRequest, TokenDelta
from rollout.types import Completion, GroupRequest
from rollout.user_code import load_attribute

ENGINES: dict[str, str] = {
    "inprocess": "rollout.vllm_inprocess:InProcessEngine",
    "async": "rollout.vllm_async:AsyncEngine",
}
"""Backend name -> ``module:class``, imported when built, so that naming an engine costs no vLLM import."""

TRANSPORTS = ("shm", "nccl", "ipc")
"""Ways into an engine. What travels by ``object`` is a file of its node before an engine sees it."""


NO_GROUP = -1
"""An id that no group has: for asking what all groups together have sampled."""


class EngineDead(RuntimeError):
    """The engine is gone and will not come back: replace it, push the current weights, re-issue its
    requests."""


class EngineFailed(EngineDead):
    """The engine raised. If it had served nothing before, the next one would raise the same."""


class WeightUpdateRefused(RuntimeError):
    """A push that failed its checks. Nothing was loaded: the old weights serve on under the old version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """Settings of one engine. Temperature, top-p and lengths of a request are in its ``SamplingConfig``."""

    model: str
    """Directory of a Hugging Face checkpoint (config, safetensors, tokenizer)."""
    backend: str = "inprocess"
    """A key of ``ENGINES``, or ``pkg.module:Class`` from outside."""
    tensor_parallel: int = 1
    dtype: str = "float32"
    device: str = "cpu"
    """``cpu`` | ``cuda``."""
    max_model_len: int = 128
    """Prompt plus completion, tokens."""
    stop: tuple[str, ...] = ()
    """Texts that end a completion; the tokens that make them stay in it."""
    stop_token_ids: tuple[int, ...] = ()
    """Tokens that end a completion, beside the model's end tokens (those of generation_config.json
    included)."""
    max_num_seqs: int = 512
    """Sequences stepped together; the rest wait inside the engine."""
    max_batched_tokens: int | None = None
    """Tokens of one engine step, prefills included; None = 16384 on a GPU, 8192 on a CPU, and never less than
    ``max_model_len``."""
    kv_cache_mib: int = 256
    """CPU only; on GPUs see ``gpu_memory_utilization``."""
    gpu_memory_utilization: float = 0.85
    block_size: int = 32
    """Tokens of one KV block; the CPU kernels want a multiple of 32."""
    cache_watermark: float = 0.0
    """Share of the blocks that stay free when a waiting sequence is taken in."""
    prefix_cache: bool = True
    kv_after_update: str = "clear"
    """``clear`` recomputes the KV of sequences in flight under new weights; ``keep`` goes on with the old KV,
    an approximation."""
    weight_transfer: str = "shm"
    """A member of ``TRANSPORTS``; nccl and ipc are vLLM's own, need GPUs, and have not been run on
    hardware."""
    sleeps: bool = False
    """It will be asked to ``sleep``: on a GPU its memory then comes from vLLM's allocator that can give it
    back."""
    fixed_weights: bool = False
    """The weights stay as they are loaded: no push is taken, and on a CPU they are packed for oneDNN."""
    lora_rank: int = 0
    """Above 0 the engine serves ``model`` plus one adapter of at most this rank, and takes adapters instead
    of whole weights."""
    lora_modules: tuple[str, ...] = ()
    """Last names of the modules that adapters touch; empty = every linear layer but the head."""
    num_threads: int = 1
    """Torch threads, CPU only."""
    cores: tuple[int, ...] | None = None
    """CPU cores to pin the process and its children to; None leaves it to the kernel."""
    engine_args: Mapping[str, Any] = field(default_factory=dict)
    """More fields of vLLM's ``AsyncEngineArgs``, passed on as they are (``rollout.engine_args``)."""
    trust_remote_code: bool = False
    """The code that comes with the model may run."""
    seed: int = 0
    """Seed of the engine itself; every rollout has a seed of its own."""
    initial_version: int = 0
    """Policy version of the checkpoint under ``model``."""
    hang_timeout_s: float = 120.0
    """One engine step (or weight load) longer than this makes ``check_health`` raise."""

    def __post_init__(self) -> None:
        if self.device not in ("cpu", "cuda"):
            raise ValueError(f"device: {self.device!r} is unknown; use cpu or cuda")
        if self.kv_after_update not in ("clear", "keep"):
            raise ValueError(f"kv_after_update: {self.kv_after_update!r} is unknown; use clear or keep")
        if self.weight_transfer not in TRANSPORTS:
            raise ValueError(
                f"weight_transfer: {self.weight_transfer!r} is unknown; use one of {', '.join(TRANSPORTS)}"
            )
        if self.device == "cpu" and self.weight_transfer != "shm":
            raise ValueError(f"weight_transfer: {self.weight_transfer} needs device=cuda; use shm on a CPU")
        if self.lora_rank and self.weight_transfer != "shm":
            raise ValueError(
                f"lora_rank: adapters travel by shm only, not {self.weight_transfer}; push merged weights"
            )
        if self.lora_rank and self.fixed_weights:
            raise ValueError("lora_rank: adapters are pushed, and an engine with fixed_weights takes no push")
        if self.backend == "inprocess" and self.tensor_parallel > 1:
            raise ValueError(
                "tensor_parallel: the inprocess backend is one process; use backend=async to split a model"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """Where one tensor lies in the flat weight buffer."""

    name: str
    """Hugging Face parameter name, e.g. ``model.layers.0.mlp.down_proj.weight``."""
    dtype: str
    """torch dtype name, e.g. ``float32``."""
    shape: tuple[int, ...]
    offset: int
    """Bytes from the start of the buffer, 64-byte aligned."""
    num_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightUpdate:
    """One published set of weights: where the bytes are, what they are, and what they must hash to."""

    version: int
    transport: str
    """``shm`` | ``object`` | ``nccl`` | ``ipc``."""
    path: str
    """Path of the shared-memory file (``shm``; for ``object`` the learner's own, which lies in the run's
    directory)."""
    tensors: tuple[TensorSpec, ...]
    checksum: str
    """xxh3-128 hex of the bytes sent; the receiver hashes what it read before it loads it. Empty
    for nccl and ipc."""
    adapter: bool = False
    """The tensors are an adapter's (``rollout.weight_adapter``), for an engine with ``lora_rank``; ``shm``
    and ``object`` only."""
    parts: tuple[Any, ...] = ()
    """Ray's references of the file's parts, in order; ``object`` only. They live as long as somebody holds
    this, and as the learner's process does."""
    changes: tuple[Any, ...] = ()
    """The same for a node that holds the publication before: of each part what changed since
    (``rollout.weight_changes``), or the part itself where that is shorter. Empty if that is not known."""
    since: str = ""
    """Checksum of the publication before; with ``changes`` only."""
    changed_bytes: int = 0
    """Size of ``changes``: what such a node fetches."""
    backend_info: Mapping[str, Any] = field(default_factory=dict)
    """Extra keys of vLLM's own update info, e.g. ``ipc_handles``; empty for ``shm``."""


class InferenceEngine(Protocol):
    """A vLLM engine. Methods may be called from any event loop: Ray gives each concurrency group of an actor
    its own.

    Once the engine is dead every method but ``stop`` raises ``EngineDead``, and so do the calls that were
    waiting.
    """

    def preload(self) -> None:
        """Import what ``start`` needs."""
        ...

    @property
    def policy_version(self) -> int:
        """Version of the weights that sample now."""
        ...

    async def start(self) -> None:
        """Load the model; ready to generate when it returns."""
        ...

    async def generate(self, request: GroupRequest) -> list[Completion]:
        """[G] completions, in seed order. Survives weight updates: spans then hold several versions.

        Temperature 0 is greedy; its log-probs are those of the temperature-1 distribution. ValueError (of
        this call only) on a prompt or sampling config that the engine cannot serve.
        """
        ...

    def stream(self, request: StreamRequest) -> AsyncGenerator[list[TokenDelta], None]:
        """The same tokens as they are sampled, those of several steps or sequences together where the caller
        is slower than the engine. Whoever stops early closes the iterator, and the group is dropped.

        ValueError as ``generate``; asyncio.CancelledError after ``abort``.
        """
        ...

    async def update_weights(self, update: WeightUpdate) -> None:
        """Verify the checksum, pause between steps, load, label, clear the KV and prefix caches, resume.

        ``WeightUpdateRefused`` if a check failed: old weights, old version. A failure after the checks kills
        the engine, because half-loaded weights must not serve.
        """
        ...

    async def sleep(self, level: int) -> None:
        """Leave the device, between two steps: sequences in flight stay and their KV goes; ``level`` 1 keeps
        the weights in host memory, 2 keeps none. Again changes nothing. Until ``wake`` nothing is sampled;
        requests wait.

        On a CPU vLLM's scheduler pauses and no memory moves; at level 2 the weights are spoilt, so that an
        engine that would go on without new ones is noticed.
        """
        ...

    async def wake(self, update: WeightUpdate | None) -> None:
        """Be on the device again and go on, with the weights of ``update``; None = those it slept with, which
        level 2 does not have. Raises as ``update_weights``, but any failure kills the engine."""
        ...

    async def score(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        """Log-probs of tokens 1..T-1 of each sequence at temperature 1, for the probe that compares engine
        and learner."""
        ...

    async def leave_weight_transfer(self) -> None:
        """Leave what ``init_weight_transfer`` joined; it may be called again afterwards."""
        ...

    async def init_weight_transfer(self, init_info: Mapping[str, Any]) -> None:
        """Rendezvous with the trainer, for nccl (address, port, ranks) and ipc; ``shm`` needs none."""
        ...

    async def abort(self, group_ids: Sequence[int]) -> None:
        """Drop these groups; their ``generate`` calls raise asyncio.CancelledError."""
        ...

    async def progress(self, group_id: int) -> tuple[int, int]:
        """Tokens sampled so far: (of this group, of everything since the start). A group that it does not
        know has 0.

        Only changes mean something. A group whose count stays 0 while the other one changes waits for its
        turn.
        """
        ...

    async def check_health(self) -> None:
        """Raise if the engine cannot serve."""
        ...

    async def stats(self) -> dict[str, float]:
        """Counters since the start: ``busy_s``, ``generated_tokens``. Gauges: ``running_seqs``,
        ``waiting_seqs``, ``kv_usage``."""
        ...

    async def stop(self) -> None:
        """Free everything; idempotent. Calls still waiting raise ``EngineDead``."""
        ...


def build_engine(config: EngineConfig) -> InferenceEngine:
    """The engine that ``config.backend`` names, not started. ValueError if there is none of that name."""
    target = ENGINES.get(config.backend, config.backend)
    if ":" not in target:
        raise ValueError(
            f"backend: {config.backend!r} is unknown; use one of {', '.join(ENGINES)}, or pkg.module:Class"
        )
    engine: InferenceEngine = load_attribute(target)(config)
    return engine
