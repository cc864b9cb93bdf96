"""What goes between vLLM's sender and the engines: every message whole, in order, and nobody waits for
ever."""

import threading
import time
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from rl.learner.publishing import WeightStream
from rollout.vllm_args import update_payload
from rollout.weight_buffer import plan_layout
from rollout.weight_sender import Courier, Rendezvous, WeightSender, engine_init_info, weight_update

NCCL = {"master_address": "10.0.0.1", "master_port": 5000, "rank_offset": 1, "world_size": 7, "packed": True}


def message(layout: list[tuple[str, str, tuple[int, ...]]], **more: object) -> dict[str, object]:
    """The keys of vLLM's update info, as ``dataclasses.asdict`` gives them."""
    names, dtypes, shapes = zip(*layout, strict=True)
    return {"names": list(names), "dtype_names": list(dtypes), "shapes": [list(s) for s in shapes], **more}


def test_workers_of_all_engines_are_numbered_one_after_the_other() -> None:
    infos = [engine_init_info(NCCL, engine=engine, tensor_parallel=2) for engine in range(3)]
    assert [info["rank_offset"] for info in infos] == [1, 3, 5]
    assert all(info | {"rank_offset": 1} == NCCL for info in infos)
    assert engine_init_info({"packed": False}, engine=4, tensor_parallel=2) == {"packed": False}


def test_an_update_names_the_tensors_that_shared_memory_names() -> None:
    model = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2, bias=False)).to(torch.bfloat16)
    layout = WeightStream(model, gather=False).layout()
    sent = message(layout, ipc_handles=[{"GPU-1": (0,)}] * 3, tensor_sizes=None)
    update = weight_update(sent, version=7, transport="ipc")
    assert (update.version, update.transport, update.path, update.checksum) == (7, "ipc", "", "")
    assert update.tensors == plan_layout(layout)
    assert [(t.name, t.dtype, t.shape) for t in update.tensors] == [
        ("0.weight", "bfloat16", (5, 3)),
        ("0.bias", "bfloat16", (5,)),
        ("1.weight", "bfloat16", (2, 5)),
    ]
    assert update_payload(update) == {k: v for k, v in sent.items() if v is not None}


def test_the_courier_holds_the_sender_until_the_engines_have_the_message() -> None:
    courier, seen = Courier(timeout_s=5), []

    def vllm() -> None:
        courier.start_weight_update()
        courier.update_weights({"names": ["a"]})
        seen.append("sender goes on")
        courier.finish_weight_update()

    thread = threading.Thread(target=vllm)
    thread.start()
    assert courier.outgoing() == {"names": ["a"]}
    time.sleep(0.05)
    assert seen == []
    courier.delivered()
    thread.join(5)
    assert seen == ["sender goes on"]


def test_both_ends_of_the_courier_give_up() -> None:
    courier = Courier(timeout_s=0.02)
    with pytest.raises(TimeoutError, match=r"waited 0.02 s for vLLM's sender"):
        courier.outgoing()
    with pytest.raises(TimeoutError, match="for the engines to answer"):
        courier.init_weight_transfer_engine(NCCL)


def test_a_sender_opens_once_sends_often_and_closes_once() -> None:
    calls: list[object] = []

    def open_trainer(rendezvous, *, rank, courier, weights):
        calls.append((rendezvous.transport, rank, list(weights)))
        return SimpleNamespace(
            send_weights=lambda: calls.append("send"), shutdown=lambda: calls.append("shutdown")
        )

    rendezvous = Rendezvous(transport="nccl", address="10.0.0.1", port=5000, num_workers=2, timeout_s=1)
    sender = WeightSender([("a", 1)], rendezvous, rank=3, open_trainer=open_trainer)
    sender.close()
    sender.connect()
    sender.send()
    sender.send()
    sender.close()
    sender.close()
    assert calls == [("nccl", 3, [("a", 1)]), "send", "send", "shutdown"]
