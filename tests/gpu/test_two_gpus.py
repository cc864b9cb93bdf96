"""Engine and learner on two GPUs: weights by NCCL, ZeRO-3 behind them; and an engine over both. **Not yet run
on hardware.**"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.gpu.runs import BF16_GAP, assert_trained, rows_of

NODE = [
    "cluster=node8",
    "rollout.num_engines=1",
    "rollout.max_tokens=16",
    "rollout.max_model_len=64",
    "rollout.gpu_memory_utilization=0.3",
    f"rollout.probe_tolerance={BF16_GAP}",
    "learner.num_ranks=1",
    "run.steps=2",
]
ARMS = {
    "whole": ["learner.zero_stage=0"],
    "zero-3": ["learner.zero_stage=3"],
    "merged adapters": ["learner.zero_stage=0", "learner.lora.r=8", "learner.lora.alpha=16"],
    "merged adapters of a base in parts": [
        "learner.zero_stage=3",
        "learner.lora.r=8",
        "learner.lora.alpha=16",
    ],
}


@pytest.mark.gpus(2)
@pytest.mark.parametrize("arm", ARMS)
def test_weights_reach_the_engine_by_nccl(tmp_path: Path, arm: str) -> None:
    rows = rows_of(tmp_path, *NODE, *ARMS[arm], timeout_s=900)
    assert_trained(rows, steps=2, gap=BF16_GAP)


TENSOR_PARALLEL = """
import json, sys
import ray
from rl.engines.actors import create_engine_actor
from rl.cluster.placement import Bundle, BundleGroup, Placement, Seat, create_placement
from rl.config.load import load_config
from rl.cluster.ray_runtime import start_ray, stop_ray
from rollout.engine import EngineConfig

start_ray(load_config("debug", ["cluster=gpu1"]))
scores = []
for parallel in (1, 2):
    plan = Placement(
        groups=(BundleGroup("run", "STRICT_PACK", (Bundle(2.0, float(parallel)),)),),
        engines=(Seat(0, 0, 2.0, float(parallel)),),
        learners=(),
    )
    placed = create_placement(plan)
    config = EngineConfig(
        model=sys.argv[1], backend="async", device="cuda", dtype="bfloat16", tensor_parallel=parallel,
        max_model_len=64,
        gpu_memory_utilization=0.3, block_size=16,
    )
    actor = create_engine_actor(config, placed.engine_options(0))
    control = lambda method, *a: ray.get(
        getattr(actor, method).options(concurrency_group="control").remote(*a), timeout=600)
    control("start")
    scores.append(control("score", [list(range(4, 40))])[0])
    control("stop")
    ray.kill(actor)
    placed.remove()
stop_ray()
print(json.dumps(scores))
"""


@pytest.mark.gpus(2)
def test_an_engine_over_two_gpus_scores_like_one(half_llama: Path) -> None:
    import json

    done = subprocess.run(
        [sys.executable, "-c", TENSOR_PARALLEL, str(half_llama)],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    one, two = json.loads(done.stdout.strip().splitlines()[-1])
    assert len(one) == len(two) == 35
    assert sum(abs(a - b) for a, b in zip(one, two, strict=True)) / len(one) < BF16_GAP
