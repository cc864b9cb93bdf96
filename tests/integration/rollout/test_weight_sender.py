"""Our courier and payloads against vLLM's own sender and its own parsers; only what touches a GPU is
replaced."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from rollout.vllm_args import update_payload
from rollout.weight_sender import Rendezvous, WeightSender, engine_init_info, weight_update

TENSORS = {"embed.weight": torch.ones(8, 4, dtype=torch.bfloat16), "norm.weight": torch.zeros(4)}


class Weights:
    def layout(self):
        return [(name, str(t.dtype).removeprefix("torch."), tuple(t.shape)) for name, t in TENSORS.items()]

    def __iter__(self):
        return iter(TENSORS.items())


def exchanged(sender: WeightSender, work) -> dict:
    """The one message of ``work``, which runs in a thread as the learner does."""
    with ThreadPoolExecutor(max_workers=1) as executor:
        done = executor.submit(work)
        message = sender.courier.outgoing()
        assert not done.done(), "vLLM waits for the engines"
        sender.courier.delivered()
        done.result(timeout=10)
    return message


def sender_of(transport: str, rank: int = 0) -> WeightSender:
    rendezvous = Rendezvous(transport=transport, address="10.0.0.1", port=5000, num_workers=4, timeout_s=10)
    return WeightSender(Weights(), rendezvous, rank=rank)


def test_nccl_speaks_vllms_language(monkeypatch: pytest.MonkeyPatch) -> None:
    from vllm.distributed.weight_transfer import nccl_engine

    opened: list[Any] = []
    broadcast: list[str] = []

    def open_endpoint(info: Any) -> Any:
        opened.append(info)
        return SimpleNamespace(destroy=int)

    monkeypatch.setattr(nccl_engine, "open_trainer_endpoint", open_endpoint)
    monkeypatch.setattr(
        nccl_engine,
        "packed_nccl_broadcast_producer",
        lambda iterator, **_: broadcast.extend(name for name, _ in iterator),
    )
    sender = sender_of("nccl")
    info = engine_init_info(exchanged(sender, sender.connect), engine=1, tensor_parallel=2)
    worker = nccl_engine.NCCLWeightTransferInitInfo(**info)
    assert (worker.master_address, worker.master_port, worker.rank_offset, worker.world_size) == (
        "10.0.0.1",
        5000,
        3,
        5,
    )
    assert worker.packed and worker.packed_buffer_size_bytes == opened[0].packed_buffer_size_bytes

    update = weight_update(exchanged(sender, sender.send), version=3, transport="nccl")
    parsed = nccl_engine.NCCLWeightTransferUpdateInfo(**update_payload(update))
    assert (parsed.names, parsed.dtype_names, parsed.shapes) == (
        list(TENSORS),
        ["bfloat16", "float32"],
        [[8, 4], [4]],
    )
    assert broadcast == list(TENSORS)
    sender.close()


def test_other_learner_ranks_only_gather() -> None:
    sender = sender_of("nccl", rank=1)
    sender.connect()
    sender.send()
    sender.close()


def test_ipc_speaks_vllms_language(monkeypatch: pytest.MonkeyPatch) -> None:
    from vllm.distributed.weight_transfer import ipc_engine

    monkeypatch.setattr(torch.accelerator, "current_device_index", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid="GPU-1"))
    monkeypatch.setattr(torch.cuda, "ipc_collect", lambda: None)
    monkeypatch.setattr(ipc_engine, "reduce_tensor", lambda tensor: (None, (tuple(tensor.shape),)))
    sender = sender_of("ipc")
    assert ipc_engine.IPCWeightTransferInitInfo(**exchanged(sender, sender.connect)).packed is False

    update = weight_update(exchanged(sender, sender.send), version=3, transport="ipc")
    parsed = ipc_engine.IPCWeightTransferUpdateInfo(**update_payload(update))
    assert parsed.names == list(TENSORS)
    assert parsed.ipc_handles == [{"GPU-1": ((8, 4),)}, {"GPU-1": ((4,),)}]
    sender.close()
