"""The adapter by itself: what is pushed, and PEFT's files."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from rollout.weight_buffer import WeightBuffer
from tests.integration.learner.batches import VOCAB, make_batch
from tests.integration.learner.learner_host import Hosts

LORA = {"r": 3, "alpha": 8, "push": "adapter"}
SEQUENCE = [1, 9, 8, 7, 30, 40, 22, 5]


@pytest.mark.parametrize(
    ("world", "stage", "kind"), [(1, 0, "lora"), (1, 0, "rslora"), (2, 2, "lora"), (2, 3, "rslora")]
)
def test_an_adapter_push_holds_the_adapter_alone_with_its_scaling(
    hosts: Hosts, tiny_llama: Path, tmp_path: Path, world: int, stage: int, kind: str
) -> None:
    shared = Path("/dev/shm") / f"t2rl-test-{tmp_path.name}"
    hosts.build(tiny_llama, world=world, zero_stage=stage, lora=LORA | {"kind": kind}, lr=1e-2)
    hosts.call("train", make_batch(0))
    try:
        update = hosts.call("publish", 1, str(shared))
        buffer = WeightBuffer.open(update.path, update.tensors)
        assert update.adapter and buffer.checksum() == update.checksum
        sent = {name: tensor.numpy().copy() for name, tensor in buffer.tensors()}
        buffer.close()
    finally:
        shutil.rmtree(shared, ignore_errors=True)
    raw = {n.replace(".default.", "."): v for n, v in hosts.run("raw_parameters").items() if ".lora_" in n}
    assert sent.keys() == raw.keys() and len(sent) == 2 * 2 * 7  # parts, layers, linear modules
    scaling = np.float32(8 / math.sqrt(3) if kind == "rslora" else 8 / 3)
    for name, value in raw.items():
        np.testing.assert_allclose(
            sent[name], value * scaling if ".lora_B." in name else value, rtol=1e-6, err_msg=name
        )
    assert all(np.abs(value).max() > 0 for value in sent.values()), "training must have moved every adapter"


@pytest.mark.parametrize(
    ("world", "stage", "kind"),
    [(1, 0, "lora"), (1, 0, "rslora"), (1, 0, "dora"), (2, 2, "dora"), (2, 3, "lora"), (2, 3, "dora")],
)
def test_peft_loads_the_exported_adapter_and_computes_the_same(
    hosts: Hosts, untied_llama: Path, tmp_path: Path, world: int, stage: int, kind: str
) -> None:
    import peft
    from transformers import AutoModelForCausalLM

    lora = {"r": 3, "alpha": 8, "kind": kind}
    hosts.build(untied_llama, world=world, zero_stage=stage, lora=lora, lr=1e-2)
    for seed in range(2):
        hosts.call("train", make_batch(seed))
    hosts.call("export", str(tmp_path / "export"))
    ids = torch.tensor([SEQUENCE])

    def base() -> torch.nn.Module:
        return AutoModelForCausalLM.from_pretrained(untied_llama, dtype=torch.float32).eval()

    adapted = peft.PeftModel.from_pretrained(base(), str(tmp_path / "export" / "adapter")).eval()
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "export", dtype=torch.float32).eval()
    with torch.no_grad():
        plain, ours, whole = (model(input_ids=ids).logits[0] for model in (base(), adapted, merged))
    assert (plain - ours).abs().max() > 1e-2, "the adapter must do something"
    torch.testing.assert_close(ours, whole, rtol=0, atol=1e-4)
    logprobs = torch.log_softmax(ours[:-1], -1)
    expected = [float(logprobs[i, token]) for i, token in enumerate(SEQUENCE[1:])]
    np.testing.assert_allclose(hosts.call("score", [SEQUENCE])[0], expected, atol=1e-5)
    config = json.loads((tmp_path / "export" / "adapter" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["use_rslora"], config["use_dora"]) == (
        3,
        8,
        kind == "rslora",
        kind == "dora",
    )
    assert config["base_model_name_or_path"] == str(untied_llama) and config["inference_mode"] is True


def test_adapters_that_zero_3_really_splits_leave_whole(hosts: Hosts, tmp_path: Path) -> None:
    """DeepSpeed keeps parameters under 100,000 elements whole on every rank; these have 262 x 384 and 384 x
    262."""
    import peft
    from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCAB,
        hidden_size=384,
        intermediate_size=384,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=64,
        initializer_range=0.05,
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path / "wide")
    shared = Path("/dev/shm") / f"t2rl-test-{tmp_path.name}"
    lora = LORA | {"r": 262, "target_modules": ["q_proj", "down_proj"]}
    hosts.build(tmp_path / "wide", world=2, zero_stage=3, lora=lora, lr=1e-3)
    hosts.call("train", make_batch(0))
    try:
        update = hosts.call("publish", 1, str(shared))
        buffer = WeightBuffer.open(update.path, update.tensors)
        assert {n.rpartition("j.")[2]: tuple(t.shape) for n, t in buffer.tensors()} == {
            "lora_A.weight": (262, 384),
            "lora_B.weight": (384, 262),
        }
        assert all(tensor.abs().max() > 0 for _, tensor in buffer.tensors())
        buffer.close()
    finally:
        shutil.rmtree(shared, ignore_errors=True)
    hosts.call("export", str(tmp_path / "export"))
    base = AutoModelForCausalLM.from_pretrained(tmp_path / "wide", dtype=torch.float32)
    adapted = peft.PeftModel.from_pretrained(base, str(tmp_path / "export" / "adapter")).eval()
    with torch.no_grad():
        logprobs = torch.log_softmax(adapted(input_ids=torch.tensor([SEQUENCE])).logits[0, :-1], -1)
    expected = [float(logprobs[i, token]) for i, token in enumerate(SEQUENCE[1:])]
    np.testing.assert_allclose(hosts.call("score", [SEQUENCE])[0], expected, atol=1e-5)


def test_an_export_without_adapters_has_no_adapter_directory(
    hosts: Hosts, tiny_llama: Path, tmp_path: Path
) -> None:
    hosts.build(tiny_llama)
    hosts.call("export", str(tmp_path / "export"))
    assert (tmp_path / "export" / "config.json").is_file() and not (tmp_path / "export" / "adapter").exists()


def test_a_checkpoint_resumes_whichever_way_its_adapter_travels(
    hosts: Hosts, tiny_llama: Path, tmp_path: Path
) -> None:
    hosts.build(tiny_llama, lora=LORA, lr=1e-2)
    hosts.call("train", make_batch(0))
    hosts.call("save", str(tmp_path / "save"))
    hosts.call("wait_saved")
    weights = hosts.run("weights")
    hosts.build(tiny_llama, lora=LORA | {"push": "merged"}, lr=1e-2)
    hosts.call("load", str(tmp_path / "save"))
    assert all(np.array_equal(value, weights[name]) for name, value in hosts.run("weights").items())


def test_an_adapter_on_tied_embeddings_is_refused(hosts: Hosts, tiny_llama: Path) -> None:
    with pytest.raises(
        ValueError, match="target_modules: the base's embeddings and output head are one matrix"
    ):
        hosts.build(tiny_llama, lora={"r": 4, "target_modules": ("q_proj", "lm_head")})
