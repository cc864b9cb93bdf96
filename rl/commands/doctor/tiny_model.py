"""A model of random weights that loads in a second, for probes."""

from pathlib import Path

import torch

from rl.config.model import RecipeConfig
from rl.pretrain.export import export
from rl.pretrain.lean import LeanLlama
from rl.pretrain.tokenizer import VOCAB_SIZE


def write_tiny_model(directory: Path) -> Path:
    """A two-layer Llama with the character tokenizer, in transformers' format; written once."""
    if not (directory / "config.json").is_file():
        torch.manual_seed(0)
        recipe = RecipeConfig(
            name="probe", hidden_size=32, num_layers=2, head_dim=32, intermediate_size=64, max_positions=64
        )
        directory.mkdir(parents=True, exist_ok=True)
        export(LeanLlama(recipe, VOCAB_SIZE), recipe, directory, facts={})
    return directory
