"""Engines of several processes: tensor parallel inside a placement group, and nothing left when an actor or
driver is killed."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray
import torch

from rl.cluster.placement import Bundle, BundleGroup, Placement, Seat, create_placement
from rl.cluster.ray_runtime import start_ray, stop_ray
from rl.config.load import load_config
from rl.engines.actors import create_engine_actor
from rollout.engine import EngineConfig, WeightUpdate
from rollout.weight_buffer import WeightBuffer, plan_layout
from tests.integration.rollout.helpers import MAX_MODEL_LEN, VOCAB, group, prompt_of

GONE_WITHIN_S = 20
VERSION = 5


@pytest.fixture(scope="module")
def two_way_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two key-value heads, so that two workers can share them; saved beside it under ``new``, other weights
    of the same shape."""
    from transformers import LlamaConfig, LlamaForCausalLM

    from tests.integration.rollout.conftest import build_model

    root = tmp_path_factory.mktemp("two-way")
    for seed, name in enumerate(("old", "new")):
        build_model(root / name, seed=seed, tied=False)
        config = LlamaConfig.from_pretrained(root / name)
        config.hidden_size, config.head_dim, config.num_attention_heads, config.num_key_value_heads = (
            128,
            32,
            4,
            2,
        )
        torch.manual_seed(seed)
        LlamaForCausalLM(config).save_pretrained(root / name)
    return root


@pytest.fixture(scope="module")
def own_ray() -> Iterator[None]:
    """As ``t2rl train`` starts it."""
    start_ray(load_config("debug", ["cluster.num_cpus=4"]))
    yield
    stop_ray()


def published(model: Path, directory: Path) -> WeightUpdate:
    from safetensors.torch import load_file

    tensors = load_file(model / "model.safetensors")
    specs = plan_layout((n, str(t.dtype).removeprefix("torch."), tuple(t.shape)) for n, t in tensors.items())
    buffer = WeightBuffer.create(directory / "weights", specs)
    for name, tensor in tensors.items():
        buffer.write(name, tensor)
    return WeightUpdate(
        version=VERSION, transport="shm", path=str(buffer.path), tensors=specs, checksum=buffer.checksum()
    )


def control(actor: Any, method: str, *arguments: Any) -> Any:
    return ray.get(
        getattr(actor, method).options(concurrency_group="control").remote(*arguments), timeout=180
    )


def still_there(pids: list[int]) -> list[int]:
    """Those of ``pids`` that have not ended after a while; a zombie has."""
    deadline = time.monotonic() + GONE_WITHIN_S
    while time.monotonic() < deadline:
        pids = [
            pid
            for pid in pids
            if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        ]
        if not pids:
            break
        time.sleep(0.2)
    return pids


@pytest.mark.usefixtures("own_ray")
def test_a_tensor_parallel_engine_serves_takes_weights_and_leaves_no_process_behind(
    two_way_model: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    plan = Placement(
        groups=(BundleGroup("run", "PACK", (Bundle(2.0),)),),
        engines=(Seat(0, 0, 2.0, 0.0),),
        learners=(),
        env={"T2RL_SEEN": "by every process of the engine"},
    )
    placed = create_placement(plan)
    config = EngineConfig(
        model=str(two_way_model / "old"),
        backend="async",
        tensor_parallel=2,
        max_model_len=MAX_MODEL_LEN,
        kv_cache_mib=64,
    )
    actor = create_engine_actor(config, placed.engine_options(0))
    pid = control(actor, "start")["pid"]
    own = [
        p
        for p in psutil.Process(pid).children(recursive=True)
        if "resource_tracker" not in " ".join(p.cmdline())
    ]
    assert len(own) >= 3, "an engine core and two workers"
    assert all(p.environ().get("T2RL_SEEN") == plan.env["T2RL_SEEN"] for p in own)

    assert control(actor, "update_weights", published(two_way_model / "new", tmp_path)) == VERSION
    completions = ray.get(actor.generate.remote(group(1)), timeout=120)
    assert {span.policy_version for c in completions for span in c.spans} == {VERSION}
    sequence = list(prompt_of(2, 30))
    (scores,) = control(actor, "score", [sequence])
    with torch.no_grad():
        logits = AutoModelForCausalLM.from_pretrained(two_way_model / "new", dtype=torch.float32)(
            torch.tensor([sequence])
        ).logits
    expected = torch.log_softmax(logits[0, :-1, :VOCAB], -1).gather(1, torch.tensor(sequence[1:])[:, None])[
        :, 0
    ]
    assert (torch.tensor(scores) - expected).abs().mean() < 1e-5

    for process in own:
        process.send_signal(signal.SIGSTOP)  # as hung as can be: no handler runs, no pipe is read
    ray.kill(actor)
    assert still_there([pid, *(p.pid for p in own)]) == []
    placed.remove()


DRIVER = """
import sys, time, ray, psutil
from rl.engines.actors import create_engine_actor
from rl.config.load import load_config
from rl.cluster.ray_runtime import start_ray
from rollout.engine import EngineConfig
start_ray(load_config("debug", []))
config = EngineConfig(model=sys.argv[1], backend="async", max_model_len=256, kv_cache_mib=64)
actor = create_engine_actor(config, {"num_cpus": 1})
pid = ray.get(actor.start.options(concurrency_group="control").remote())["pid"]
below = psutil.Process(pid).children(recursive=True)
cores = [p.pid for p in below if "resource_tracker" not in " ".join(p.cmdline())]
print(pid, *cores, flush=True)
time.sleep(600)
"""


def test_a_hung_engine_core_goes_with_a_killed_driver(two_way_model: Path) -> None:
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(two_way_model / "old")], stdout=subprocess.PIPE, text=True
    )
    assert driver.stdout is not None
    actor, *cores = map(int, driver.stdout.readline().split())
    assert cores
    for core in cores:
        psutil.Process(core).send_signal(signal.SIGSTOP)
    driver.kill()
    driver.wait(timeout=30)
    driver.stdout.close()
    assert still_there([actor, *cores]) == []
