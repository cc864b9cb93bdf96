"""Settings that a vLLM engine needs at its start to serve base + adapter. Imports no vLLM."""

from pathlib import Path

from rollout.checkpoint_shapes import checkpoint_shapes

LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Buffer sizes that vLLM 0.32 offers (``MaxLoRARanks``); a smaller adapter is padded with zeros, which change
nothing."""
NOT_SERVED = frozenset({"embed_tokens", "wte", "lm_head", "embed_out"})
"""Embeddings and heads: an adapted head maps logits to sequences for sampled tokens only, so prompt log-probs
(the probe) would be wrong; and where the two are tied, one adapter would have to serve both."""


def buffer_rank(rank: int) -> int:
    """The smallest of ``LORA_RANKS`` that holds an adapter of ``rank``. ValueError if none does."""
    for size in LORA_RANKS:
        if rank <= size:
            return size
    raise ValueError(
        f"lora_rank: {rank} is over {LORA_RANKS[-1]}, the largest that vLLM serves; push merged weights"
        " instead"
    )


def linear_modules(model: Path) -> list[str]:
    """Sorted last names of all matrices of the checkpoint that are neither embedding nor head: what vLLM may
    wrap.

    ValueError if the checkpoint has no safetensors files to tell from.
    """
    matrices = [
        name
        for name, shape in checkpoint_shapes(model).items()
        if len(shape) == 2 and name.endswith(".weight")
    ]
    found = {name.removesuffix(".weight").rpartition(".")[2] for name in matrices} - NOT_SERVED
    if not found:
        raise ValueError(
            f"model: {model} holds no safetensors with linear layers, so an adapter has no place; push merged"
            " weights"
        )
    return sorted(found)
