"""Weights that leave the learner: published, exported, saved and loaded."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from rollout.engine import WeightUpdate
from rollout.weight_buffer import WeightBuffer
from tests.integration.learner.batches import make_batch
from tests.integration.learner.learner_host import Hosts

BATCHES = [make_batch(seed) for seed in range(4)]
LORA = {"r": 4, "alpha": 8}


@pytest.fixture
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A directory of this test in shared memory."""
    directory = Path("/dev/shm") / f"t2rl-test-{tmp_path.name}-{request.node.name[:20]}"
    yield str(directory)
    shutil.rmtree(directory, ignore_errors=True)


def read(update: WeightUpdate) -> dict[str, np.ndarray]:
    buffer = WeightBuffer.open(update.path, update.tensors)
    assert buffer.checksum() == update.checksum
    values = {name: tensor.float().numpy().copy() for name, tensor in buffer.tensors()}
    buffer.close()
    return values


def checkpoint_names(path: Path) -> set[str]:
    from safetensors import safe_open

    with safe_open(path / "model.safetensors", "np") as file:
        return set(file.keys())


@pytest.mark.parametrize(("world", "stage"), [(1, 0), (2, 3)])
@pytest.mark.parametrize("tied", [True, False])
def test_published_weights_are_the_trained_ones_under_checkpoint_names(
    hosts: Hosts, tiny_llama: Path, untied_llama: Path, shared: str, world: int, stage: int, tied: bool
) -> None:
    base = tiny_llama if tied else untied_llama
    hosts.build(base, world=world, zero_stage=stage)
    hosts.call("train", BATCHES[0])
    first = hosts.call("publish", 1, shared)
    expected_first = {n.removeprefix("causal_lm."): v for n, v in hosts.run("raw_parameters").items()}
    hosts.call("train", BATCHES[1])
    second = hosts.call("publish", 2, shared)

    assert (first.version, second.version) == (1, 2) and first.path != second.path
    published = read(second)
    assert published.keys() == checkpoint_names(base) and ("lm_head.weight" in published) is not tied
    assert all(np.array_equal(published[n], v) for n, v in hosts.run("weights").items())
    old = read(first)  # still whole: an engine may be reading it
    assert old.keys() == expected_first.keys() and all(
        np.array_equal(old[n], v) for n, v in expected_first.items()
    )
    assert any(not np.array_equal(old[n], published[n]) for n in old)
    third = hosts.call("publish", 3, shared)
    assert third.path == first.path


def merged_by_peft(base: Path, raw: dict[str, np.ndarray], kind: str) -> dict[str, np.ndarray]:
    """PEFT's own merge_and_unload of the same base and adapters."""
    import peft
    from transformers import AutoModelForCausalLM

    model = peft.get_peft_model(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32),
        peft.LoraConfig(
            r=LORA["r"],
            lora_alpha=LORA["alpha"],
            target_modules="all-linear",
            use_dora=kind == "dora",
            use_rslora=kind == "rslora",
            task_type="CAUSAL_LM",
        ),
    )
    with torch.no_grad():
        for name, parameter in model.get_base_model().named_parameters():
            parameter.copy_(torch.from_numpy(raw[name]))
    return {n: p.detach().numpy() for n, p in model.merge_and_unload().named_parameters()}


@pytest.mark.parametrize(
    ("world", "stage", "kind"),
    [(1, 0, "lora"), (1, 0, "rslora"), (1, 0, "dora"), (2, 2, "lora"), (2, 3, "lora")],
)
def test_adapters_are_published_merged_and_left_as_they_were(
    hosts: Hosts, tiny_llama: Path, shared: str, world: int, stage: int, kind: str
) -> None:
    hosts.build(tiny_llama, world=world, zero_stage=stage, lora=LORA | {"kind": kind}, lr=1e-2)
    for batch in BATCHES[:2]:
        hosts.call("train", batch)
    before = hosts.run("raw_parameters")
    updates = [hosts.call("publish", version, shared) for version in (1, 2)]
    after = hosts.run("raw_parameters")

    assert before.keys() == after.keys() and all(np.array_equal(before[n], after[n]) for n in before)
    assert updates[0].checksum == updates[1].checksum
    published = read(updates[1])
    assert published.keys() == checkpoint_names(tiny_llama)
    expected = merged_by_peft(tiny_llama, before, kind)
    moved = 0
    for name, value in published.items():
        np.testing.assert_allclose(value, expected[name], atol=1e-7, err_msg=name)
        base = before.get(name.replace(".weight", ".base_layer.weight"))
        moved += base is not None and not np.allclose(base, value, atol=1e-5)
    assert moved >= 10, "the adapters must have moved the weights"


