"""FLOPs and key-value bytes of a query, for a decoder-only transformer.

See docs/methods/cost.md#flops and docs/methods/cost.md#effective-flops.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """The shape of a model, as far as the arithmetic depends on it."""

    params: float
    """N, without embeddings."""
    layers: int
    attention_width: int
    """Heads x head size: of queries."""
    kv_width: int
    """Key-value heads x head size."""
    width: int = 0
    vocabulary: int = 0
    """0 leaves the output head out."""
    embedding_params: float = 0.0

    @property
    def head_flops(self) -> float:
        """Count the FLOPs of the output head for one token: 2 d V."""
        return 2.0 * self.width * self.vocabulary

    def prefill(self, prompt: float) -> float:
        """FLOPs of a prompt of P tokens: 2NP + 2 l w P^2 for attention, the head for its last token only."""
        return (
            2 * self.params * prompt + self.head_flops + 2.0 * self.layers * self.attention_width * prompt**2
        )

    def decode(self, prompt: float, generated: float) -> float:
        """FLOPs of L tokens of one sample: L (2N + 2dV) + 4 l w (P L + L^2 / 2)."""
        attention = 4.0 * self.layers * self.attention_width * (prompt * generated + generated**2 / 2)
        return generated * (2 * self.params + self.head_flops) + attention

    def query(self, prompt: float, generated: float, k: float, *, shared_prefill: bool = True) -> float:
        """FLOPs of k samples: affine in k, since one prefill serves all of them (k prefills unless
        shared)."""
        return self.prefill(prompt) * (1 if shared_prefill else k) + k * self.decode(prompt, generated)

    def kv_bytes_per_token(self, bytes_per_value: float = 2.0) -> float:
        """Keys and values of one position: 2 l n_kv d_h bytes."""
        return 2.0 * self.layers * self.kv_width * bytes_per_value

    def kv_bytes_peak(self, prompt: float, generated: float, k: float, bytes_per_value: float = 2.0) -> float:
        """k parallel samples on one shared prompt, at their end."""
        return self.kv_bytes_per_token(bytes_per_value) * (prompt + k * generated)

    def weight_bytes(self, bytes_per_weight: float, *, bits: int = 0) -> float:
        """Count the bytes of all weights; with ``bits`` those outside the embedding have so many, the
        embedding keeps ``bytes_per_weight``."""
        inner = bits / 8 if bits else bytes_per_weight
        return self.params * inner + self.embedding_params * bytes_per_weight


def t2_flops(params: float, generated: float, k: float) -> float:
    """Count FLOPs as T² does: 2NLk, without prefill and attention."""
    return 2.0 * params * generated * k


def kinetics_eflops(
    shape: ModelShape, prompt: float, generated: float, k: float, *, intensity: float
) -> float:
    """Effective FLOPs of Kinetics (arXiv 2506.05333; ``cost_model/utils.py`` of its repository): compute plus
    memory traffic times the device's FLOPs per byte, the prompt's keys and values shared by the k samples,
    reads of the weights left out as amortised.

    It counts what T² leaves out, and so pushes against small models sampled often.
    """
    compute = (
        2 * shape.params * generated + 2 * (2 * prompt + generated) * generated * shape.attention_width
    ) * k
    memory = 2 * (2 * prompt + generated * k) * generated * shape.kv_width * intensity
    return compute + memory
