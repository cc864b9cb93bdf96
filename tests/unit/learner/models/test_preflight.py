"""A base that would fail later is refused before any actor starts, by field and with the fix."""

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from rl.config.load import load_config
from rl.run.prepare.preflight import check_model, load_tokenizer
from tests.unit.learner.models.model_bases import ARCHITECTURES, save_base, save_tokenizer


def check(directory: Path, *overrides: str) -> list[str]:
    config = load_config(
        "debug",
        [
            f"model.path={directory}",
            "model=path",
            "rollout.max_model_len=64",
            "rollout.max_tokens=8",
            *overrides,
        ],
    )
    return check_model(config, directory, load_tokenizer(directory))


def edit(file: Path, **fields: Any) -> None:
    content = json.loads(file.read_text(encoding="utf-8")) | fields
    file.write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return save_base("llama", tmp_path, hidden_size=64, head_dim=32)


def test_a_store_for_two_versions_is_asked_for(base: Path) -> None:
    by_object = ["rollout.weight_transfer=object"]
    assert check(base, *by_object) == []
    with pytest.raises(
        ValueError, match=r"object_store_mib: 100 MiB do not hold two versions .* set it to 1"
    ):
        check(base, *by_object, "cluster.object_store_mib=100")
    assert check(base, "cluster.object_store_mib=100") == []
    assert check(base, *by_object, "cluster.object_store_mib=100", "cluster.address=auto") == []


WIDE = {"gpt2": {"n_embd": 64}, "stablelm": {"hidden_size": 128}}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_good_bases_pass(tmp_path: Path, name: str) -> None:
    changes = WIDE.get(
        name,
        {"hidden_size": 64} | ({"head_dim": 32} if "head_dim" in ARCHITECTURES[name]().to_dict() else {}),
    )
    if name == "opt":
        changes["word_embed_proj_dim"] = 64
    directory = save_base(name, tmp_path, **changes)
    if name == "deepseek_v3":
        with pytest.raises(ValueError, match=r"latent attention \(MLA\).*nccl or ipc"):
            check(directory)
        return
    check(directory)


def test_dropout_is_said(tmp_path: Path, base: Path) -> None:
    assert check(base) == []
    said = check(save_base("gpt2", tmp_path / "gpt2", n_embd=64))
    assert len(said) == 1 and "attn_pdrop=0.1" in said[0] and "is off in this run" in said[0]


def test_a_checkpoint_without_the_trunks_prefix_passes(tmp_path: Path) -> None:
    base = save_base("gpt2", tmp_path, n_embd=64)
    file = base / "model.safetensors"
    save_file(
        {k.removeprefix("transformer."): v for k, v in load_file(file).items()},
        file,
        metadata={"format": "pt"},
    )
    check(base)


def test_an_index_that_names_absent_files(base: Path) -> None:
    index = {"weight_map": {"model.norm.weight": "model-00002-of-00002.safetensors"}}
    (base / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"model\.path: .*names model-00002-of-00002\.safetensors, which is not in"
    ):
        check(base)


@pytest.mark.parametrize("left", [4, 100, 9000])
def test_a_file_that_was_cut_off(base: Path, left: int) -> None:
    file = base / "model.safetensors"
    file.write_bytes(file.read_bytes()[:left])
    with pytest.raises(
        ValueError, match=r"model\.path: .*model\.safetensors has \d+ bytes.*broke off; fetch it again"
    ):
        check(base)


def test_no_weights_at_all(base: Path) -> None:
    (base / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="holds no weights"):
        check(base)


def test_weights_that_would_be_random(base: Path) -> None:
    weights = load_file(base / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        ValueError, match=r"lacks 1 weights of its model, model\.layers\.1\.mlp\.up_proj\.weight among them"
    ):
        check(base)


def test_weights_of_another_config(base: Path) -> None:
    edit(base / "config.json", intermediate_size=64)
    with pytest.raises(ValueError, match=r"has shape \[.*its config\.json asks for"):
        check(base)


def test_heads_that_vllm_has_no_kernel_for(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="attention heads of size 16; vLLM's CPU attention knows 32, 64"):
        check(save_base("llama", tmp_path))


def test_more_positions_than_the_base_has(base: Path) -> None:
    with pytest.raises(ValueError, match=r"rollout\.max_model_len: 65 is more than the 64 positions"):
        check(base, "rollout.max_model_len=65")


def test_stretched_positions_are_left_to_vllm(base: Path) -> None:
    edit(base / "config.json", rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4})
    check(base, "rollout.max_model_len=65")


def test_a_base_that_nothing_ends(base: Path) -> None:
    save_tokenizer(base, end=None)
    check(base)  # config.json names one
    edit(base / "config.json", eos_token_id=None)
    edit(base / "generation_config.json", eos_token_id=None)
    with pytest.raises(ValueError, match="names an end token, so every sample would be cut"):
        check(base)


def test_a_stop_token_that_the_model_has_no_row_for(base: Path) -> None:
    rows = json.loads((base / "config.json").read_text())["vocab_size"]
    check(base, f"rollout.stop_token_ids=[{rows - 1}]")
    with pytest.raises(
        ValueError, match=f"rollout.stop_token_ids: {rows} is no token of .* end at {rows - 1}"
    ):
        check(base, f"rollout.stop_token_ids=[{rows}]")


def test_a_tokenizer_of_another_model(base: Path) -> None:
    save_tokenizer(base, words=97)
    with pytest.raises(ValueError, match=r"'t96' as id 96, the model has 96 rows"):
        check(base)


def test_a_base_without_tokenizer_files(base: Path) -> None:
    for file in base.glob("*token*"):
        file.unlink()
    with pytest.raises(ValueError, match=r"model\.path: .* holds no tokenizer"):
        check(base)


def test_a_tokenizer_that_cannot_be_read(base: Path) -> None:
    (base / "tokenizer.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="transformers cannot load the tokenizer"):
        check(base)


def test_a_kind_that_transformers_does_not_know(base: Path) -> None:
    edit(base / "config.json", model_type="mytiny")
    with pytest.raises(ValueError, match=r"model\.path: transformers .* cannot read .*config\.json"):
        check(base)


def test_no_language_model(base: Path) -> None:
    edit(base / "config.json", model_type="vit", architectures=["ViTModel"])
    with pytest.raises(ValueError, match="is ViTModel, which transformers has as no causal language model"):
        check(base)


def test_quantised_weights(base: Path) -> None:
    edit(base / "config.json", quantization_config={"quant_method": "fp8"})
    with pytest.raises(ValueError, match="quantised weights cannot be trained"):
        check(base)
