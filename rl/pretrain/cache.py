"""Bases by the hash of their recipe: built once, found ever after, safe for several processes at once."""

import fcntl
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from rl.config.model import RecipeConfig
from rl.pretrain.corpus import documents

log = logging.getLogger(__name__)

RECIPE_VERSION = 2
"""Raise when code that shapes the weights changes (model, optimizer, batching). Changes of the corpus show by
themselves."""
FINGERPRINT_DOCUMENTS = 500


def recipe_hash(recipe: RecipeConfig) -> str:
    """12 hex digits over every field of the recipe, ``RECIPE_VERSION``, and the first documents of the
    corpus."""
    # The documents stand for the code behind them: cells, splits, notation, mistakes.
    head = [(d.prompt, d.solution) for d in islice(documents(recipe.corpus), FINGERPRINT_DOCUMENTS)]
    content = {"version": RECIPE_VERSION, "recipe": recipe.model_dump(mode="json"), "documents": head}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def cache_dir() -> Path:
    """``$T2RL_CACHE/bases``, by default under the user's cache directory."""
    root = os.environ.get("T2RL_CACHE")
    return (Path(root) if root else Path.home() / ".cache" / "t2rl") / "bases"


def base_dir(recipe: RecipeConfig) -> Path:
    """Where the base of this recipe is, or will be."""
    return cache_dir() / f"{recipe.name}-{recipe_hash(recipe)}"


def build_base(recipe: RecipeConfig, *, progress: bool = True) -> Path:
    """Directory of the base in transformers format (safetensors, tokenizer, ``recipe.json``), built if it is
    not cached.

    An interrupted build goes on where it stopped. A second process that asks for the same base waits for the
    first.
    """
    target = base_dir(recipe)
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(target.with_name(target.name + ".lock")):
        if not target.exists():
            _build(recipe, target, progress=progress)
    return target


def _build(recipe: RecipeConfig, target: Path, *, progress: bool) -> None:
    from rl.pretrain.export import export
    from rl.pretrain.pretrain import pretrain

    work = target.with_name(target.name + ".partial")
    work.mkdir(exist_ok=True)
    model, state = pretrain(recipe, checkpoint=work / "pretrain.pt", progress=progress)
    finished = work / "export"
    shutil.rmtree(finished, ignore_errors=True)
    facts = {
        "num_parameters": model.num_parameters(),
        "steps": state.step,
        "final_loss": round(state.loss, 4),
        "seconds": round(state.seconds, 1),
    }
    export(model, recipe, finished, facts=facts)
    finished.rename(target)
    shutil.rmtree(work)
    log.info("built base %s: %s", target.name, facts)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Exclusive between processes; released by the kernel when its holder dies."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
