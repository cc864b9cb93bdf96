"""A flat, checksummed file of weights in shared memory: the learner writes it, every engine on the node reads
it.

The file is the tensors at their 64-byte aligned offsets, then a 16-byte fingerprint of the layout. The owner
of a buffer must not write to it again until every engine has confirmed the last update, so a weight sync
keeps two and alternates.

The bytes are hashed in blocks: the writer hashes each block while it is still in the core's cache, and a
reader that may use several threads hashes several at once.
"""

import math
import mmap
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import xxhash

from rollout.engine import TensorSpec
from rollout.weight_changes import apply_changes

SHARED_MEMORY = Path("/dev/shm")
ALIGNMENT = 64
FINGERPRINT_BYTES = 16
BLOCK_BYTES = 1 << 18
"""Hashed at once: source and copy of a block fit together into a core's second-level cache."""
PART_BYTES = 1 << 25
"""Size of the parts in which a buffer goes to other nodes: one is copied while the next is on its way."""
BLOCKS_A_THREAD = 16
"""At least; fewer are hashed sooner than a thread starts."""


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


def copy_bytes(target: torch.Tensor, source: torch.Tensor) -> bool:
    """Copy as plain bytes. False, and nothing done, where they are not alike or torch has threads for it."""
    plain = _is_plain(target) and _is_plain(source) and target.dtype == source.dtype
    if not plain or torch.get_num_threads() > 1:
        return False
    np.copyto(_bytes_of(target), _bytes_of(source))
    return True


