"""Pretraining of a tiny base: deterministic, interruptible, resumable with the same final weights."""

import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from rl.config.model import RecipeConfig
from rl.pretrain.batches import collate, plan_batches
from rl.pretrain.corpus import Document, corpus
from rl.pretrain.lean import LeanLlama
from rl.pretrain.muon import BatchedMuon
from rl.pretrain.tokenizer import VOCAB_SIZE
from rl.records.milestones import Milestones
from rl.records.terminal import draws_over, progress_console

log = logging.getLogger(__name__)

SAVE_EVERY_S = 15.0
LOSS_DECAY = 0.97


@dataclass(slots=True)
class PretrainState:
    """Where pretraining stands, beside model and optimizers."""

    step: int = 0
    loss: float = 0.0
    """Exponential mean of the training loss, nats per solution token."""
    seconds: float = 0.0
    """Wall-clock so far, over all attempts."""


def make_optimizers(model: LeanLlama, recipe: RecipeConfig) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for embeddings, head and norms."""
    named = list(model.named_parameters())
    inner = [p for n, p in named if n.startswith("layers") and p.dim() == 2]
    outer = [p for n, p in named if not (n.startswith("layers") and p.dim() == 2)]
    return [
        BatchedMuon(inner, lr=recipe.muon_lr, weight_decay=recipe.muon_weight_decay),
        torch.optim.AdamW(outer, lr=recipe.lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]


def lr_factor(step: int, total: int, recipe: RecipeConfig) -> float:
    """Warm-up, constant, then linear decay over the last ``decay_share`` of the steps."""
    warmup = min(1.0, (step + 1) / max(1, recipe.warmup_steps))
    decay = (1 - step / total) / recipe.decay_share
    return warmup * min(1.0, max(recipe.min_lr_ratio, decay))


def pretrain(
    recipe: RecipeConfig, *, checkpoint: Path, progress: bool = True
) -> tuple[LeanLlama, PretrainState]:
    """Train from ``checkpoint`` if it exists, else from scratch; Ctrl-C saves there and raises
    ``KeyboardInterrupt``."""
    threads = torch.get_num_threads()
    torch.set_num_threads(recipe.num_threads)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = LeanLlama(recipe, VOCAB_SIZE)
    optimizers = make_optimizers(model, recipe)
    state = PretrainState()
    if checkpoint.exists():
        state = load_checkpoint(checkpoint, model, optimizers)
        log.info("resuming pretraining of %s at step %d", recipe.name, state.step)
    docs = corpus(recipe.corpus, tokens=recipe.tokens)
    plan = plan_batches(docs, batch_tokens=recipe.batch_tokens, seed=recipe.seed)
    batches = [[docs[i] for i in batch] for batch in plan]
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[status]}"),
        TimeRemainingColumn(),
    )
    console, lines, name = progress_console(), Milestones(), f"pretraining {recipe.name}"
    hidden = not progress or not draws_over(console)
    try:
        with deferred_interrupt() as interrupted, Progress(*columns, disable=hidden, console=console) as bar:
            task = bar.add_task(name, total=len(batches), completed=state.step, status="")
            for _ in _steps(model, optimizers, batches, state, recipe, checkpoint):
                bar.update(task, completed=state.step, status=f"loss {state.loss:.3f}")
                if progress and hidden:
                    lines.show(name, state.step, len(batches), f"loss {state.loss:.3f}")
                if interrupted.is_set():
                    save_checkpoint(checkpoint, model, optimizers, state)
                    raise KeyboardInterrupt
    finally:
        torch.set_num_threads(threads)
    return model, state


@contextmanager
def deferred_interrupt() -> Iterator[threading.Event]:
    """Ctrl-C sets the event instead of raising in the middle of a step, where half of the weights are already
    updated."""
    event = threading.Event()
    # Python lets no other thread handle signals.
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    previous = signal.signal(signal.SIGINT, lambda *_: event.set())
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, previous)


def _steps(
    model: LeanLlama,
    optimizers: list[torch.optim.Optimizer],
    batches: list[list[Document]],
    state: PretrainState,
    recipe: RecipeConfig,
    checkpoint: Path,
) -> Iterator[None]:
    """Take the remaining steps, updating ``state`` and saving now and then, yielding after each."""
    saved = resumed = time.monotonic()
    before = state.seconds
    while state.step < len(batches):
        loss = train_step(model, optimizers, batches[state.step], state.step, len(batches), recipe)
        state.loss = loss if state.step == 0 else LOSS_DECAY * state.loss + (1 - LOSS_DECAY) * loss
        state.step += 1
        state.seconds = before + time.monotonic() - resumed
        if time.monotonic() - saved > SAVE_EVERY_S:
            save_checkpoint(checkpoint, model, optimizers, state)
            saved = time.monotonic()
        yield


def train_step(
    model: LeanLlama,
    optimizers: list[torch.optim.Optimizer],
    docs: list[Document],
    step: int,
    total: int,
    recipe: RecipeConfig,
) -> float:
    """One optimizer step on the solution tokens of ``docs``; returns the mean loss in nats."""
    return update(model, optimizers, docs, lr_factor(step, total, recipe), recipe)


def update(
    model: LeanLlama,
    optimizers: list[torch.optim.Optimizer],
    docs: list[Document],
    factor: float,
    recipe: RecipeConfig,
) -> float:
    """The same with the learning rates at ``factor`` of the recipe's."""
    for optimizer, lr in zip(optimizers, (recipe.muon_lr, recipe.lr), strict=True):
        for group in optimizer.param_groups:
            group["lr"] = lr * factor
    ids, targets = collate(docs)
    loss = F.cross_entropy(model(ids).flatten(0, 1), targets.flatten(), ignore_index=-100)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.grad_clip)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()
    return loss.item()


def save_checkpoint(
    path: Path, model: LeanLlama, optimizers: list[torch.optim.Optimizer], state: PretrainState
) -> None:
    """Atomic: a kill in the middle leaves the previous one."""
    content = {
        "model": model.state_dict(),
        "optimizers": [o.state_dict() for o in optimizers],
        "state": {"step": state.step, "loss": state.loss, "seconds": state.seconds},
    }
    scratch = path.with_suffix(".writing")
    torch.save(content, scratch)
    scratch.replace(path)


def load_checkpoint(path: Path, model: LeanLlama, optimizers: list[torch.optim.Optimizer]) -> PretrainState:
    """Restore in place."""
    content = torch.load(path, weights_only=True)
    model.load_state_dict(content["model"])
    for optimizer, saved in zip(optimizers, content["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return PretrainState(**content["state"])
