"""A model out of a package's GGUF file: it computes what the file does, is converted once, and what is
missing is said."""

import hashlib
import json
import sys
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from rl.config.model import PackagedModelConfig
from rl.pretrain.packaged import convert_packaged, packaged_dir, packaged_file

WIDTH, HEADS, KV_HEADS, HIDDEN, BYTES = 64, 2, 1, 96, 256
TEMPLATE = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PackagedModelConfig:
    """A package with a tiny Llama, which breaks if it is imported."""
    package = tmp_path / "site" / "holds_a_model"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('its own dependencies are not installed')\n")
    write_llama(package / "tiny.gguf")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("T2RL_CACHE", str(tmp_path / "cache"))
    digest = hashlib.sha256((package / "tiny.gguf").read_bytes()).hexdigest()
    return PackagedModelConfig(
        package="holds_a_model", file="tiny.gguf", sha256=digest, install="holds-a-model==1"
    )


def write_llama(path: Path) -> None:
    """One layer, tied, matrices of the feed-forward in 8 bits."""
    letters = [*map(chr, range(33, 127)), *map(chr, range(161, 173)), *map(chr, range(174, 256))]
    letters += [chr(256 + n) for n in range(BYTES - len(letters))]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(BYTES + 3)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([*letters, "12", "<s>", "</s>"])
    writer.add_token_types([1] * (BYTES + 1) + [3, 3])
    writer.add_token_merges(["1 2"])
    writer.add_bos_token_id(BYTES + 1)
    writer.add_eos_token_id(BYTES + 2)
    writer.add_chat_template(TEMPLATE)
    rng = np.random.default_rng(0)
    head = WIDTH // HEADS
    shapes = {
        "token_embd": (BYTES + 3, WIDTH),
        "blk.0.attn_q": (WIDTH, WIDTH),
        "blk.0.attn_k": (KV_HEADS * head, WIDTH),
        "blk.0.attn_v": (KV_HEADS * head, WIDTH),
        "blk.0.attn_output": (WIDTH, WIDTH),
        "blk.0.ffn_gate": (HIDDEN, WIDTH),
        "blk.0.ffn_up": (HIDDEN, WIDTH),
        "blk.0.ffn_down": (WIDTH, HIDDEN),
    }
    for name, shape in shapes.items():
        values = rng.normal(0, 0.2, shape).astype(np.float32)
        kind = gguf.GGMLQuantizationType.Q8_0 if "ffn" in name else gguf.GGMLQuantizationType.F32
        writer.add_tensor(f"{name}.weight", gguf.quants.quantize(values, kind), raw_dtype=kind)
    for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_what_is_cached_computes_what_the_file_does(model: PackagedModelConfig) -> None:
    directory = convert_packaged(model)
    source = packaged_file(model)
    ids = torch.tensor([[3, 14, 15, 92, 65]])
    logits = [
        AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, **more)(ids).logits
        for path, more in ((directory, {}), (source.parent, {"gguf_file": source.name}))
    ]
    assert torch.equal(*logits) and logits[0].std() > 0.1
    tokenizer = AutoTokenizer.from_pretrained(directory)
    assert tokenizer.decode(tokenizer("a 12!").input_ids) == "a 12!"
    chat = [{"role": "user", "content": "Hi"}]
    assert tokenizer.apply_chat_template(chat, tokenize=False) == "<user>Hi"
    assert (tokenizer.eos_token, tokenizer.model_max_length) == ("</s>", 64)
    facts = json.loads((directory / "source.json").read_text())
    assert facts["sha256"] == model.sha256 and facts["num_parameters"] > 10_000
    assert "holds_a_model" not in sys.modules


def test_it_is_converted_once(model: PackagedModelConfig) -> None:
    directory = convert_packaged(model)
    packaged_file(model).unlink()
    assert convert_packaged(model) == directory == packaged_dir(model)


def test_another_file_is_refused_and_leaves_nothing(model: PackagedModelConfig) -> None:
    packaged_file(model).write_bytes(b"another")
    with pytest.raises(ValueError, match=r"model\.sha256: .*tiny\.gguf has"):
        convert_packaged(model)
    assert not packaged_dir(model).exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"package": "no_such_package"},
            r"model\.package: 'no_such_package' is not installed; .*t2rl\[demo\]",
        ),
        ({"file": "other.gguf"}, r"model\.file: 'holds_a_model' has no other\.gguf; .*holds-a-model==1"),
    ],
)
def test_what_is_missing_is_said(model: PackagedModelConfig, change: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        convert_packaged(model.model_copy(update=change))