class WeightBuffer:
    """A mapped weight file. Make one with ``create`` (empties the path) or ``open`` (refuses a file of
    another layout)."""

    def __init__(self, path: Path, tensors: Sequence[TensorSpec], mapping: mmap.mmap) -> None:
        self.path = path
        self.specs = {t.name: t for t in tensors}
        self._fingerprint = layout_fingerprint(tensors)
        self._mapping = mapping
        self._payload = torch.frombuffer(mapping, dtype=torch.uint8)[: _payload_bytes(tensors)]
        self._bytes = self._payload.numpy()
        self._identity = _identity(path)
        self._digests: list[bytes] = []
        """Digests of the blocks up to ``_written``, if all before it was written in order; else empty."""
        self._written = 0

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

    @classmethod
    def open_or_create(cls, path: Path, tensors: Sequence[TensorSpec]) -> "WeightBuffer":
        """The buffer at ``path`` if it was laid out for these tensors, else a new one in its place."""
        try:
            return cls.open(path, tensors)
        except ValueError:
            return cls.create(path, tensors)

    def parts(self) -> list[np.ndarray]:
        """The payload as views of ``PART_BYTES``, the last one shorter."""
        return [self._bytes[at : at + PART_BYTES] for at in range(0, len(self._bytes), PART_BYTES)]

    def assemble(
        self, parts: Iterable[tuple[int, np.ndarray]], *, before: "WeightBuffer | None" = None
    ) -> None:
        """Copy (index, [bytes]) of another buffer's ``parts`` in, in any order; a part that is shorter is
        what changed since ``before``. ValueError if they do not fill this one."""
        own = self.parts()
        old = own if before is None else before.parts()
        missing = set(range(len(own)))
        self._digests, self._written = [], -1
        for index, part in parts:
            if index in missing and before is not None and part.size < own[index].size:
                apply_changes(own[index], old[index], part)
            elif index in missing and part.shape == own[index].shape:
                np.copyto(own[index], part)
            else:
                raise ValueError(
                    f"parts: number {index} has {part.size} bytes; the layout of {self.path} has no such part"
                )
            missing.remove(index)
        if missing:
            raise ValueError(f"parts: {len(missing)} of {len(own)} never came")

    def write(self, name: str, tensor: torch.Tensor) -> None:
        """Copy one tensor in, casting to the buffer's dtype. ValueError on an unknown name or another
        shape."""
        if name not in self.specs:
            raise ValueError(f"name: {name!r} is not in the layout of {self.path}")
        if tuple(tensor.shape) != self.specs[name].shape:
            raise ValueError(
                f"tensor: {name!r} has shape {tuple(tensor.shape)}, the layout says {self.specs[name].shape}"
            )
        spec = self.specs[name]
        in_order = spec.offset == self._written
        if spec.offset == 0:
            self._digests, in_order = [], True
        source, target = tensor.detach(), self._view(spec)
        one_thread = torch.get_num_threads() == 1  # several copy by torch, and hash in ``checksum``
        if in_order and one_thread and _is_plain(source) and source.dtype == target.dtype:
            self._copy_and_hash(spec.offset, _bytes_of(source))
        else:
            target.copy_(source)
        self._written = _align(spec.offset + spec.num_bytes) if in_order else -1
        if one_thread:
            self._hash_whole_blocks()

    def _copy_and_hash(self, offset: int, source: np.ndarray) -> None:
        """Copy [bytes] to ``offset``, block by block, and hash each block right after it."""
        done = 0
        while done < len(source):
            size = min(len(source) - done, BLOCK_BYTES - (offset + done) % BLOCK_BYTES)
            self._bytes[offset + done : offset + done + size] = source[done : done + size]
            done += size
            self._written = offset + done
            self._hash_whole_blocks()

    def _hash_whole_blocks(self) -> None:
        while self._written >= (len(self._digests) + 1) * BLOCK_BYTES:
            self._digests.append(self._block_digest(len(self._digests)))

    def _block_digest(self, index: int) -> bytes:
        return xxhash.xxh3_128_digest(self._bytes[index * BLOCK_BYTES : (index + 1) * BLOCK_BYTES].data)

    def checksum(self) -> str:
        """xxh3-128 hex over the layout and the xxh3-128 of every block of the payload (paddings are zero and
        count too)."""
        number = -(-len(self._bytes) // BLOCK_BYTES)
        # What was written in order is hashed already; after anything else every block is.
        digests = self._digests if self._written == len(self._bytes) else []
        self._digests, self._written = [], -1
        rest = range(len(digests), number)
        threads = min(torch.get_num_threads(), len(rest) // BLOCKS_A_THREAD)
        if threads > 1:
            with ThreadPoolExecutor(threads) as pool:
                shares = np.array_split(np.asarray(rest), threads)
                parts = pool.map(lambda share: [self._block_digest(i) for i in share], shares)
                digests = [*digests, *(digest for part in parts for digest in part)]
        else:
            digests = [*digests, *(self._block_digest(i) for i in rest)]
        return xxhash.xxh3_128_hexdigest(self._fingerprint + b"".join(digests))

    @property
    def layout(self) -> tuple[TensorSpec, ...]:
        """The tensors, in order."""
        return tuple(self.specs.values())

    def is_file(self, path: Path | str, tensors: Sequence[TensorSpec]) -> bool:
        """True if ``open`` would map the same file, not another of its name, with the same layout."""
        path = SHARED_MEMORY / path
        return path == self.path and _identity(path) == self._identity and self.layout == tuple(tensors)

    def offset_of(self, tensor: torch.Tensor) -> int | None:
        """Bytes from the start to the tensor's first element; None if it lies elsewhere."""
        offset = tensor.data_ptr() - self._payload.data_ptr()
        same = tensor.untyped_storage().data_ptr() == self._payload.untyped_storage().data_ptr()
        return offset if same and 0 <= offset < len(self._bytes) else None

    def strided(
        self, dtype: torch.dtype, size: tuple[int, ...], stride: tuple[int, ...], offset: int
    ) -> torch.Tensor:
        """A view of these elements; ``offset`` in bytes."""
        flat = self._payload[offset : offset + (len(self._bytes) - offset) // dtype.itemsize * dtype.itemsize]
        return flat.view(dtype).as_strided(size, stride)

    def tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        """(name, view into the buffer) in layout order. Copy what must outlive the next write or
        ``close``."""
        for spec in self.specs.values():
            yield spec.name, self._view(spec)

    def close(self, *, unlink: bool = False) -> None:
        """Let go of the mapping, which is freed with the last view; ``unlink`` removes the file too.
        Idempotent."""
        self._payload = torch.empty(0, dtype=torch.uint8)
        self._bytes = self._payload.numpy()
        if unlink:
            self.path.unlink(missing_ok=True)

    def _view(self, spec: TensorSpec) -> torch.Tensor:
        flat = self._payload[spec.offset : spec.offset + spec.num_bytes]
        return flat.view(torch_dtype(spec.dtype)).view(spec.shape)


def _is_plain(tensor: torch.Tensor) -> bool:
    """True if its bytes lie in order in this machine's memory."""
    return tensor.device.type == "cpu" and tensor.is_contiguous()


def _bytes_of(tensor: torch.Tensor) -> np.ndarray:
    """[bytes] of a contiguous tensor, not copied."""
    return tensor.reshape(-1).view(torch.uint8).numpy()


def _identity(path: Path) -> tuple[int, int, int] | None:
    """Facts that tell a file from a later one of its name, and from itself cut short; None without a file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_size


def _align(offset: int) -> int:
    return (offset + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


def _payload_bytes(tensors: Sequence[TensorSpec]) -> int:
    if not tensors:
        raise ValueError("tensors: the layout is empty")
    return max(_align(t.offset + t.num_bytes) for t in tensors)
