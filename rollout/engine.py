"""The engine protocol: what the rollout worker needs from an inference server, whichever vLLM class is behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rollout.types import Completion, GroupRequest


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
    """``shm`` | ``nccl`` | ``ipc``."""
    path: str
    """Of the shared-memory file (``shm`` only)."""
    tensors: tuple[TensorSpec, ...]
    checksum: str
    """xxh3-128 hex of the bytes sent; the receiver hashes what it read before it loads it."""


class InferenceEngine(Protocol):
    """A vLLM engine. All methods are coroutines on the actor's event loop."""

    @property
    def policy_version(self) -> int:
        """Version of the weights that sample now."""
        ...

    async def start(self) -> None:
        """Load the model; ready to generate when it returns."""
        ...

    async def generate(self, request: GroupRequest) -> list[Completion]:
        """[G] completions, in seed order. Survives weight updates: spans then hold several versions."""
        ...

    async def update_weights(self, update: WeightUpdate) -> None:
        """Pause, verify the checksum, load, label, clear the KV and prefix caches, resume. Raises and keeps the old version on failure."""
        ...

    async def score(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        """Log-probs of tokens 1..T-1 of each sequence at temperature 1, for the probe that compares engine and learner."""
        ...

    async def abort(self, group_ids: Sequence[int]) -> None:
        """Drop these groups; their ``generate`` calls raise asyncio.CancelledError."""
        ...

    async def check_health(self) -> None:
        """Raise if the engine cannot serve."""
        ...

    async def stop(self) -> None:
        """Free everything; idempotent."""
        ...
