"""A node's copy of the weights that came to it in parts: all its engines read the same two files.

Whoever of them asks first for a push copies the parts into the node's shared memory; the others wait for it
and find it there. What an engine then loads is a file as the learner would have written it on this node, so
the engine checks every byte against the learner's checksum before it loads anything.
"""

import fcntl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rollout.engine import WeightUpdate
from rollout.weight_buffer import WeightBuffer
from rollout.weight_directory import WeightDirectory


class PartStore(Protocol):
    """Where a push's parts are, for every process of this node."""

    def node(self) -> str:
        """Name of this node."""
        ...

    def arriving(self, parts: tuple[Any, ...]) -> Iterator[tuple[int, np.ndarray]]:
        """(index, [bytes]) of each part as it comes to this node; the bytes are the store's own. Raises what
        the store does where they are lost."""
        ...


class NodeCopy:
    """One process's hold on the files of its node: two that take turns by version, and two for engines that
    serve an older one (``evaluated``). Calls may come from several threads."""

    def __init__(self, directory: Path, node: str) -> None:
        """``directory``: the run's, by the name that it has on the learner's node. ``node``: told apart where
        several share a machine."""
        self._directory = WeightDirectory(directory)
        self._folder = directory / node
        self._folder.mkdir(exist_ok=True)
        self._buffers: dict[str, WeightBuffer] = {}

    def take(
        self,
        update: WeightUpdate,
        parts: Iterable[tuple[int, np.ndarray]],
        changes: Iterable[tuple[int, np.ndarray]] = (),
    ) -> WeightUpdate:
        """The same push as a file of this node.

        Args:
            update: a push by ``object``.
            parts: (index, [bytes]) of each part, in any order; not asked for where the file is there already.
            changes: the same of ``update.changes``; asked for instead where the node holds the publication
                before.

        Raises:
            ValueError: the parts are not the bytes of the layout.
        """
        name = _slot(update)
        with self._alone(name) as holds:
            # Written last: who is killed in between leaves a file that holds nothing.
            if not holds.exists() or holds.read_text() != update.checksum:
                holds.unlink(missing_ok=True)
                with self._held_before(update) as before:
                    self._buffer(name, update).assemble(parts if before is None else changes, before=before)
                holds.write_text(update.checksum)
        return replace(update, transport="shm", path=str(self._folder / name), parts=(), changes=())

    def forget(self, update: WeightUpdate) -> None:
        """Copy the parts anew the next time: an engine refused the file."""
        with self._alone(_slot(update)) as holds:
            holds.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the files; the node's last engine removes them."""
        for buffer in self._buffers.values():
            buffer.close()
        self._buffers = {}
        self._directory.leave()

    @contextmanager
    def _alone(self, name: str) -> Iterator[Path]:
        """The file that says what ``name`` holds, while no other engine of this node looks at it."""
        with (self._folder / f"{name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self._folder / f"{name}.holds"

    @contextmanager
    def _held_before(self, update: WeightUpdate) -> Iterator[WeightBuffer | None]:
        """The node's file of the publication before, kept from being written; None if it is not here, or if
        somebody works on it: two engines that waited for each other's file would wait for ever."""
        if not update.changes:
            yield None
            return
        name = _slot(replace(update, version=update.version - 1))
        with (self._folder / f"{name}.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
                return
            holds = self._folder / f"{name}.holds"
            is_it = holds.exists() and holds.read_text() == update.since
            yield self._buffer(name, update) if is_it else None

    def _buffer(self, name: str, update: WeightUpdate) -> WeightBuffer:
        """The node's file of this name, mapped; made if there is none of this layout."""
        path, known = self._folder / name, self._buffers.get(name)
        if known is None or not known.is_file(path, update.tensors):
            if known is not None:
                known.close()
            known = WeightBuffer.open_or_create(path, update.tensors)
            self._buffers[name] = known
        return known


def _slot(update: WeightUpdate) -> str:
    """Name of the file for it. Not the learner's: ranks that came back begin with their first one again."""
    return f"{Path(update.path).name.partition('-')[0]}-{update.version % 2}"
