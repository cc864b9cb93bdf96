"""Engine and learner in turns on one GPU: each leaves the device, and comes back as it was.

Not yet run on hardware.
"""

from pathlib import Path

import pytest
import torch

from tests.gpu.runs import BF16_GAP, assert_trained, rows_of
from tests.integration.learner.batches import make_batch
from tests.integration.learner.learner_host import Hosts

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

IN_TURNS = [
    "cluster=colocated",
    "rollout.max_tokens=16",
    "rollout.max_model_len=64",
    "learner.packing=buckets",
    "learner.gradient_checkpointing=false",
    f"rollout.probe_tolerance={BF16_GAP}",
]


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("staleness", [0, 1])
def test_four_steps_in_turns(tmp_path: Path, level: int, staleness: int) -> None:
    more = [f"cluster.sleep_level={level}", f"stream.max_staleness={staleness}"]
    rows = rows_of(tmp_path, *IN_TURNS, *more, "run.steps=4")
    assert_trained(rows, steps=4, gap=BF16_GAP)
    assert rows[-1]["turns/tokens_asleep"] == 0
    assert rows[-1]["turns/learner_left_bytes"] <= 0.05 * rows[-1]["turns/learner_moved_bytes"] + (1 << 20)


@pytest.mark.parametrize(
    ("stage", "dtype"), [(0, "float32"), (0, "bfloat16"), (2, "bfloat16"), (3, "bfloat16")]
)
def test_the_learner_leaves_the_gpu(hosts: Hosts, half_llama: Path, stage: int, dtype: str) -> None:
    hosts.build(half_llama, zero_stage=stage, dtype=dtype, device="cuda")
    expected = [hosts.call("train", make_batch(step)).metrics["loss/total"] for step in range(3)]
    hosts.build(half_llama, zero_stage=stage, dtype=dtype, device="cuda")
    got = []
    for step in range(3):
        moved = hosts.call("offload")
        assert moved["moved"] > 0 and moved["left"] <= 0.05 * moved["moved"] + (1 << 20), moved
        hosts.call("reload")
        got.append(hosts.call("train", make_batch(step)).metrics["loss/total"])
    assert got == pytest.approx(expected, rel=1e-4)
