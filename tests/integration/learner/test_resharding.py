"""A checkpoint taken up by another number of ranks, another ZeRO stage, or with another critic: masters and
moments bit for bit, and the next updates those of the uninterrupted run."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rl.learner.shape import SHAPE_FILE
from tests.integration.learner.batches import make_batch
from tests.integration.learner.learner_host import Hosts

BATCHES = [make_batch(seed) for seed in range(4)]
LORA = {"r": 4, "alpha": 8}
COMMON = {"weight_decay": 0.1, "schedule": "linear", "warmup_steps": 2}


def whole(directory: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """By engine, the parts of a saved state that must not change."""
    monkeypatch.setenv("DS_ACCELERATOR", "cpu")
    from rl.learner.whole_state import read_whole

    tags = sorted(path.name for path in directory.iterdir() if path.is_dir())
    found = {}
    for tag in tags:
        state = read_whole(directory / tag)
        found[tag] = {"trained": state.trained, "common": state.common}
    return found


def assert_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert before.keys() == after.keys()
    for tag, state in before.items():
        trained = after[tag]["trained"]
        assert state["trained"].keys() == trained.keys() and len(trained) > 1
        for name, numbers in state["trained"].items():
            assert numbers.keys() == trained[name].keys() == {"master", "exp_avg", "exp_avg_sq", "step"}
            for key, value in numbers.items():
                assert torch.equal(torch.as_tensor(value), torch.as_tensor(trained[name][key])), (name, key)
            assert numbers["exp_avg"].any(), f"{name} has moments to carry"
        counters = {key: value for key, value in state["common"].items() if key != "global_samples"}
        assert counters == {k: v for k, v in after[tag]["common"].items() if k != "global_samples"}


@pytest.mark.parametrize(
    ("before", "after", "more"),
    [
        ((2, 0), (1, 0), {}),
        ((1, 0), (2, 1), {}),
        ((2, 1), (1, 0), {}),
        ((2, 2), (1, 1), {}),
        ((1, 2), (2, 0), {}),
        ((2, 3), (1, 2), {}),
        ((2, 2), (2, 3), {}),
        ((1, 0), (2, 3), {}),
        ((2, 1), (1, 2), {"dtype": "bfloat16"}),
        ((1, 0), (2, 3), {"dtype": "bfloat16"}),
        ((2, 3), (2, 1), {"dtype": "bfloat16"}),
        ((2, 3), (1, 0), {"lora": LORA}),
        ((1, 0), (2, 3), {"lora": LORA}),
        ((2, 2), (1, 1), {"lora": LORA, "dtype": "bfloat16"}),
        ((2, 1), (1, 0), {"algorithm": {"advantage": {"name": "gae", "critic": "separate"}}}),
        ((1, 1), (2, 3), {"algorithm": {"advantage": {"name": "gae", "critic": "shared"}}}),
    ],
)
def test_a_state_divided_anew_is_the_same_state_and_trains_on_as_if_nothing_had_happened(
    hosts: Hosts,
    tiny_llama: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: tuple[int, int],
    after: tuple[int, int],
    more: dict,
) -> None:
    hosts.build(tiny_llama, world=before[0], zero_stage=before[1], **COMMON, **more)
    for batch in BATCHES[:2]:
        hosts.call("train", batch)
    hosts.call("save", str(tmp_path / "save"))
    hosts.call("wait_saved")
    saved_weights = hosts.run("weights")
    expected = [hosts.call("train", batch).metrics for batch in BATCHES[2:]]
    end = hosts.run("weights")

    hosts.build(tiny_llama, world=after[0], zero_stage=after[1], **COMMON, **more)
    hosts.call("load", str(tmp_path / "save"))
    assert all(np.array_equal(value, saved_weights[name]) for name, value in hosts.run("weights").items())
    hosts.call("save", str(tmp_path / "again"))
    hosts.call("wait_saved")
    assert_same(whole(tmp_path / "save", monkeypatch), whole(tmp_path / "again", monkeypatch))
    metrics = [hosts.call("train", batch).metrics for batch in BATCHES[2:]]
    bf16 = more.get("dtype") == "bfloat16"
    for ours, theirs in zip(metrics, expected, strict=True):
        assert ours["learner/lr"] == theirs["learner/lr"]
        assert ours["learner/grad_norm"] == pytest.approx(
            theirs["learner/grad_norm"], rel=5e-2 if bf16 else 1e-3
        )
    moved = {name: np.abs(value - saved_weights[name]).max() for name, value in end.items()}
    assert max(moved.values()) > 5e-4, "the updates that follow move the weights"
    for name, value in hosts.run("weights").items():
        # One and two ranks add up gradients in another order, as tests/integration/learner/test_update.py.
        assert np.allclose(value, end[name], atol=2e-2 if bf16 else 3e-4), name


def test_a_critic_that_the_checkpoint_lacks_starts_fresh_and_one_that_is_not_used_stays_behind(
    hosts: Hosts, tiny_llama: Path, tmp_path: Path
) -> None:
    kinds: dict[str, dict] = {
        "none": {},
        "separate": {"advantage": {"name": "gae", "critic": {"name": "separate", "warmup_steps": 1}}},
        "shared": {"advantage": {"name": "gae", "critic": "shared"}},
    }
    for kind, algorithm in kinds.items():
        hosts.build(tiny_llama, algorithm=algorithm)
        for batch in BATCHES[:2]:
            hosts.call("train", batch)
        hosts.call("save", str(tmp_path / kind))
        hosts.call("wait_saved")
        saved = hosts.run("weights")
        for other in kinds.keys() - {kind}:
            hosts.build(tiny_llama, algorithm=kinds[other])
            hosts.call("load", str(tmp_path / kind))
            policy = hosts.run("weights")
            assert all(np.array_equal(value, saved[name]) for name, value in policy.items())
            assert hosts.call("train", BATCHES[2]).applied
            waits = all(np.array_equal(value, policy[n]) for n, value in hosts.run("weights").items())
            assert waits == (other == "separate"), "a fresh critic has its warm-up, and nothing else waits"


def test_no_other_difference_is_taken_up(hosts: Hosts, tiny_llama: Path, tmp_path: Path) -> None:
    hosts.build(tiny_llama, world=2, zero_stage=2)
    hosts.call("save", str(tmp_path / "save"))
    hosts.call("wait_saved")
    for config, said in (
        ({"dtype": "bfloat16"}, "dtype 'float32', this run has 'bfloat16'"),
        ({"lora": LORA}, "lora None"),
        ({"weight_decay": 0.1}, "weight_decay_groups False"),
    ):
        hosts.build(tiny_llama, zero_stage=1, **config)
        with pytest.raises(ValueError, match=said) as refused:
            hosts.call("load", str(tmp_path / "save"))
        assert "world_size 2" not in str(refused.value) and "t2rl export" in str(refused.value)
    shape_file = tmp_path / "save" / SHAPE_FILE
    shape = json.loads(shape_file.read_text())
    for optimizer in ("muon", "mine.py:sgd"):
        shape_file.write_text(json.dumps(shape | {"optimizer": optimizer}))
        hosts.build(tiny_llama, zero_stage=2)
        with pytest.raises(ValueError, match=f"optimizer '{optimizer}', this run has 'adamw'"):
            hosts.call("load", str(tmp_path / "save"))


def test_a_checkpoint_without_names_says_how_to_go_on(hosts: Hosts, tiny_llama: Path, tmp_path: Path) -> None:
    hosts.build(tiny_llama)
    hosts.call("train", BATCHES[0])
    hosts.call("save", str(tmp_path / "save"))
    hosts.call("wait_saved")
    file = tmp_path / "save" / "shards" / "mp_rank_00_model_states.pt"
    state = torch.load(file, weights_only=False)
    del state["t2rl_parameters"]
    torch.save(state, file)
    hosts.build(tiny_llama, world=2, zero_stage=1)
    with pytest.raises(ValueError, match=r"learner\.num_ranks and learner\.zero_stage .* until the next"):
        hosts.call("load", str(tmp_path / "save"))
    hosts.build(tiny_llama)
    hosts.call("load", str(tmp_path / "save"))
