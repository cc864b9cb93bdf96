"""DeepSpeed's checkpoint files, written in the background: ``save`` snapshots to host memory and returns, a
thread writes."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from deepspeed.runtime.checkpoint_engine.checkpoint_engine import CheckpointEngine

from rl.learner.shard_files import read_shard


class BackgroundCheckpointEngine(CheckpointEngine):
    """One writer thread; errors surface in ``wait``. Files are complete only after it returns."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "BackgroundCheckpointEngine"
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._pending: list[Future[None]] = []

    def create(self, info: Any) -> None:
        """Nothing to prepare: the caller names a fresh directory."""

    def save(self, state_dict: Any, path: str) -> None:
        """Copy ``state_dict`` now, write it to ``path`` later."""
        self._pending.append(self._writer.submit(_write, snapshot(state_dict), Path(path)))

    def load(self, path: str, map_location: Any = None) -> Any:
        """Read one file that ``save`` wrote; ValueError if it holds more than data."""
        return read_shard(Path(path), map_location=map_location)

    def commit(self, info: Any) -> bool:
        """True: ``wait`` is the commit."""
        return True

    def wait(self) -> None:
        """Block until everything saved so far is on disk; raises what the writer raised."""
        pending, self._pending = self._pending, []
        for future in pending:
            future.result()

    def cleanup(self) -> None:
        """Finish writing and end the thread."""
        self._writer.shutdown(wait=True)


def snapshot(value: Any) -> Any:
    """A copy whose tensors lie in host memory of their own; containers are rebuilt, other objects shared.

    Cloning also drops what a view does not show: torch.save would write the whole flat ZeRO buffer behind
    each parameter.
    """
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True).contiguous()
    if isinstance(value, Mapping):
        return type(value)((k, snapshot(v)) for k, v in value.items())  # type: ignore[call-arg]
    if type(value) in (list, tuple):
        return type(value)(snapshot(v) for v in value)
    return value


def _write(state: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("wb") as file:
            torch.save(state, file)
    except RuntimeError as error:
        # torch's zip writer says "unexpected pos"; the disk's own words are what it came from.
        if isinstance(source := error.__context__, OSError):
            raise OSError(source.errno, source.strerror, str(path)) from error
        raise
