"""``t2rl bases build``: every cell of a ladder, one process for each size at a time."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from rl.ladder.ladder import LadderConfig
from rl.ladder.layout import LadderDir
from rl.records.milestones import Milestones
from rl.records.terminal import draws_over, progress_console

Show = Callable[[str, dict[str, Any]], None]


def build(
    ladder: LadderConfig, path: Path, *, jobs: int | None = None, progress: bool = True
) -> list[dict[str, Any]]:
    """Train what is missing; facts of every cell, in order of compute.

    Args:
        ladder: which cells.
        path: where they go; what is there already is kept.
        jobs: sizes trained at once, one core each; None = as many as there are cores. 1 stays in this
            process, without Ray.
        progress: show a bar on standard error.

    Raises:
        ConfigError: the directory is another ladder's, or another process works there.
        KeyboardInterrupt: interrupted; the same call goes on from there.
    """
    directory = LadderDir(path)
    with directory.locked("build"):
        directory.adopt(ladder)
        sizes = [
            s
            for s in ladder.sizes
            if any(c.size == s and not directory.has_cell(c.name) for c in ladder.cells())
        ]
        workers = min(jobs or os.cpu_count() or 1, len(sizes))
        if sizes:
            with _bars(ladder, sizes, disable=not progress) as show:
                _train(ladder, sizes, directory, workers, show)
    return [read_cell(directory, c.name) for c in ladder.cells()]


def _train(ladder: LadderConfig, sizes: list[str], directory: LadderDir, workers: int, show: Show) -> None:
    if workers > 1:
        from rl.ladder.parallel import train_on_ray

        train_on_ray(ladder, sizes, directory, workers=workers, show=show)
        return
    from rl.ladder.trunk import Position, train_size
    from rl.pretrain.pretrain import deferred_interrupt

    with deferred_interrupt() as stop:
        for size in sizes:

            def report(at: Position, size: str = size) -> None:
                show(size, asdict(at))

            if not train_size(ladder, size, directory, report=report, stop=stop):
                raise KeyboardInterrupt(
                    f"what was trained is kept in {directory.path}; the same command goes on from there"
                )


@contextmanager
def _bars(ladder: LadderConfig, sizes: list[str], *, disable: bool) -> Iterator[Show]:
    """One bar for each size, in tokens of its trunk; lines at every tenth where standard error is no
    terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[status]}"),
        TimeRemainingColumn(),
    )
    console, lines = progress_console(), Milestones()
    hidden = disable or not draws_over(console)
    with Progress(*columns, disable=hidden, console=console) as bar:
        tasks: dict[str, TaskID] = {
            s: bar.add_task(s, total=ladder.recipe(s).tokens, status="") for s in sizes
        }

        def show(size: str, at: dict[str, Any]) -> None:
            status = f"{at['tokens'] / 1e6:.2f}M tokens  loss {at['loss']:.3f}"
            bar.update(tasks[size], completed=at["tokens"], status=status)
            if hidden and not disable:
                lines.show(size, at["tokens"], ladder.recipe(size).tokens, status)

        yield show


def read_cell(directory: LadderDir, name: str) -> dict[str, Any]:
    """Facts of a finished cell."""
    import json

    facts: dict[str, Any] = json.loads((directory.cell(name) / "cell.json").read_text(encoding="utf-8"))
    return facts
