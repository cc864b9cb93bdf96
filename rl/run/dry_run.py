"""``t2rl train --dry-run``: all that a run checks and plans before its actors and weights; nothing is done.

Whatever would stop the run stops here with the same words. No directory is left behind.
"""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from rl.cluster.gpus import require_gpus, smallest_device
from rl.cluster.placement import Placement, plan_placement
from rl.config.schema import Config
from rl.learner.memory import learner_bytes, sizes, snapshot_bytes
from rl.pretrain.cache import base_dir
from rl.pretrain.packaged import packaged_dir, packaged_file
from rl.records.phases import Phases
from rl.run.device_memory import DTYPE_BYTES, residents
from rl.run.estimate import estimate
from rl.run.prepare.inputs import Prepared, prepare
from rl.run.prepare.references import References
from rl.run.start import choose_start, room_of
from rollout.checkpoint_shapes import checkpoint_shapes


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One heading of the plan, and what it says."""

    name: str
    rows: tuple[tuple[str, Any], ...]


def dry_run(config: Config, phases: Phases, *, as_json: bool) -> None:
    """Check and plan the run of a config, and print the plan.

    Raises:
        ValueError: whatever a run would refuse before its actors start. That GPUs are missing here is said
            after the plan.
    """
    problem = _missing_gpus(config)
    sections = plan(config, phases)
    if as_json:
        print(json.dumps({_key(one.name): {_key(k): v for k, v in one.rows} for one in sections}))
    else:
        _print(sections)
    if problem is not None:
        raise problem


def _missing_gpus(config: Config) -> ValueError | None:
    """The GPUs that the run needs and this machine lacks do not end the plan: it may be made elsewhere."""
    try:
        require_gpus(config)
    except ValueError as error:
        return error
    return None


def _key(words: str) -> str:
    """``a step`` as ``a_step``."""
    return re.sub(r"\W+", "_", words).strip("_")


def _print(sections: list[Section]) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for section in sections:
        table.add_row(f"[bold]{section.name}[/]")
        for label, value in section.rows:
            table.add_row(f"  {label}", _shown(label, value))
    console = Console(highlight=False)
    console.print(table)
    console.print("nothing was started and nothing written; leave out --dry-run to run it")


def plan(config: Config, phases: Phases) -> list[Section]:
    """The plan, section by section; what needs the base is left out while that is still to be built."""
    with _no_folders_left(Path(config.run.dir)):
        start = choose_start(config)
    run = start.run.path
    begins = 0 if start.checkpoint is None else start.checkpoint.step
    whole = [
        Section(
            name="run", rows=(("directory", str(run)), ("from step", begins), ("to step", config.run.steps))
        ),
        _placement(plan_placement(config)),
        _limits(config),
    ]
    if said := _still_to_make(config):
        return [
            *whole,
            Section(name="base", rows=(("base", said), ("unknown until then", "prompts, memory, disk"))),
        ]
    phases("checking the base and the prompts")
    prepared = prepare(
        config, references=References(previous=run if start.checkpoint else None), gpus_are_here=False
    )
    return [
        *whole,
        _data(prepared),
        _step(config, prepared),
        _memory(config, prepared.model_path),
        *_shared_device(config, prepared.model_path),
        _disk(config, prepared.model_path),
        *([Section(name="estimate", rows=rows)] if (rows := estimate(config)) else []),
        *(
            [Section(name="notes", rows=tuple((str(n), note) for n, note in enumerate(prepared.notes, 1)))]
            if prepared.notes
            else []
        ),
    ]


def _still_to_make(config: Config) -> str:
    """How a base that is not in the cache yet would be made; empty if there is nothing to make."""
    model = config.model
    if model.kind == "recipe" and not base_dir(model.recipe).is_dir():
        return f"would be built first, from {model.recipe.tokens:,} tokens (t2rl base build)"
    if model.kind == "package" and not packaged_dir(model).is_dir():
        return f"would be converted first, from {packaged_file(model)}"
    return ""


def _placement(placement: Placement) -> Section:
    rows = [
        (f"group {group.name} ({group.strategy})", [bundle.resources for bundle in group.bundles])
        for group in placement.groups
    ]
    seats = (("engines", len(placement.engines)), ("learner ranks", len(placement.learners)))
    return Section(name="placement", rows=(*seats, *rows, ("in total", placement.totals)))


def _limits(config: Config) -> Section:
    run, stream = config.run, config.stream
    asked = (("sampled tokens", run.rollout_token_budget), ("seconds of training", run.wall_clock_s))
    waits = ("start_timeout_s", "group_timeout_s", "step_timeout_s", "sync_timeout_s")
    return Section(
        name="limits",
        rows=(
            ("steps", run.steps),
            *((name, value) for name, value in asked if value is not None),
            *((f"stream.{name}", getattr(stream, name)) for name in waits),
            ("verifiers.timeout_s", config.verifiers.timeout_s),
        ),
    )


def _data(prepared: Prepared) -> Section:
    references = {key: value for key, value in prepared.references.metrics().items() if value}
    return Section(
        name="data",
        rows=(
            ("train prompts", len(prepared.train_prompts)),
            ("held-out prompts", len(prepared.eval_prompts)),
            ("reward", prepared.task.reward_name),
            *references.items(),
        ),
    )


def _step(config: Config, prepared: Prepared) -> Section:
    stream = config.stream
    rollouts = stream.prompts_per_step * stream.rollouts_per_prompt
    mean = float(np.mean([len(prompt.token_ids) for prompt in prepared.train_prompts]))
    return Section(
        name="a step",
        rows=(
            ("prompts", stream.prompts_per_step),
            ("rollouts", rollouts),
            ("prompt tokens, mean of one", round(mean, 1)),
            ("sampled tokens at most", rollouts * config.rollout.max_tokens),
            ("trained tokens at most", round(rollouts * (mean + config.rollout.max_tokens))),
            ("steps of an epoch", round(len(prepared.train_prompts) / stream.prompts_per_step, 1)),
        ),
    )


def _memory(config: Config, base: Path) -> Section:
    """Bytes of weights, optimizer and cache for one device; activations come on top."""
    size, rollout = sizes(checkpoint_shapes(base), config.learner), config.rollout
    parts = learner_bytes(size, config.learner, config.algorithm)
    weights = size.parameters * DTYPE_BYTES[rollout.dtype] // rollout.tensor_parallel
    cache: tuple[str, Any] = (
        ("engine: KV cache bytes", rollout.kv_cache_mib << 20)
        if rollout.device == "cpu"
        else ("engine: share of the GPU, cache included", rollout.gpu_memory_utilization)
    )
    copied = snapshot_bytes(size, config.learner, config.algorithm) if config.checkpoint.background else 0
    where = "of the host's memory" if config.learner.device == "cpu" else "of one GPU"
    return Section(
        name="memory",
        rows=(
            ("parameters of the base", size.parameters),
            ("engine: weight bytes", weights),
            cache,
            *((f"learner rank: {name} bytes, {where}", count) for name, count in parts.items()),
            ("learner rank: bytes of the copy that a checkpoint is written from", copied),
            ("object store bytes", config.cluster.object_store_mib << 20),
        ),
    )


def _shared_device(config: Config, base: Path) -> list[Section]:
    """Bytes on the one device in either half's turn; nothing where halves have devices of their own."""
    if not config.cluster.colocated and config.cluster.name != "gpu1":
        return []
    on_gpu = config.rollout.device == "cuda"
    device = smallest_device() if on_gpu else psutil.virtual_memory().total
    found = residents(config, base, device=device)
    parts: list[tuple[str, Any]] = [(f"engine: {name} bytes", size) for name, size in found.engine.items()]
    parts += [(f"learner: {name} bytes, about", size) for name, size in found.learner.items()]
    if device is None:
        parts[1] = (parts[1][0], f"unknown here: {config.rollout.gpu_memory_utilization:.0%} of the GPU")
    room: tuple[tuple[str, Any], ...] = (("device bytes", "unknown here"),)
    if device is not None:
        fits = "yes" if found.peak <= device else f"no: {(found.peak - device) / 1e9:.1f} GB too much"
        room = (("device bytes", device), ("fits", fits))
    rows = (
        ("halves", "in turns" if found.in_turns else "both at once, with a share each"),
        *parts,
        ("both processes: CUDA's own bytes, assumed", found.contexts),
        ("in the engines' turn, bytes", found.engines_turn),
        ("in the learner's turn, bytes", found.learners_turn),
        ("peak bytes", found.peak),
        *room,
        ("host bytes of what is off the device", found.on_host),
    )
    return [Section(name="shared device" if on_gpu else "shared device (this machine's memory)", rows=rows)]


def _disk(config: Config, base: Path) -> Section:
    room = room_of(config, base)
    target = Path(config.run.dir).absolute()
    folder = next(path for path in (target, *target.parents) if path.exists())
    return Section(
        name="disk",
        rows=(
            ("a checkpoint's bytes", room.checkpoint),
            ("checkpoints at once", room.checkpoints),
            ("model bytes", room.model),
            ("bytes of rollouts at most", room.rollouts),
            ("free bytes", shutil.disk_usage(folder).free),
        ),
    )


def _shown(label: str, value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_shown(label, item) for item in value)
    if isinstance(value, dict):
        return " ".join(f"{number:g} {name}" for name, number in value.items())
    if "bytes" in label and isinstance(value, int):
        return f"{value / 1e9:.2f} GB" if value >= 1e8 else f"{value / 1e6:.2f} MB"
    return f"{value:,}" if isinstance(value, int) else str(value)


@contextmanager
def _no_folders_left(folder: Path) -> Iterator[None]:
    """Take away at the end what the block made of ``folder`` and of the folders above it."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    yield
    for path in missing:
        if path.is_dir():
            path.rmdir()
