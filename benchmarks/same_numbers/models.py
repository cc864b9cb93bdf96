"""The models that the runs share: quickstart's base, a reward model of random weights."""

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path


def build_base(program: Sequence[str], *, directory: Path) -> Path:
    """Directory of quickstart's base, built by ``program`` (``t2rl``, with what goes before it) or cached.

    Raises:
        RuntimeError: it could not be built.
    """
    command = [*program, "base", "build", "quickstart"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, cwd=directory)
    if done.returncode:
        raise RuntimeError(f"{shlex.join(command)} failed ({done.returncode})")
    return Path(done.stdout.strip().splitlines()[-1])


def build_reward_model(base: Path, path: Path) -> Path:
    """A sequence classifier of a few thousand random weights that reads the base's tokens, in ``path``."""
    if not path.exists():
        import torch
        from transformers import AutoTokenizer, LlamaConfig, LlamaForSequenceClassification

        torch.manual_seed(0)
        tokenizer = AutoTokenizer.from_pretrained(base)
        config = LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            initializer_range=0.5,
            max_position_embeddings=256,
            pad_token_id=tokenizer.pad_token_id,
            num_labels=1,
        )
        staging = path.with_name(path.name + ".partial")
        LlamaForSequenceClassification(config).save_pretrained(staging)
        tokenizer.save_pretrained(staging)
        staging.rename(path)
    return path
