"""DeepSpeed's Muon: what it does to which parameter, wherever it is allowed, and that it resumes."""

from pathlib import Path

import numpy as np
import pytest

from rl.commands.objective.kinds import check_contract
from tests.integration.learner.curves import BATCHES, assert_same, one_rank, run_curve
from tests.integration.learner.learner_host import Hosts

MUON = {"optimizer": {"name": "muon", "muon_lr": 1e-2}, "grad_clip": 0.0}
LORA = {"r": 4, "alpha": 8}
ALLOWED = [(world, stage) for world in (1, 2) for stage in (0, 1, 2, 3)]
HIDDEN = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def test_hidden_matrices_get_an_orthogonal_step_and_the_rest_adamws(hosts: Hosts, untied_llama: Path) -> None:
    """A first step of Muon is muon_lr times a matrix whose singular values are near 1 but for vanishing ones
    (times the root of its aspect, if tall); AdamW's first step is at most lr in every entry."""
    hosts.build(untied_llama, **MUON, lr=1e-3)
    before = hosts.run("weights")
    result = hosts.call("train", BATCHES[0])
    steps = {name: value - before[name] for name, value in hosts.run("weights").items()}
    assert result.metrics["learner/lr"] == 1e-3
    hidden = [name for name in steps if any(part in name for part in HIDDEN)]
    assert len(hidden) == 14
    for name in hidden:
        rows, columns = steps[name].shape
        singular = np.linalg.svd(steps[name], compute_uv=False) / (1e-2 * max(1, rows / columns) ** 0.5)
        assert np.mean(singular > 0.4) > 0.9 and singular.max() < 1.4, (name, singular)
    for name in steps.keys() - set(hidden):
        assert 0.9e-3 < np.abs(steps[name]).max() < 1.01e-3, name


@pytest.mark.parametrize(("world", "stage"), ALLOWED[1:])
def test_every_allowed_combination_follows_one_rank(
    hosts: Hosts, tiny_llama: Path, world: int, stage: int
) -> None:
    expected = one_rank(hosts, tiny_llama, **MUON)
    hosts.build(tiny_llama, world=world, zero_stage=stage, micro_batch_tokens=70, **MUON)
    assert_same(run_curve(hosts), expected, keys=("loss/total",))


@pytest.mark.parametrize(("world", "stage"), ALLOWED)
def test_bfloat16_stays_near(hosts: Hosts, tiny_llama: Path, world: int, stage: int) -> None:
    expected = one_rank(hosts, tiny_llama, **MUON)
    hosts.build(tiny_llama, world=world, zero_stage=stage, dtype="bfloat16", micro_batch_tokens=70, **MUON)
    assert_same(run_curve(hosts), expected, keys=("loss/total",), atol=1e-2, weights=5e-2)


@pytest.mark.parametrize(("world", "stage"), [(2, 1), (2, 2), (2, 3)])
def test_adapters_train_by_muon(hosts: Hosts, tiny_llama: Path, world: int, stage: int) -> None:
    config = MUON | {"lora": LORA}
    expected = one_rank(hosts, tiny_llama, **config)
    hosts.build(tiny_llama, world=world, zero_stage=stage, micro_batch_tokens=70, **config)
    assert_same(run_curve(hosts), expected, keys=("loss/total",))


@pytest.mark.parametrize(
    ("world", "stage", "dtype"),
    [
        (1, 0, "float32"),
        (2, 1, "float32"),
        (2, 2, "float32"),
        (2, 3, "float32"),
        (2, 2, "bfloat16"),
        (2, 3, "bfloat16"),
    ],
)
def test_a_loaded_learner_goes_on_exactly(
    hosts: Hosts, tiny_llama: Path, tmp_path: Path, world: int, stage: int, dtype: str
) -> None:
    shape = {
        "world": world,
        "zero_stage": stage,
        "dtype": dtype,
        "schedule": "cosine",
        "weight_decay": 0.1,
        **MUON,
    }
    hosts.build(tiny_llama, **shape)
    hosts.call("train", BATCHES[0])
    hosts.call("save", str(tmp_path / "save"))
    expected = [hosts.call("train", batch).metrics for batch in BATCHES[1:]]
    weights = hosts.run("weights")
    hosts.call("wait_saved")
    hosts.build(tiny_llama, **shape)
    hosts.call("load", str(tmp_path / "save"))
    for batch, metrics in zip(BATCHES[1:], expected, strict=True):
        again = hosts.call("train", batch).metrics
        assert {k: v for k, v in again.items() if k != "learner/step_s"} == {
            k: v for k, v in metrics.items() if k != "learner/step_s"
        }
    assert all(np.array_equal(value, weights[name]) for name, value in hosts.run("weights").items())


def test_a_checkpoint_of_another_optimizer_is_refused(hosts: Hosts, tiny_llama: Path, tmp_path: Path) -> None:
    hosts.build(tiny_llama, **MUON)
    hosts.call("save", str(tmp_path / "save"))
    hosts.call("wait_saved")
    hosts.build(tiny_llama)
    with pytest.raises(ValueError, match="optimizer 'muon', this run has 'adamw'"):
        hosts.call("load", str(tmp_path / "save"))


def test_it_keeps_the_contract_of_an_optimizer() -> None:
    findings = check_contract("optimizer", "muon", {"muon_lr": 1e-2})
    assert {one.check: one.problem for one in findings if not one.passed} == {}
