"""A flat, checksummed file of weights in shared memory: the learner writes it, every engine on the node reads
it.

The file is the tensors at their 64-byte aligned offsets, then a 16-byte fingerprint of the layout. The owner
of a buffer must not write to it again until every engine has confirmed the last update, so a weight sync
keeps two and alternates.
"""

import math
import mmap
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch
import xxhash

from rollout.engine import TensorSpec

SHARED_MEMORY = Path("/dev/shm")
ALIGNMENT = 64
FINGERPRINT_BYTES = 16


def torch_dtype(name: str) -> torch.dtype:
    """``float32`` -> ``torch.float32``; ValueError if torch has no such dtype."""
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"dtype: torch has no dtype {name!r}; use a name such as float32 or bfloat16")
    return dtype


def plan_layout(items: Iterable[tuple[str, str, tuple[int, ...]]]) -> tuple[TensorSpec, ...]:
    """Place tensors one after the other, in the order given, each at a multiple of 64 bytes.

    ``items`` are (Hugging Face name, torch dtype name, shape). ValueError on a repeated name, an unknown
    dtype or no tensors.
    """
    specs: list[TensorSpec] = []
    seen: set[str] = set()
    offset = 0
    for name, dtype, shape in items:
        if name in seen:
            raise ValueError(f"tensors: {name!r} appears twice; list tied weights once, under one name")
        seen.add(name)
        num_bytes = math.prod(shape) * torch_dtype(dtype).itemsize
        specs.append(
            TensorSpec(name=name, dtype=dtype, shape=tuple(shape), offset=offset, num_bytes=num_bytes)
        )
        offset = _align(offset + num_bytes)
    if not offset:
        raise ValueError("tensors: a weight buffer needs at least one non-empty tensor")
    return tuple(specs)


def layout_fingerprint(tensors: Sequence[TensorSpec]) -> bytes:
    """[16] bytes that change with any name, dtype, shape, offset or order."""
    text = "\n".join(f"{t.name}|{t.dtype}|{t.shape}|{t.offset}|{t.num_bytes}" for t in tensors)
    return xxhash.xxh3_128_digest(text.encode())


class WeightBuffer:
    """A mapped weight file. Make one with ``create`` (empties the path) or ``open`` (refuses a file of
    another layout)."""

    def __init__(self, path: Path, tensors: Sequence[TensorSpec], mapping: mmap.mmap) -> None:
        self.path = path
        self.specs = {t.name: t for t in tensors}
        self._fingerprint = layout_fingerprint(tensors)
        self._mapping = mapping
        self._payload = torch.frombuffer(mapping, dtype=torch.uint8)[: _payload_bytes(tensors)]

    @classmethod
    def create(cls, path: Path | str, tensors: Sequence[TensorSpec]) -> "WeightBuffer":
        """A zeroed buffer at ``path``; a bare file name lies in /dev/shm.

        An older file there is unlinked, never truncated under a reader. OSError (ENOSPC) if the bytes do not
        fit.
        """
        path = SHARED_MEMORY / path
        fingerprint = layout_fingerprint(tensors)
        size = _payload_bytes(tensors) + FINGERPRINT_BYTES
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            # fallocate, not truncate: a full /dev/shm must fail here with ENOSPC, not later with SIGBUS in
            # whoever touches it.
            os.posix_fallocate(descriptor, 0, size)
            os.pwrite(descriptor, fingerprint, size - FINGERPRINT_BYTES)
            return cls(path, tensors, mmap.mmap(descriptor, size))
        finally:
            os.close(descriptor)

    @classmethod
    def open(cls, path: Path | str, tensors: Sequence[TensorSpec]) -> "WeightBuffer":
        """Map an existing buffer. ValueError if it is missing, has another size, or was laid out for other
        tensors."""
        path = SHARED_MEMORY / path
        size = _payload_bytes(tensors) + FINGERPRINT_BYTES
        if not path.exists():
            raise ValueError(
                f"path: no weight buffer at {path}; it must be created on this node before it is opened"
            )
        descriptor = os.open(path, os.O_RDWR)
        try:
            actual = os.fstat(descriptor).st_size
            if actual != size:
                raise ValueError(
                    f"path: {path} holds {actual} bytes, the layout needs {size}: a stale or partly written"
                    " buffer"
                )
            if os.pread(descriptor, FINGERPRINT_BYTES, size - FINGERPRINT_BYTES) != layout_fingerprint(
                tensors
            ):
                raise ValueError(
                    f"path: {path} was laid out for other tensors: a stale buffer; publish the weights again"
                )
            return cls(path, tensors, mmap.mmap(descriptor, size))
        finally:
            os.close(descriptor)

    def write(self, name: str, tensor: torch.Tensor) -> None:
        """Copy one tensor in, casting to the buffer's dtype. ValueError on an unknown name or another
        shape."""
        if name not in self.specs:
            raise ValueError(f"name: {name!r} is not in the layout of {self.path}")
        if tuple(tensor.shape) != self.specs[name].shape:
            raise ValueError(
                f"tensor: {name!r} has shape {tuple(tensor.shape)}, the layout says {self.specs[name].shape}"
            )
        with torch.no_grad():
            self._view(self.specs[name]).copy_(tensor)

    def checksum(self) -> str:
        """xxh3-128 hex over the layout and every payload byte (paddings are zero and count too)."""
        digest = xxhash.xxh3_128(self._fingerprint)
        digest.update(self._payload.numpy().data)
        return digest.hexdigest()

    def tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        """(name, view into the buffer) in layout order. Copy what must outlive the next write or
        ``close``."""
        for spec in self.specs.values():
            yield spec.name, self._view(spec)

    def close(self, *, unlink: bool = False) -> None:
        """Let go of the mapping, which is freed with the last view; ``unlink`` removes the file too.
        Idempotent."""
        self._payload = torch.empty(0, dtype=torch.uint8)
        if unlink:
            self.path.unlink(missing_ok=True)

    def _view(self, spec: TensorSpec) -> torch.Tensor:
        flat = self._payload[spec.offset : spec.offset + spec.num_bytes]
        return flat.view(torch_dtype(spec.dtype)).view(spec.shape)


def _align(offset: int) -> int:
    return (offset + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


def _payload_bytes(tensors: Sequence[TensorSpec]) -> int:
    if not tensors:
        raise ValueError("tensors: the layout is empty")
    return max(_align(t.offset + t.num_bytes) for t in tensors)
