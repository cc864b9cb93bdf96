"""The replicas' process group, beside the one that DeepSpeed has of each alone: gloo on CPU, NCCL on CUDA
(the same calls; never run). One that broke is replaced by a new one among those who live."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from rl.learner.deepspeed_setup import LOOPBACK, loopback_store
from rl.learner.diloco.codes import decoded, encoded


class LinkBroken(RuntimeError):
    """A replica is gone or does not answer: what was under way is lost, the weights are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """Where the replicas meet, and who they are."""

    address: str
    port: int
    index: int
    """This replica's place among them."""
    size: int
    epoch: int
    """Counts the meetings; names the group."""


class Link:
    """A group of replicas that average vectors. Every call is made by all of them in the same order."""

    def __init__(self, meeting: Meeting, *, device: torch.device, timeout_s: float) -> None:
        """Waits for the others, at most ``timeout_s``."""
        self.index, self.size = meeting.index, meeting.size
        self.sent_bytes = 0.0
        """Bytes that this replica has sent, by the rings' formulas, headers not counted."""
        self._device = device
        self._group = None if meeting.size == 1 else _guarded(lambda: _joined(meeting, device, timeout_s))

    def start(self, delta: torch.Tensor, bits: int) -> Callable[[], torch.Tensor]:
        """Send ``delta`` [n] float32 on its way; the result waits for the mean over replicas [n], the same
        bit for bit on each: encoded numbers are averaged in the replicas' order, float32 by the ring."""
        if self._group is None:
            own = decoded(encoded(delta, bits), bits, len(delta))
            return lambda: own
        group, peers = self._group, self.size - 1
        if bits == 32:
            total = delta.clone()
            self.sent_bytes += 2 * peers / self.size * total.nbytes
            work = _guarded(lambda: group.allreduce([total]))
            return lambda: _waited(work, lambda: total / self.size)
        code = encoded(delta, bits)
        codes = [torch.empty_like(code) for _ in range(self.size)]
        self.sent_bytes += peers * code.nbytes
        work = _guarded(lambda: group.allgather([codes], [code]))
        return lambda: _waited(
            work, lambda: torch.stack([decoded(c, bits, len(delta)) for c in codes]).sum(0) / self.size
        )

    def gathered(self, numbers: list[int]) -> list[list[int]]:
        """The ``numbers`` of every replica."""
        own = torch.tensor(numbers, dtype=torch.int64, device=self._device)
        if self._group is None:
            return [numbers]
        group, rows = self._group, [torch.empty_like(own) for _ in range(self.size)]
        return _waited(
            _guarded(lambda: group.allgather([rows], [own])), lambda: [row.tolist() for row in rows]
        )

    def broadcast(self, tensor: torch.Tensor, source: int) -> None:
        """Overwrite ``tensor`` with that of the replica ``source``."""
        if self._group is None:
            return
        group = self._group
        if self.index == source:
            self.sent_bytes += tensor.nbytes * (self.size - 1)
        options = dist.BroadcastOptions()
        options.rootRank, options.rootTensor = source, 0
        _waited(_guarded(lambda: group.broadcast([tensor], options)), lambda: None)


def _joined(meeting: Meeting, device: torch.device, timeout_s: float) -> Any:
    """A group of its own, outside of torch's default one."""
    timeout = timedelta(seconds=timeout_s)
    if meeting.address == LOOPBACK:
        store = loopback_store(
            rank=meeting.index, world_size=meeting.size, port=meeting.port, timeout=timeout
        )
    else:
        store = dist.TCPStore(
            meeting.address, meeting.port, meeting.size, meeting.index == 0, timeout, wait_for_workers=False
        )
    named = dist.PrefixStore(f"replicas-{meeting.epoch}", store)
    if device.type == "cuda":
        options = dist.ProcessGroupNCCL.Options()
        options._timeout = timeout
        return dist.ProcessGroupNCCL(named, meeting.index, meeting.size, options)
    return dist.ProcessGroupGloo(named, meeting.index, meeting.size, timeout)


def _waited(work: Any, then: Callable[[], Any]) -> Any:
    _guarded(work.wait)
    return then()


def _guarded(call: Callable[[], Any]) -> Any:
    """The result of a call of torch's, whose errors all are ``RuntimeError``.

    Raises:
        LinkBroken: it failed.
    """
    try:
        return call()
    except RuntimeError as error:
        raise LinkBroken(f"the link between replicas broke: {error}") from error
