"""A model of one's own, and GSM8K from a file through its chat template, from the command line."""

import json
import shlex
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from rl.records.metrics import read_metrics
from tests.e2e.conftest import assert_exactly_once
from tests.unit.docs.metric_keys import documented, is_documented

DATA = Path(__file__).parents[2] / "examples" / "data" / "gsm8k_mini.jsonl"
CHAT = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}{% if add_generation_prompt"
    " %}<assistant>{% endif %}"
)


def write_model(path: Path) -> Path:
    """A random byte-level Llama with a chat template, head untied: nothing of our own recipe."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(["<pad>", "<eos>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>")
    fast.chat_template = CHAT
    fast.save_pretrained(path)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=2048,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(path)
    return path


HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "own_data.md"
SMALL = [
    "run.steps=2",
    "stream.prompts_per_step=4",
    "stream.rollouts_per_prompt=4",
    "rollout.max_tokens=8",
    "tracker=none",
]
LITTLE = ["evaluation.num_prompts=2", "evaluation.samples_per_prompt=2", "evaluation.ks=[1,2]"]


def test_the_gsm8k_command_of_the_guide_trains_on_the_cpu_and_takes_a_chat_template(start, tmp_path):
    (command,) = (
        line
        for line in HOWTO.read_text().splitlines()
        if line.startswith("t2rl train gsm8k ") and "local" in line
    )
    said = [
        word
        for word in shlex.split(command, comments=True)[3:]
        if not word.startswith(("model.path=", "task.path="))
    ]
    assert said[0] == "cluster=local" and all(word.startswith("task.columns.") for word in said[1:]), (
        "besides the model and the rows with their columns, that one word is all"
    )
    model = write_model(tmp_path / "model")
    file = [f"task.path={DATA}", "task.chat=true", "rollout.max_model_len=1536"]
    job = start(f"model.path={model}", *file, *said, *SMALL, *LITTLE, config="gsm8k")
    assert job.wait() == 0, job.log
    assert_exactly_once(job.run, steps=2, groups_per_step=4)
    page = documented()
    keys = {key for row in read_metrics(job.run / "metrics.jsonl") for key in row} - {
        "step",
        "attempt",
        "restored_step",
    }
    assert [key for key in sorted(keys) if not is_documented(key, page)] == [], (
        "docs/metrics.md explains every key"
    )
    trained = json.loads((job.run / "model" / "config.json").read_text())
    assert trained["tie_word_embeddings"] is False


def test_a_prompt_that_does_not_fit_is_an_error_with_its_line_before_anything_starts(start, tmp_path):
    model = write_model(tmp_path / "model")
    job = start(
        "model=path",
        f"model.path={model}",
        "task=gsm8k",
        f"task.path={DATA}",
        "rollout.max_model_len=64",
        "rollout.max_tokens=8",
    )
    assert job.wait() == 2, job.log
    assert f"{DATA.name}:" in job.log and "max_model_len" in job.log
    assert not job.run.exists()
