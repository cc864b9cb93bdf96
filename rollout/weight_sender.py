"""The sending end of vLLM's GPU transports (nccl, ipc), inside every learner rank. Shared memory needs none
of this.

vLLM's trainer side speaks to the engines itself, through a client of four methods. Here the controller speaks
to the engines, so the client is a ``Courier``: what vLLM wants delivered waits in it until the controller has
fetched it, given it to every engine, and said so. Written against vLLM 0.32 and not yet run on hardware.
"""

import queue
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from rollout.engine import WeightUpdate
from rollout.weight_buffer import plan_layout, torch_dtype


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendezvous:
    """Where and how the sending rank and the engines' workers meet."""

    transport: str
    """``nccl`` | ``ipc``."""
    address: str
    """Address of rank 0's node; with ``port`` the store through which NCCL's members find each other. Unused
    by ipc."""
    port: int
    num_workers: int
    """vLLM workers of all engines: engines times tensor-parallel size."""
    timeout_s: float
    """How long either side of the courier waits for the other."""


class Weights(Protocol):
    """The weights to send. Every pass over them is the same collective on every rank."""

    def layout(self) -> list[tuple[str, str, tuple[int, ...]]]:
        """(Hugging Face name, torch dtype name, shape) in the order of iteration."""
        ...

    def __iter__(self) -> Iterator[tuple[str, torch.Tensor]]:
        """(name, whole tensor); a tensor must stay as it is after the next one was asked for."""
        ...


class Trainer(Protocol):
    """The methods that are used of vLLM's ``TrainerWeightTransferEngine``."""

    def send_weights(self) -> None:
        """Send all weights; returns when every worker has them."""
        ...

    def shutdown(self) -> None:
        """Leave the transfer group."""
        ...


class Courier:
    """vLLM's ``VLLMWeightSyncClient`` on one side (blocking), a letter box for the controller on the other.
    Thread-safe."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._outbox: queue.Queue[dict[str, Any]] = queue.Queue()
        self._receipts: queue.Queue[None] = queue.Queue()

    def init_weight_transfer_engine(self, init_info: dict[str, Any]) -> None:
        """Return when every engine has taken the init info."""
        self._deliver(init_info)

    def update_weights(self, update_info: dict[str, Any]) -> None:
        """Return when every engine serves this update."""
        self._deliver(update_info)

    def start_weight_update(self) -> None:
        """Nothing: an engine starts, loads and finishes in its own ``update_weights``, between two steps."""

    def finish_weight_update(self, weight_version: str | None = None) -> None:
        """Nothing, as above; the version is the controller's."""

    def _deliver(self, message: dict[str, Any]) -> None:
        self._outbox.put(message)
        self._await(self._receipts, "the engines to answer")

    def outgoing(self) -> dict[str, Any]:
        """The next message for the engines. TimeoutError if the sender has none."""
        return self._await(self._outbox, "vLLM's sender to speak to the engines")

    def delivered(self) -> None:
        """Every engine has done what the last message asked."""
        self._receipts.put(None)

    def _await(self, box: "queue.Queue[Any]", what: str) -> Any:
        try:
            return box.get(timeout=self._timeout_s)
        except queue.Empty:
            raise TimeoutError(f"waited {self._timeout_s:g} s for {what}") from None


class OpenTrainer(Protocol):
    """Builds a connected ``Trainer``; ``open_vllm_trainer``, or a stand-in."""

    def __call__(self, rendezvous: Rendezvous, *, rank: int, courier: Courier, weights: Weights) -> Trainer:
        """Return when the engines' workers are there."""
        ...


class WeightSender:
    """Owned by every rank; only rank 0 sends, the others take part in gathering. The courier's side runs in
    another thread."""

    def __init__(
        self, weights: Weights, rendezvous: Rendezvous, *, rank: int, open_trainer: OpenTrainer | None = None
    ) -> None:
        self._weights = weights
        self._rendezvous = rendezvous
        self._rank = rank
        self._open_trainer = open_trainer or open_vllm_trainer
        self._trainer: Trainer | None = None
        self.courier = Courier(rendezvous.timeout_s)

    def connect(self) -> None:
        """Meet the engines' workers, once; blocks until all of them are there. Collective."""
        self._trainer = self._open_trainer(
            self._rendezvous, rank=self._rank, courier=self.courier, weights=self._weights
        )

    def send(self) -> None:
        """Send the weights as they are now; when it returns every engine serves them and they may change.
        Collective."""
        assert self._trainer is not None, "connect() first"
        # vLLM reads the weights on CUDA streams of its own, which do not wait for the optimizer's.
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self._trainer.send_weights()

    def close(self) -> None:
        """Leave the transfer group. Idempotent."""
        if self._trainer is not None:
            self._trainer.shutdown()
            self._trainer = None


def open_vllm_trainer(rendezvous: Rendezvous, *, rank: int, courier: Courier, weights: Weights) -> Trainer:
    """vLLM's own trainer side of ``rendezvous.transport``, connected. Imports vLLM."""
    from vllm.distributed.weight_transfer import ParamMeta, WeightSource, WeightTransferTrainerFactory

    class Source(WeightSource):
        def metadata(self) -> list[ParamMeta]:
            return [ParamMeta(name, torch_dtype(dtype), shape) for name, dtype, shape in weights.layout()]

        def __iter__(self) -> Iterator[tuple[str, torch.Tensor]]:
            return iter(weights)

    init_info = _vllm_init_info(rendezvous, rank)
    return WeightTransferTrainerFactory.trainer_init(init_info, client=courier, source=Source())


def _vllm_init_info(rendezvous: Rendezvous, rank: int) -> Any:
    if rendezvous.transport == "ipc":
        from vllm.distributed.weight_transfer.ipc_engine import IPCTrainerInitInfo

        # Unpacked: one message with a handle for each tensor. Packed sends several, and an engine loads one
        # for each version.
        return IPCTrainerInitInfo(rank=rank, packed=False)
    from vllm.distributed.weight_transfer.nccl_engine import NCCLTrainerInitInfo

    return NCCLTrainerInitInfo(
        rank=rank,
        master_address=rendezvous.address,
        master_port=rendezvous.port,
        world_size=1 + rendezvous.num_workers,
        packed=True,
    )


def engine_init_info(message: Mapping[str, Any], *, engine: int, tensor_parallel: int) -> dict[str, Any]:
    """vLLM's worker init info for engine number ``engine``.

    vLLM numbers the workers of one deployment from ``rank_offset`` on; ours are several deployments, one
    after the other.
    """
    if "rank_offset" not in message:
        return dict(message)
    return {**message, "rank_offset": message["rank_offset"] + engine * tensor_parallel}


def weight_update(message: Mapping[str, Any], *, version: int, transport: str) -> WeightUpdate:
    """vLLM's update info as our ``WeightUpdate``, with the tensors that shared memory would have named. No
    checksum."""
    rest = dict(message)
    shapes = [tuple(shape) for shape in rest.pop("shapes")]
    layout = zip(rest.pop("names"), rest.pop("dtype_names"), shapes, strict=True)
    backend_info = {key: value for key, value in rest.items() if value is not None}
    return WeightUpdate(
        version=version,
        transport=transport,
        path="",
        tensors=plan_layout(layout),
        checksum="",
        backend_info=backend_info,
    )
