"""Files that actors on other nodes read and write, looked for there before anything is loaded.

Engines and learner ranks load the base from the path that the driver knows, and ranks write checkpoints and
the trained model into the run directory. On another node the same path leads there only if it lies on storage
that the nodes share (or, for what is only read, if a copy lies there). Without this check a rank would write
its part of a checkpoint to a disk of its own, and the run would find out at the resume.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOOK_S = 120.0
"""For a node to start a process of Ray's and look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """Files that an actor needs on its node."""

    who: str
    """Who needs them, in words."""
    files: Mapping[str, int]
    """Absolute path to bytes."""
    fix: str
    """Advice to the user, naming the field."""


def files_in(folder: Path) -> dict[str, int]:
    """Every file directly in a folder, with its bytes."""
    return {str(file): file.stat().st_size for file in sorted(folder.iterdir()) if file.is_file()}


def sizes_here(paths: Sequence[str]) -> list[int | None]:
    """Bytes of each file as this node sees it, None of one that it does not see. Runs on the other node."""
    return [path.stat().st_size if path.is_file() else None for path in map(Path, paths)]


Look = Callable[[str, Sequence[str]], list[int | None]]
"""Node and paths to what :func:`sizes_here` says there."""


def look_on(node: str, paths: Sequence[str]) -> list[int | None]:
    """Ask a node of the connected Ray.

    Raises:
        ValueError: T2RL cannot be imported there.
        ray.exceptions.GetTimeoutError: It does not answer.
    """
    import ray
    from ray.exceptions import RayTaskError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
    task: Any = ray.remote(num_cpus=0, max_retries=0)(sizes_here)
    try:
        found: list[int | None] = ray.get(
            task.options(scheduling_strategy=there).remote(list(paths)), timeout=LOOK_S
        )
    except RayTaskError as error:
        if not isinstance(error.cause, ImportError):
            raise
        raise ValueError(
            f"cluster.address: T2RL cannot be imported on one of its nodes ({error.cause}); install it there"
            " in the same environment, and start Ray with that environment's ray"
        ) from None
    return found


def problem_on(node: str, needed: Sequence[Needed], *, name: str, look: Look = look_on) -> str | None:
    """The first of the needed files that a node does not have as the driver has it, in words; None if all are
    there. ``name``: of the node, for the user."""
    paths = [path for one in needed for path in one.files]
    sizes = dict(zip(paths, look(node, paths), strict=True)) if paths else {}
    for one in needed:
        for path, size in one.files.items():
            if sizes[path] != size:
                there = (
                    "is not there" if sizes[path] is None else f"has {sizes[path]} bytes there, {size} here"
                )
                return f"{one.fix} (node {name}: {path} {there}; {one.who})"
    return None