@pytest.mark.parametrize(("world", "stage", "lora"), [(1, 0, None), (1, 0, LORA), (2, 3, LORA)])
def test_a_stream_kept_to_its_end_is_what_shared_memory_publishes(
    hosts: Hosts, tiny_llama: Path, shared: str, world: int, stage: int, lora: dict | None
) -> None:
    hosts.build(tiny_llama, world=world, zero_stage=stage, lora=lora, lr=1e-2)
    hosts.call("train", BATCHES[0])
    update = hosts.call("publish", 1, shared)
    layout, values = hosts.run("streamed")
    assert layout == [(t.name, t.dtype, t.shape) for t in update.tensors]
    published = read(update)
    assert list(values) == [t.name for t in update.tensors]
    assert all(np.array_equal(values[name], published[name]) for name in published)
    copied = stage == 3 or lora is not None
    assert hosts.run("settled") == [copied] * len(layout), (
        "a copy must be there before vLLM may change streams"
    )


@pytest.mark.parametrize(
    ("world", "stage", "dtype", "lora"),
    [
        (1, 0, "float32", None),
        (2, 2, "float32", None),
        (2, 3, "float32", LORA),
        (1, 0, "bfloat16", None),
        (2, 1, "float32", LORA),
    ],
)
def test_a_loaded_learner_repeats_the_steps_that_followed_the_save(
    hosts: Hosts, tiny_llama: Path, tmp_path: Path, world: int, stage: int, dtype: str, lora: dict | None
) -> None:
    shape = {
        "world": world,
        "zero_stage": stage,
        "dtype": dtype,
        "lora": lora,
        "schedule": "linear",
        "warmup_steps": 2,
    }
    hosts.build(tiny_llama, **shape)
    for batch in BATCHES[:2]:
        hosts.call("train", batch)
    hosts.call("save", str(tmp_path / "save"))
    first = [hosts.call("train", batch).metrics for batch in BATCHES[2:]]  # while the files are being written
    weights = hosts.run("weights")
    hosts.call("wait_saved")
    for fresh in (False, True):
        if fresh:
            hosts.build(tiny_llama, **shape)
        hosts.call("load", str(tmp_path / "save"))
        again = [hosts.call("train", batch).metrics for batch in BATCHES[2:]]
        for metrics, expected in zip(again, first, strict=True):
            assert {k: v for k, v in metrics.items() if k != "learner/step_s"} == {
                k: v for k, v in expected.items() if k != "learner/step_s"
            }
        assert all(np.array_equal(value, weights[name]) for name, value in hosts.run("weights").items())
    # Ten updates: the peak is the second, the end eight updates on.
    assert [metrics["learner/lr"] for metrics in first] == pytest.approx([0.875e-3, 0.75e-3])


def test_a_directory_without_a_learners_state_is_named(
    hosts: Hosts, tiny_llama: Path, tmp_path: Path
) -> None:
    hosts.build(tiny_llama, zero_stage=2)
    with pytest.raises(ValueError, match="holds no learner state"):
        hosts.call("load", str(tmp_path / "elsewhere"))


@pytest.mark.parametrize(("world", "stage", "lora"), [(1, 0, None), (2, 3, LORA)])
def test_an_export_loads_in_transformers_and_scores_the_same(
    hosts: Hosts, untied_llama: Path, tmp_path: Path, world: int, stage: int, lora: dict | None
) -> None:
    from transformers import AutoModelForCausalLM

    base = shutil.copytree(untied_llama, tmp_path / "base")
    (base / "tokenizer_config.json").write_text("{}")
    hosts.build(base, world=world, zero_stage=stage, lora=lora, lr=1e-2)
    hosts.call("train", BATCHES[0])
    hosts.call("export", str(tmp_path / "export"))
    assert checkpoint_names(tmp_path / "export") == checkpoint_names(base)
    assert (tmp_path / "export" / "tokenizer_config.json").read_text() == "{}"
    sequence = [1, 9, 8, 7, 30, 40]
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "export", dtype=torch.float32)
    with torch.no_grad():
        logprobs = torch.log_softmax(model(input_ids=torch.tensor([sequence])).logits[0, :-1], -1)
    expected = [float(logprobs[i, token]) for i, token in enumerate(sequence[1:])]
    np.testing.assert_allclose(hosts.call("score", [sequence])[0], expected, atol=1e-5)
