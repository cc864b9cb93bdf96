"""A rank's tensors on their way to host memory and back, for a device that the learner shares in turns.

Parameters of ZeRO are views of flat buffers, and so are its masters and gradients; DeepSpeed's own
``offload_states`` moves buffer by buffer, makes the views anew, and knows neither ZeRO-0 nor, at ZeRO-3,
any optimizer but its own. Here the *storage* behind the views is emptied and filled again: every tensor stays
the object that it was, whatever the stage, the optimizer and who holds a reference to it. On a CPU the same
happens between two places in host memory.
"""

import gc
from collections.abc import Iterable, Iterator
from types import FunctionType
from typing import Any

import torch
from torch import nn

OURS = ("rl.", "deepspeed.", "transformers.", "peft.", "torch.optim.", "torch.nn.")
"""Modules whose objects are looked into."""


class OffloadedState:
    """Everything on the device that hangs on ``roots``."""

    def __init__(self, roots: Iterable[Any], device: torch.device) -> None:
        """``device``: the learner's; what lies elsewhere (``learner.offload``) stays there."""
        self._roots = tuple(roots)
        self._device = device
        self._away: list[tuple[torch.UntypedStorage, torch.Tensor]] = []
        """Storages that are empty now, and their bytes."""
        self._pinned: dict[int, list[torch.Tensor]] = {}
        """Host memory of earlier turns by size: pinning costs more than the copy."""
        self.moved_bytes = 0
        """As many went in the last ``offload``."""

    @property
    def is_away(self) -> bool:
        """True between ``offload`` and ``reload``."""
        return bool(self._away)

    def offload(self) -> int:
        """Empty every storage on the device; returns the bytes that went. Again changes nothing."""
        if self._away:
            return self.moved_bytes
        _own_memory(self._roots, self._device)
        storages = [s for s in _storages(self._roots, self._device) if s.nbytes()]
        self._away = [(storage, self._copied(storage)) for storage in storages]
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        for storage, _ in self._away:
            storage.resize_(0)
        self.moved_bytes = sum(len(copy) for _, copy in self._away)
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        return self.moved_bytes

    def reload(self) -> None:
        """Fill the storages again."""
        for storage, copy in self._away:
            storage.resize_(len(copy))
            _bytes_of(storage).copy_(copy, non_blocking=copy.is_pinned())
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
            for _, copy in self._away:
                self._pinned.setdefault(len(copy), []).append(copy)
        self._away = []

    def left_bytes(self) -> int:
        """Bytes that torch still has on the device."""
        if self._device.type == "cuda":
            return int(torch.cuda.memory_allocated(self._device))
        return sum(storage.nbytes() for storage in _storages(self._roots, self._device))

    def _copied(self, storage: torch.UntypedStorage) -> torch.Tensor:
        source = _bytes_of(storage)
        on_gpu = self._device.type == "cuda"
        kept = self._pinned.get(len(source)) if on_gpu else None
        target = kept.pop() if kept else torch.empty(len(source), dtype=torch.uint8, pin_memory=on_gpu)
        return target.copy_(source, non_blocking=on_gpu)


def _bytes_of(storage: torch.UntypedStorage) -> torch.Tensor:
    view = torch.empty(0, dtype=torch.uint8, device=storage.device)
    return view.set_(storage)


def _own_memory(roots: Iterable[Any], device: torch.device) -> None:
    """Copy what lies in a mapped file, as a CPU's weights do once they are loaded: such a storage cannot be
    emptied. Views of one storage are views of one copy."""
    copies: dict[int, torch.UntypedStorage] = {}
    for tensor in [t for t in _on_device(roots, device) if not t.untyped_storage().resizable()]:
        storage = tensor.untyped_storage()
        copy = copies.setdefault(storage._cdata, storage.clone())
        view = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
        tensor.data = view.set_(copy, tensor.storage_offset(), tensor.size(), tensor.stride())


def _storages(roots: Iterable[Any], device: torch.device) -> list[torch.UntypedStorage]:
    """Each storage on the device once, of all tensors that can be reached."""
    found: dict[int, torch.UntypedStorage] = {}
    for tensor in _on_device(roots, device):
        storage = tensor.untyped_storage()
        found.setdefault(storage._cdata, storage)
    return list(found.values())


def _on_device(roots: Iterable[Any], device: torch.device) -> Iterator[torch.Tensor]:
    for tensor in _tensors(roots):
        if tensor.device == device or (tensor.device.type == device.type == "cpu"):
            yield tensor


def _tensors(roots: Iterable[Any]) -> Iterator[torch.Tensor]:
    """Tensors in containers, attributes and closures of our libraries' objects, gradients included."""
    waiting, seen = list(roots), set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, torch.Tensor):
            yield one
            if one.is_leaf and one.grad is not None:
                waiting.append(one.grad)
        waiting.extend(_inside(one))


def _inside(one: Any) -> Iterable[Any]:
    if isinstance(one, dict):
        return [*one.keys(), *one.values()] if _holds_objects(one) else ()
    if isinstance(one, (list, tuple, set, frozenset)):
        return one
    if isinstance(one, FunctionType):
        return [cell.cell_contents for cell in one.__closure__ or () if cell.cell_contents is not None]
    if not (isinstance(one, (torch.Tensor, nn.Module)) or f"{type(one).__module__}.".startswith(OURS)):
        return ()
    slots = [name for kind in type(one).__mro__ for name in kind.__dict__.get("__slots__", ())]
    attributes = getattr(one, "__dict__", None)
    inside = [getattr(one, name) for name in slots if hasattr(one, name)]
    return [*inside, *attributes.values()] if isinstance(attributes, dict) else inside


def _holds_objects(one: dict[Any, Any]) -> bool:
    """False for the long dictionaries of plain values, such as a vocabulary."""
    first = next(iter(one.values()), None)
    return not isinstance(first, (str, int, float, bytes, bool, type(None))) or len(one) < 1000
