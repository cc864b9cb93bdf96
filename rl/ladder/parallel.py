"""Sizes of a ladder as Ray tasks, one core each; their progress travels through small files."""

import json
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rl.cluster.ray_runtime import start_ray, stop_ray
from rl.config.load import load_config
from rl.ladder.ladder import LadderConfig
from rl.ladder.layout import LadderDir
from rl.ladder.trunk import Position, train_size

POLL_S = 0.5


def train_on_ray(
    ladder: LadderConfig, sizes: list[str], directory: LadderDir, *, workers: int, show: Any
) -> None:
    """Train ``sizes``, at most ``workers`` at a time; a failure of one ends all, and what is saved stays.

    Args:
        ladder: what they belong to.
        sizes: longest first is fastest; they are started in order of their work.
        directory: where they save.
        workers: cores to use.
        show: ``(size, position)`` for the progress bar.
    """
    import ray

    def task(size: str) -> None:
        _work(ladder, size, directory.path.resolve())

    start_ray(load_config("quickstart", [f"cluster.num_cpus={workers}"]))
    try:
        remote = ray.remote(num_cpus=1, max_retries=0)(task)
        order = sorted(sizes, key=lambda s: -sum(c.train_flops for c in ladder.cells() if c.size == s))
        pending = [remote.remote(size) for size in order]
        while pending:
            done, pending = ray.wait(pending, timeout=POLL_S)
            ray.get(done)
            _relay(sizes, directory, show)
    finally:
        stop_ray()


def _work(ladder: LadderConfig, size: str, path: Path) -> None:
    directory = LadderDir(path)
    last = 0.0

    def report(at: Position) -> None:
        nonlocal last
        if time.monotonic() - last > POLL_S:
            last = time.monotonic()
            directory.write_json(directory.progress(size), asdict(at))

    train_size(ladder, size, directory, report=report, stop=threading.Event())


def _relay(sizes: list[str], directory: LadderDir, show: Any) -> None:
    for size in sizes:
        file = directory.progress(size)
        if file.is_file():
            show(size, json.loads(file.read_text(encoding="utf-8")))
