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
        self.background = True
        """False: ``save`` itself writes, and keeps no copy."""
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._pending: list[Future[None]] = []
        self._copies: dict[str, Snapshot] = {}
        """By the name of a file, where its next snapshot goes."""

    def create(self, info: Any) -> None:
        """Nothing to prepare: the caller names a fresh directory."""

    def save(self, state_dict: Any, path: str) -> None:
        """Copy ``state_dict`` now, write it to ``path`` later. The caller waits between two checkpoints, so
        nobody reads the copy that this one writes over."""
        file = Path(path)
        if not self.background:
            self._copies.clear()
            _write(Snapshot()(state_dict), file)
            return
        copy = self._copies.setdefault(f"{file.parent.name}/{file.name}", Snapshot())
        self._pending.append(self._writer.submit(_write, copy(state_dict), file))

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
        self._copies.clear()


class Snapshot:
    """Copies of one state after the other, in the same host memory: fresh memory costs more than the copy
    (``benchmarks/speed/checkpoint.py``)."""

    def __init__(self) -> None:
        self._kept: list[torch.Tensor] = []
        self._used = 0

    def __call__(self, value: Any) -> Any:
        """A copy whose tensors lie in host memory of their own, until the next call; containers are rebuilt,
        other objects shared.

        Copying also drops what a view does not show: torch.save would write the whole flat ZeRO buffer behind
        each parameter.
        """
        self._used = 0
        copied = self._copied(value)
        del self._kept[self._used :]
        return copied

    def _copied(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return self._room(value).copy_(value.detach())
        if isinstance(value, Mapping):
            return type(value)((k, self._copied(v)) for k, v in value.items())  # type: ignore[call-arg]
        if type(value) in (list, tuple):
            return type(value)(self._copied(v) for v in value)
        return value

    def _room(self, tensor: torch.Tensor) -> torch.Tensor:
        """Memory for a copy: that of the tensor in the same place of the last state, where it fits."""
        place, self._used = self._used, self._used + 1
        if place < len(self._kept):
            kept = self._kept[place]
            if kept.shape == tensor.shape and kept.dtype == tensor.dtype:
                return kept
            del self._kept[place:]
        self._kept.append(torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda))
        return self._kept[place]


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
