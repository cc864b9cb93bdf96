"""An export after an update of size 0 is the base, for every architecture."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from rl.config.learner import LearnerConfig, LoraConfig
from rl.learner.export import export_model
from rl.learner.model import load_model
from rl.learner.weights import checkpoint_layout, iterate_weights
from rollout.checkpoint_shapes import checkpoint_shapes
from rollout.checkpoint_weights import weight_shapes
from tests.unit.learner.models.model_bases import ARCHITECTURES, VOCABULARY, save_base

ADAPTED = {"glm4_moe": ("q_proj", "o_proj")}


def load(directory: Path) -> torch.nn.Module:
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()


def export(base: Path, target: Path, **learner: object) -> None:
    model = load_model(str(base), LearnerConfig(**learner))
    export_model(model.causal_lm, target, model_path=str(base), gather=False, is_writer=True)


def assert_same_model(a: Path, b: Path) -> None:
    first, second = load(a), load(b)
    left, right = first.state_dict(), second.state_dict()
    assert left.keys() == right.keys()
    different = [name for name in left if not torch.equal(left[name], right[name])]
    assert not different
    ids = torch.randint(3, VOCABULARY, (2, 12), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(first(ids).logits, second(ids).logits)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_export_without_an_update_is_the_base(tmp_path: Path, name: str) -> None:
    base = save_base(name, tmp_path / "base")
    model = load_model(str(base), LearnerConfig()).causal_lm
    sent = [
        (n, str(t.dtype).removeprefix("torch."), tuple(t.shape))
        for n, t in iterate_weights(model, gather=False)
    ]
    assert sent == checkpoint_layout(model)  # what engines get
    assert {n: shape for n, _, shape in sent} == checkpoint_shapes(base)
    export_model(model, tmp_path / "export", model_path=str(base), gather=False, is_writer=True)
    assert checkpoint_shapes(tmp_path / "export") == checkpoint_shapes(base)
    assert_same_model(base, tmp_path / "export")


@pytest.mark.parametrize("name", ["llama_tied", "gpt2", "gpt_neox", "glm4_moe"])
def test_so_is_one_with_fresh_adapters(tmp_path: Path, name: str) -> None:
    base = save_base(name, tmp_path / "base")
    export(base, tmp_path / "export", lora=LoraConfig(r=4, target_modules=ADAPTED.get(name, "all-linear")))
    assert checkpoint_shapes(tmp_path / "export") == checkpoint_shapes(base)
    assert_same_model(base, tmp_path / "export")
    assert (tmp_path / "export" / "adapter" / "adapter_model.safetensors").is_file()


# peft writes patterns of ranks for the experts, and finds none of them, before we can refuse.
@pytest.mark.filterwarnings("ignore:The following .* keys did not match any targeted module:RuntimeWarning")
def test_adapters_of_fused_experts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="target_modules: adapters of a mixture's experts"):
        load_model(str(save_base("qwen3_moe", tmp_path)), LearnerConfig(lora=LoraConfig(r=4)))


def test_an_update_is_exported(tmp_path: Path) -> None:
    base = save_base("glm4_moe", tmp_path / "base")
    model = load_model(str(base), LearnerConfig()).causal_lm
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01)
    export_model(model, tmp_path / "export", model_path=str(base), gather=False, is_writer=True)
    trained, buffers = dict(load(tmp_path / "export").named_parameters()), dict(load(base).named_buffers())
    assert all(torch.equal(p, trained[n]) for n, p in model.named_parameters())
    assert all(torch.equal(b, buffers[n]) for n, b in load(tmp_path / "export").named_buffers())


def test_a_checkpoint_without_the_trunks_prefix_keeps_its_names(tmp_path: Path) -> None:
    """As GPT-2's on the Hub."""
    from safetensors.torch import load_file, save_file

    base = save_base("gpt2", tmp_path / "base")
    file = base / "model.safetensors"
    named = {name.removeprefix("transformer."): tensor for name, tensor in load_file(file).items()}
    save_file(named, file, metadata={"format": "pt"})
    export(base, tmp_path / "export")
    assert checkpoint_shapes(tmp_path / "export") == checkpoint_shapes(base)
    assert_same_model(base, tmp_path / "export")


def test_a_generation_config_that_transformers_refuses_to_write_is_copied(tmp_path: Path) -> None:
    base = save_base("llama", tmp_path / "base")
    text = json.dumps({"do_sample": False, "temperature": 0.9, "top_p": 0.6, "eos_token_id": [2, 3]})
    (base / "generation_config.json").write_text(text, encoding="utf-8")
    export(base, tmp_path / "export")
    assert (tmp_path / "export" / "generation_config.json").read_text(encoding="utf-8") == text
    assert (tmp_path / "export" / "tokenizer.json").is_file()


def test_the_config_is_the_bases_with_the_dtype_that_was_written(tmp_path: Path) -> None:
    base = save_base("gpt2", tmp_path / "base")
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    config.pop("dtype")
    config |= {"torch_dtype": "float16", "of_another_version": 1}
    (base / "config.json").write_text(json.dumps(config), encoding="utf-8")
    export(base, tmp_path / "export")
    written = json.loads((tmp_path / "export" / "config.json").read_text(encoding="utf-8"))
    assert written == config | {"torch_dtype": "float32"}
    assert written["attn_pdrop"] == 0.1  # off in training only


def test_weights_of_a_second_format_are_not_looked_at(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    base = save_base("mistral", tmp_path)
    shapes = checkpoint_shapes(base)
    save_file({"layers.0.attention.wq.weight": torch.zeros(2)}, base / "consolidated.safetensors")
    assert checkpoint_shapes(base) == shapes


def test_what_a_model_does_not_read_is_not_missed(tmp_path: Path) -> None:
    """Files of GPT-2 and GPT-NeoX hold attention masks, and a push has none."""
    from safetensors.torch import load_file, save_file

    for name, more in (
        ("gpt2", "h.0.attn.bias"),
        ("gpt_neox", "gpt_neox.layers.0.attention.bias"),
        ("llama", "layers.0.rotary_emb.inv_freq"),
    ):
        base = save_base(name, tmp_path / name)
        weights = checkpoint_shapes(base)
        save_file(
            load_file(base / "model.safetensors") | {more: torch.ones(4)},
            base / "model.safetensors",
            metadata={"format": "pt"},
        )
        assert more in checkpoint_shapes(base)
        assert weight_shapes(base, ARCHITECTURES[name]()) == weights
