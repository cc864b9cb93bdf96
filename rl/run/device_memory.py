"""Memory of a device that an engine and a learner rank share, before anything starts: what lies there in
either half's turn, and the most there ever is. Arithmetic from shapes and settings; no GPU has confirmed
it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rl.config.schema import Config
from rl.learner.memory import learner_bytes, state_parts
from rl.learner.memory import sizes as sizes_of
from rollout.checkpoint_shapes import checkpoint_shapes

CONTEXT = 512 << 20
"""Assumed: what CUDA and its libraries hold for a process that does nothing. Twice on a shared device."""
LAYER_BYTES = 34
"""Activations for each token and hidden unit of a layer, in 16 bits, without attention scores (Korthikanti
et al. 2022, arXiv:2205.05198, section 4.1)."""
DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Residents:
    """Bytes by part, of one device and one of each half."""

    engine: Mapping[str, int]
    """Weights, and the cache with the engine's own activations."""
    learner: Mapping[str, int]
    """Parameters, gradients, optimizer states, further models, activations."""
    in_turns: bool
    """Never both halves at once."""
    keeps_weights: bool
    """A sleeping engine has its weights in host memory."""
    contexts: int
    """Both processes'; always there."""

    @property
    def engines_turn(self) -> int:
        """Bytes on the device while the engine samples."""
        beside = 0 if self.in_turns else sum(self.learner.values())
        return self.contexts + sum(self.engine.values()) + beside

    @property
    def learners_turn(self) -> int:
        """Bytes on the device while the learner trains."""
        beside = 0 if self.in_turns else sum(self.engine.values())
        return self.contexts + sum(self.learner.values()) + beside

    @property
    def peak(self) -> int:
        """The most that is ever on the device."""
        return max(self.engines_turn, self.learners_turn)

    @property
    def on_host(self) -> int:
        """Bytes of host memory that the halves' states take while they are off the device."""
        if not self.in_turns:
            return 0
        state = sum(size for part, size in self.learner.items() if part != "activations")
        return state + (self.engine["weights"] if self.keeps_weights else 0)


def residents(config: Config, base: Path, *, device: int | None) -> Residents:
    """Count what one device holds.

    Args:
        config: The run's.
        base: Its base's directory.
        device: The device's bytes; None where nobody knows, and then the engine's cache, a share of it, is
            left out.
    """
    rollout, cluster, learner = config.rollout, config.cluster, config.learner
    size = sizes_of(checkpoint_shapes(base), learner)
    weights = size.parameters * DTYPE_BYTES[rollout.dtype] // rollout.tensor_parallel
    on_gpu = rollout.device == "cuda"
    if on_gpu:
        cache = 0 if device is None else max(0, int(device * rollout.gpu_memory_utilization) - weights)
    else:
        cache = rollout.kv_cache_mib << 20
    further = {k: v for k, v in learner_bytes(size, learner, config.algorithm).items() if k != "policy"}
    parts = {**state_parts(size, learner), **further, "activations": activation_bytes(config, base)}
    return Residents(
        engine={"weights": weights, "cache": cache},
        learner=parts,
        in_turns=cluster.colocated,
        keeps_weights=cluster.sleep_level == 1,
        contexts=2 * CONTEXT if on_gpu else 0,
    )


def activation_bytes(config: Config, base: Path) -> int:
    """About what a micro-batch's forward pass keeps for the backward pass, logits included; 0 for a model
    whose config names no sizes."""
    shape = json.loads((base / "config.json").read_text(encoding="utf-8"))
    shape = shape.get("text_config", shape)
    hidden, layers, vocabulary = (
        shape.get(key, 0) for key in ("hidden_size", "num_hidden_layers", "vocab_size")
    )
    learner = config.learner
    width = 2 if learner.dtype != "float32" else 4
    tokens = learner.micro_batch_tokens
    layer = LAYER_BYTES * width // 2 * tokens * hidden
    kept = layer + width * tokens * hidden * layers if learner.gradient_checkpointing else layer * layers
    logits = 2 * 4 * min(tokens * vocabulary, learner.logits_per_chunk)
    return int(kept + logits)
