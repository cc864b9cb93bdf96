"""The copies that a model's ``load_weights`` makes, recorded once and made again.

``load_weights`` finds each tensor's place by its name, every time anew: milliseconds of Python for a model
whose bytes take less. Where it does nothing but copy (and zero the rows that pad a vocabulary), the copies of
the first push are those of every later one.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from rollout.weight_buffer import WeightBuffer, copy_bytes


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy from a weight buffer into the model."""

    target: torch.Tensor
    """A view of the parameter."""
    dtype: torch.dtype
    """The source's, as are the next three."""
    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    """Bytes into the buffer."""

    def make(self, buffer: WeightBuffer) -> None:
        """From a buffer of the layout of the one that was recorded."""
        source = buffer.strided(self.dtype, self.size, self.stride, self.offset)
        if not copy_bytes(self.target, source):
            self.target.copy_(source)


@dataclass(frozen=True, slots=True)
class Fill:
    """One constant that is written into the model."""

    target: torch.Tensor
    value: float

    def make(self, buffer: WeightBuffer) -> None:
        """The same for any buffer."""
        self.target.fill_(self.value)


class Copies:
    """All that one ``load_weights`` wrote, in order."""

    def __init__(self, model: nn.Module, steps: Iterable[Copy | Fill]) -> None:
        self._places = _places(model)
        self._steps = list(steps)

    def fit(self, model: nn.Module) -> bool:
        """True while every parameter lies where it lay when the copies were recorded."""
        return self._places == _places(model)

    def make(self, buffer: WeightBuffer) -> None:
        """Write the same places from ``buffer``, which has the layout of the one that was recorded."""
        with torch.no_grad():
            for step in self._steps:
                step.make(buffer)


class _Recorder(TorchDispatchMode):
    """Notes every write, and whether all of them can be made again."""

    def __init__(self, buffer: WeightBuffer) -> None:
        super().__init__()
        self._buffer = buffer
        self.steps: list[Copy | Fill] = []
        self.complete = True

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func._schema.is_mutable and args[0].numel():
            step = self._step(func, *args[:2])
            self.complete &= step is not None
            self.steps += [] if step is None else [step]
        return func(*args, **(kwargs or {}))

    def _step(self, func: Any, target: torch.Tensor, value: Any = None) -> Copy | Fill | None:
        """None where what is written is neither a constant nor part of the buffer as it stands there."""
        if func is torch.ops.aten.fill_.Scalar:
            return Fill(target.detach(), value)
        if func is not torch.ops.aten.copy_.default or value.shape != target.shape:
            return None
        offset = self._buffer.offset_of(value)
        if offset is None:
            return None
        return Copy(target.detach(), value.dtype, tuple(value.shape), value.stride(), offset)


@contextmanager
def recorded_copies(model: nn.Module, buffer: WeightBuffer) -> Iterator[list[Copies]]:
    """Run ``model.load_weights`` of ``buffer`` inside the block; the list then holds its copies.

    It stays empty where something else than copies was done: a tensor computed from several, written in
    place, or put where another one lay.
    """
    before, found = _places(model), list[Copies]()
    recorder = _Recorder(buffer)
    with recorder:
        yield found
    if recorder.complete and before == _places(model):
        found.append(Copies(model, recorder.steps))


def _places(model: nn.Module) -> list[int]:
    """Addresses of parameters and buffers."""
    return [tensor.data_ptr() for tensor in (*model.parameters(), *model.buffers())]
