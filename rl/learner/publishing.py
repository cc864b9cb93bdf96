"""Weights on their way out: shared-memory files taken in turn, so that engines read one while the next is
written; or a stream."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from rl.learner.adapters import adapter_layout, iterate_adapter
from rl.learner.weights import checkpoint_layout, has_adapters, iterate_weights
from rollout.engine import WeightUpdate
from rollout.weight_buffer import WeightBuffer, plan_layout
from rollout.weight_changes import changes
from rollout.weight_directory import WeightDirectory, run_directory

Layout = tuple[str, str, tuple[int, ...]]
"""Name, dtype name, shape."""


class WeightPublisher:
    """Owned by every rank; only rank 0 holds buffers, the others take part in gathering."""

    def __init__(
        self,
        causal_lm: nn.Module,
        *,
        gather: bool,
        is_writer: bool,
        adapter: bool = False,
        in_bf16: bool = False,
    ) -> None:
        """``adapter``: publish the adapter alone, for engines that serve base + adapter. ``in_bf16``: engines
        round to bfloat16 anyway, so float32 matrices travel in it, at half the bytes."""
        self._causal_lm = causal_lm
        self._gather = gather
        self._is_writer = is_writer
        self._adapter = adapter
        self._in_bf16 = in_bf16 and not adapter
        self._buffers: list[WeightBuffer] = []
        self._checksums = ["", ""]
        """Checksum of each buffer's bytes; empty while it is written."""
        self._still = threading.Lock()
        """Held while buffers are compared, by another thread than the one that writes them."""
        self._published = 0
        self._directory: WeightDirectory | None = None

    def publish(self, version: int, directory: Path) -> WeightUpdate | None:
        """Write the weights (or the adapter) to the buffer that the last publication did not use. None on
        every rank but rank 0."""
        buffer = self._next_buffer(directory) if self._is_writer else None
        iterate = iterate_adapter if self._adapter else iterate_weights
        for name, tensor in iterate(self._causal_lm, gather=self._gather):
            if buffer is not None:
                buffer.write(name, tensor)
        if buffer is None:
            return None
        checksum = self._checksums[self._buffers.index(buffer)] = buffer.checksum()
        return WeightUpdate(
            version=version,
            transport="shm",
            path=str(buffer.path),
            tensors=tuple(buffer.specs.values()),
            checksum=checksum,
            adapter=self._adapter,
        )

    def parts(self, update: WeightUpdate) -> list[np.ndarray]:
        """The bytes of the last or the last but one publication, not copied. Rank 0 only."""
        return self._buffer_of(update).parts()

    def changes(self, update: WeightUpdate) -> tuple[str, list[np.ndarray | None]]:
        """Checksum of the publication before ``update``, and what changed in each part since (None: most of
        it). Both are empty where that one is not in memory any more. Rank 0 only."""
        buffer = self._buffer_of(update)
        newest = (self._published - 1) % 2
        with self._still:
            since = self._checksums[1 - newest]
            if not since or self._checksums[newest] != update.checksum:
                return "", []
            before = self._buffers[1 - newest].parts()
            return since, [changes(new, old) for new, old in zip(buffer.parts(), before, strict=True)]

    def _buffer_of(self, update: WeightUpdate) -> WeightBuffer:
        (buffer,) = (one for one in self._buffers if str(one.path) == update.path)
        return buffer

    def _next_buffer(self, directory: Path) -> WeightBuffer:
        if not self._buffers:
            self._directory = WeightDirectory(run_directory(directory / "weights"))
            directory.mkdir(parents=True, exist_ok=True)
            layout = (adapter_layout if self._adapter else checkpoint_layout)(self._causal_lm)
            specs = plan_layout(_rounded(layout) if self._in_bf16 else layout)
            self._buffers = [WeightBuffer.create(directory / f"weights-{i}", specs) for i in range(2)]
        buffer = self._buffers[self._published % 2]
        with self._still:
            self._checksums[self._published % 2] = ""
        self._published += 1
        return buffer

    def close(self) -> None:
        """Remove both files, and their directory if nobody else is there."""
        for buffer in self._buffers:
            buffer.close(unlink=True)
        self._buffers = []
        if self._directory is not None:
            self._directory.leave()


def _rounded(layout: list[Layout]) -> list[Layout]:
    """Matrices in bfloat16. Vectors and what is no weight stay: engines keep a router's bias in float32."""
    return [
        (
            name,
            "bfloat16" if dtype == "float32" and len(shape) > 1 and name.endswith("weight") else dtype,
            shape,
        )
        for name, dtype, shape in layout
    ]


class WeightStream:
    """The tensors that a GPU transport sends (``rollout.weight_sender.Weights``): those that shared memory
    would hold, in the same order.

    vLLM keeps tensors until a buffer is full or the transfer is over, longer than a gathered or merged one
    lives: PEFT takes the adapter out of the merged tensor in place. Those are copied; parameters that are
    whole anyway are sent from where they are.
    """

    def __init__(self, causal_lm: nn.Module, *, gather: bool) -> None:
        self._causal_lm = causal_lm
        self._gather = gather
        self._copies = gather or has_adapters(causal_lm)

    def layout(self) -> list[tuple[str, str, tuple[int, ...]]]:
        """(name, dtype name, shape) of every tensor, in the order of iteration."""
        return checkpoint_layout(self._causal_lm)

    def __iter__(self) -> Iterator[tuple[str, torch.Tensor]]:
        for name, tensor in iterate_weights(self._causal_lm, gather=self._gather):
            if not self._copies:
                yield name, tensor
                continue
            copy = tensor.clone()
            settle(copy)
            yield name, copy


def settle(tensor: torch.Tensor) -> None:
    """Wait until the device has done what was asked of it for ``tensor`` on the current stream.

    vLLM's NCCL sender changes streams whenever a buffer is full: without this the next tensor of a layer that
    was merged (or gathered) on one stream could be read on another before it is there.
    """
    if tensor.is_cuda:
        torch.cuda.current_stream(tensor.device).synchronize()
