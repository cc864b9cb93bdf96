"""A bfloat16 learner moves what is served from its first update on, and autocast follows float32."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.integration.learner.batches import make_batch
from tests.integration.learner.learner_host import Hosts

BATCH = make_batch(0)
LR = 1e-5
"""A hundredth of the distance of two bfloat16 numbers at the size of these weights."""


@pytest.fixture(scope="module")
def bf16_files(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same base, stored in bfloat16."""
    from safetensors.torch import load_file, save_file

    path = tmp_path_factory.mktemp("bf16") / "base"
    shutil.copytree(tiny_llama, path)
    file = path / "model.safetensors"
    save_file({n: t.bfloat16() for n, t in load_file(file).items()}, file, metadata={"format": "pt"})
    return path


def served(hosts: Hosts) -> dict[str, np.ndarray]:
    """As an engine in bfloat16 holds what is published."""
    return {n: torch.from_numpy(t).bfloat16().float().numpy() for n, t in hosts.run("weights").items()}


@pytest.fixture(scope="module")
def float32_step(hosts: Hosts, tiny_llama: Path) -> dict[str, np.ndarray]:
    """The first update's step of every weight, in float32."""
    hosts.build(tiny_llama, lr=LR)
    before = hosts.run("weights")
    assert hosts.call("train", BATCH).applied
    return {n: t - before[n] for n, t in hosts.run("weights").items()}


def moved(before: dict, after: dict, step: dict[str, np.ndarray]) -> float:
    """How far weights went along the float32 step, over that step: 1 is all the way. An update of AdamW's
    has one size for all weights, so its standard error is the root of 100 over 30,000 weights."""
    along = sum(float((np.sign(step[n]) * (after[n].astype(np.float64) - before[n])).sum()) for n in step)
    return along / sum(float(np.abs(s).sum(dtype=np.float64)) for s in step.values())


@pytest.mark.parametrize(("world", "stage"), [(1, 0), (2, 2), (2, 3)])
@pytest.mark.parametrize("files", ["float32", "bfloat16"])
def test_the_first_bf16_update_moves_the_policy_as_float32s_does(
    hosts: Hosts,
    tiny_llama: Path,
    bf16_files: Path,
    float32_step: dict[str, np.ndarray],
    world: int,
    stage: int,
    files: str,
) -> None:
    path = bf16_files if files == "bfloat16" else tiny_llama
    hosts.build(path, world=world, zero_stage=stage, dtype="bfloat16", lr=LR)
    before = served(hosts)
    assert hosts.call("train", BATCH).applied
    assert moved(before, served(hosts), float32_step) == pytest.approx(1, abs=0.25)


def test_what_is_served_first_is_the_base_and_undrawn_masters_of_bf16_files_stand_still(
    hosts: Hosts, bf16_files: Path, float32_step: dict[str, np.ndarray]
) -> None:
    from safetensors.torch import load_file

    hosts.build(bf16_files, dtype="bfloat16", lr=LR)
    before = served(hosts)
    for name, stored in load_file(bf16_files / "model.safetensors").items():
        np.testing.assert_array_equal(before[name], stored.float().numpy(), err_msg=name)
    hosts.build(bf16_files, dtype="bfloat16", lr=LR, dither=False)
    assert hosts.call("train", BATCH).applied
    assert abs(moved(before, served(hosts), float32_step)) < 0.1


@pytest.mark.parametrize(
    ("stage", "dtype", "lora"), [(0, "autocast", False), (3, "float32", False), (0, "autocast", True)]
)
def test_float32_weights_of_bf16_files_move_what_bf16_engines_round(
    hosts: Hosts, bf16_files: Path, float32_step: dict[str, np.ndarray], stage: int, dtype: str, lora: bool
) -> None:
    """With adapters it is the frozen base that is dithered: what is merged is served."""
    from safetensors.torch import load_file

    adapters = {"r": 2, "alpha": 64} if lora else None
    hosts.build(bf16_files, zero_stage=stage, dtype=dtype, lr=LR, lora=adapters, serves_bf16=True)
    before, exact = served(hosts), hosts.run("weights")
    for name, stored in load_file(bf16_files / "model.safetensors").items():
        np.testing.assert_array_equal(before[name], stored.float().numpy(), err_msg=name)
    assert hosts.call("train", BATCH).applied
    merged = {n: t - exact[n] for n, t in hosts.run("weights").items()}
    step = merged if lora else float32_step
    assert moved(before, served(hosts), step) == pytest.approx(1, abs=0.3)


@pytest.mark.parametrize(("world", "stage"), [(1, 0), (2, 3)])
def test_autocast_follows_float32(hosts: Hosts, tiny_llama: Path, world: int, stage: int) -> None:
    hosts.build(tiny_llama)
    expected = [hosts.call("train", make_batch(seed)).metrics for seed in range(3)]
    weights = hosts.run("weights")
    hosts.build(tiny_llama, world=world, zero_stage=stage, dtype="autocast", micro_batch_tokens=70)
    results = [hosts.call("train", make_batch(seed)).metrics for seed in range(3)]
    for got, metrics in zip(results, expected, strict=True):
        assert got["loss/total"] == pytest.approx(metrics["loss/total"], abs=5e-3)
        assert got["loss/total"] != metrics["loss/total"], "no product ran in bfloat16"
        assert got["learner/grad_norm"] == pytest.approx(metrics["learner/grad_norm"], rel=5e-2)
    for name, value in hosts.run("weights").items():
        np.testing.assert_allclose(value, weights[name], atol=2e-2, err_msg=name)
