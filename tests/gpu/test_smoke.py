"""Two steps on one GPU, weights by CUDA IPC and by shared memory: every step is applied, engine and learner
agree on fixed tokens.

Not yet run on hardware. NCCL needs two GPUs.
"""

from pathlib import Path

import pytest
import torch

from tests.gpu.runs import BF16_GAP, assert_trained, rows_of

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

ONE_GPU = [
    "rollout=gpu",
    "learner=gpu",
    "cluster=gpu1",
    "rollout.num_engines=1",
    "rollout.max_tokens=16",
    "rollout.max_model_len=64",
    "rollout.gpu_memory_utilization=0.3",
    "learner.num_ranks=1",
    "learner.zero_stage=0",
    "learner.packing=buckets",
    "learner.gradient_checkpointing=false",
]


@pytest.mark.parametrize("transport", ["ipc", "shm"])
@pytest.mark.parametrize(("dtype", "gap"), [("float32", 1e-3), ("bfloat16", BF16_GAP)])
def test_two_steps_on_one_gpu(tmp_path: Path, dtype: str, gap: float, transport: str) -> None:
    overrides = [
        *ONE_GPU,
        f"rollout.dtype={dtype}",
        f"learner.dtype={dtype}",
        f"rollout.probe_tolerance={gap}",
    ]
    overrides += [f"rollout.weight_transfer={transport}"]
    rows = rows_of(tmp_path, *overrides, "run.steps=2")
    assert_trained(rows, steps=2, gap=gap)
