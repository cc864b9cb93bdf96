"""One trunk at a constant learning rate for each size, with a decaying branch for each cell: 1.05 times the
cost of the longest.

A cell of D tokens is the trunk's first (1 - decay share) D tokens, then a branch on the data that follows.
Weights are a pure function of the ladder; a killed run goes on from its last save and ends with the same
ones.
"""

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from rl.config.model import RecipeConfig
from rl.ladder.ladder import Cell, LadderConfig
from rl.ladder.layout import LadderDir
from rl.ladder.stream import batches_from
from rl.pretrain.export import export
from rl.pretrain.lean import LeanLlama
from rl.pretrain.pretrain import LOSS_DECAY, SAVE_EVERY_S, make_optimizers, update
from rl.pretrain.tokenizer import VOCAB_SIZE

Report = Callable[["Position"], None]


@dataclass(slots=True)
class Position:
    """How far one size has come."""

    tokens: int = 0
    """Tokens on the path that leads here: as many as the weights have seen."""
    steps: int = 0
    block: int = 0
    batch: int = 0
    loss: float = 0.0
    """Exponential mean of the training loss, nats per solution token."""
    seconds: float = 0.0
    """Wall-clock of the path."""


@dataclass(slots=True)
class Learner:
    """Weights, optimizers and position of one path."""

    recipe: RecipeConfig
    model: LeanLlama
    optimizers: list[torch.optim.Optimizer]
    at: Position

    @classmethod
    def fresh(cls, recipe: RecipeConfig) -> "Learner":
        """Initial weights, fixed by the recipe's seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            model = LeanLlama(recipe, VOCAB_SIZE)
        return cls(recipe, model, make_optimizers(model, recipe), Position())

    def save(self, path: Path) -> None:
        """Atomic: a kill in the middle leaves the previous one."""
        content = {
            "model": self.model.state_dict(),
            "optimizers": [o.state_dict() for o in self.optimizers],
            "position": asdict(self.at),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(".writing")
        torch.save(content, scratch)
        scratch.replace(path)

    @classmethod
    def load(cls, recipe: RecipeConfig, path: Path) -> "Learner":
        """Read what ``save`` wrote."""
        learner = cls.fresh(recipe)
        content: dict[str, Any] = torch.load(path, weights_only=True)
        learner.model.load_state_dict(content["model"])
        for optimizer, saved in zip(learner.optimizers, content["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        learner.at = Position(**content["position"])
        return learner


def train_size(
    ladder: LadderConfig, size: str, directory: LadderDir, *, report: Report, stop: threading.Event
) -> bool:
    """Train every cell of one size that is not there yet; False if ``stop`` was set meanwhile (what was done
    is saved)."""
    torch.set_num_threads(1)
    recipe = ladder.recipe(size)
    saved = directory.trunk(size)
    trunk = Learner.load(recipe, saved) if saved.exists() else Learner.fresh(recipe)
    unique = ladder.unique_tokens
    for cell in sorted((c for c in ladder.cells() if c.size == size), key=lambda c: c.tokens):
        if directory.has_cell(cell.name):
            continue
        fork = round((1 - ladder.decay_share) * cell.tokens)
        if not directory.branch(cell.name).exists():
            # The cell was removed after the trunk had passed it.
            if trunk.at.tokens > fork + recipe.batch_tokens:
                trunk = Learner.fresh(recipe)
            if trunk.at.tokens < fork and not _advance(
                trunk, fork, saved, report=report, stop=stop, unique_tokens=unique
            ):
                return False
            trunk.save(directory.branch(cell.name))
        if not _finish_cell(cell, recipe, fork, directory, report=report, stop=stop, unique_tokens=unique):
            return False
    return True


def _finish_cell(
    cell: Cell,
    recipe: RecipeConfig,
    fork: int,
    directory: LadderDir,
    *,
    report: Report,
    stop: threading.Event,
    unique_tokens: int | None,
) -> bool:
    """Take the branch of a cell to its end, and export it."""
    saved = directory.branch(cell.name)
    branch = Learner.load(recipe, saved)
    if not _advance(
        branch,
        cell.tokens,
        saved,
        report=report,
        stop=stop,
        unique_tokens=unique_tokens,
        decay_from=fork,
    ):
        return False
    _export(cell, branch, directory)
    saved.unlink()
    return True


def _advance(
    learner: Learner,
    until: int,
    save_to: Path,
    *,
    report: Report,
    stop: threading.Event,
    unique_tokens: int | None,
    decay_from: int | None = None,
) -> bool:
    """Train up to ``until`` tokens, decaying from ``decay_from`` on if given; saves now and then, and at the
    end."""
    at, recipe = learner.at, learner.recipe
    started = saved = time.monotonic()
    before = at.seconds
    stream = batches_from(
        recipe.corpus, at.block, at.batch, batch_tokens=recipe.batch_tokens, unique_tokens=unique_tokens
    )
    while at.tokens < until and not stop.is_set():
        (after_block, after_batch), docs = next(stream)
        loss = update(
            learner.model,
            learner.optimizers,
            docs,
            lr_factor(at, recipe, until=until, decay_from=decay_from),
            recipe,
        )
        at.loss = loss if at.steps == 0 else LOSS_DECAY * at.loss + (1 - LOSS_DECAY) * loss
        at.steps += 1
        at.tokens += sum(d.num_tokens for d in docs)
        at.block, at.batch = after_block, after_batch
        now = time.monotonic()
        at.seconds = before + now - started
        if now - saved > SAVE_EVERY_S:
            learner.save(save_to)
            saved = now
        report(at)
    learner.save(save_to)
    return at.tokens >= until


def lr_factor(at: Position, recipe: RecipeConfig, *, until: int, decay_from: int | None) -> float:
    """Warm-up over the first steps, then 1; on a branch, linear in tokens from 1 down to ``min_lr_ratio``."""
    warmup = min(1.0, (at.steps + 1) / max(1, recipe.warmup_steps))
    if decay_from is None:
        return warmup
    left = (until - at.tokens) / max(1, until - decay_from)
    return warmup * min(1.0, max(recipe.min_lr_ratio, left))


def _export(cell: Cell, learner: Learner, directory: LadderDir) -> None:
    """Model and facts in one rename, so that a cell is there whole or not at all."""
    target = directory.cell(cell.name)
    scratch = target.with_name(target.name + ".partial")
    shutil.rmtree(scratch, ignore_errors=True)
    facts = {**directory.facts(cell), **asdict(learner.at)}
    export(learner.model, learner.recipe, scratch / "model", facts=facts)
    directory.write_json(scratch / "cell.json", facts)
    scratch.rename(target)
