"""A lean Llama: the arithmetic of transformers' LlamaForCausalLM at about twice the speed on a CPU.

Same names as the exported checkpoint, except that q, k, v and gate, up are fused. Shape letters: B = rows, T
= positions, H = heads, D = head size, C = hidden size, V = vocabulary.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rl.config.model import RecipeConfig

RMS_EPS = 1e-6


class LeanLayer(nn.Module):
    """One decoder layer: attention, then a gated MLP, each behind an RMS norm."""

    def __init__(self, recipe: RecipeConfig) -> None:
        super().__init__()
        hidden, intermediate, attention = (
            recipe.hidden_size,
            recipe.intermediate_size,
            recipe.num_heads * recipe.head_dim,
        )
        self.head_dim = recipe.head_dim
        self.attention_norm = nn.Parameter(torch.ones(hidden))
        self.mlp_norm = nn.Parameter(torch.ones(hidden))
        self.qkv = nn.Linear(hidden, 3 * attention, bias=False)
        self.out = nn.Linear(attention, hidden, bias=False)
        self.gate_up = nn.Linear(hidden, 2 * intermediate, bias=False)
        self.down = nn.Linear(intermediate, hidden, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """[B, T, C] -> [B, T, C]; ``cos``, ``sin`` are [T, D], sin with the sign of the rotation folded
        in."""
        rows, length, hidden = x.shape
        normed = F.rms_norm(x, (hidden,), self.attention_norm, RMS_EPS)
        # each [B, H, T, D]
        q, k, v = self.qkv(normed).view(rows, length, 3, -1, self.head_dim).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(rotate(q, cos, sin), rotate(k, cos, sin), v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(rows, length, -1))
        gate, up = self.gate_up(F.rms_norm(x, (hidden,), self.mlp_norm, RMS_EPS)).chunk(2, dim=-1)
        return x + self.down(F.silu(gate) * up)


class LeanLlama(nn.Module):
    """Right-padded causal language model; padding needs no mask, because nothing looks ahead."""

    cos: Tensor
    sin: Tensor

    def __init__(self, recipe: RecipeConfig, vocab_size: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocab_size, recipe.hidden_size)
        self.layers = nn.ModuleList(LeanLayer(recipe) for _ in range(recipe.num_layers))
        self.norm = nn.Parameter(torch.ones(recipe.hidden_size))
        self.head = None if recipe.tied else nn.Linear(recipe.hidden_size, vocab_size, bias=False)
        cos, sin = rotary_tables(recipe.max_positions, recipe.head_dim, recipe.rope_theta)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self._init_weights(recipe.num_layers)

    def _init_weights(self, num_layers: int) -> None:
        for name, parameter in self.named_parameters():
            if name.startswith(("embed", "head")):
                nn.init.normal_(parameter, std=0.02)
            elif parameter.dim() == 2:
                # Variance-preserving, with the residual branches damped by depth (GPT-2).
                damp = 1 / math.sqrt(2 * num_layers) if name.endswith(("out.weight", "down.weight")) else 1.0
                nn.init.normal_(parameter, std=damp / math.sqrt(parameter.shape[1]))

    def forward(self, token_ids: Tensor) -> Tensor:
        """[B, T] ids -> [B, T, V] logits."""
        length = token_ids.shape[1]
        x = self.embed(token_ids)
        for layer in self.layers:
            x = layer(x, self.cos[:length], self.sin[:length])
        return F.linear(F.rms_norm(x, (x.shape[-1],), self.norm, RMS_EPS), self.output_weight)

    @property
    def output_weight(self) -> Tensor:
        """[V, C] output matrix: the head's, or the embedding's when tied."""
        return self.embed.weight if self.head is None else self.head.weight

    def num_parameters(self) -> int:
        """Trainable parameters, a tied matrix once."""
        return sum(p.numel() for p in self.parameters())


def rotary_tables(max_positions: int, head_dim: int, theta: float) -> tuple[Tensor, Tensor]:
    """([T, D] cos, [T, D] signed sin) of rotary position embeddings (Su et al. 2021), halves layout as in
    transformers."""
    frequencies = 1.0 / theta ** (torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    angles = torch.outer(torch.arange(max_positions, dtype=torch.float32), frequencies)
    return torch.cat([angles.cos(), angles.cos()], -1), torch.cat([-angles.sin(), angles.sin()], -1)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Apply the rotation to [..., T, D]: second half to the front, its sign being in ``sin``."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([second, first], -1) * sin
