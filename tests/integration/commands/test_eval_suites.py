"""``t2rl eval --suite`` with a real engine, real verifiers and the sandbox: two tiny models, two suites."""

import json
import subprocess
import sys
from pathlib import Path
from string import ascii_letters

import pyarrow.parquet
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from planner.estimators.counts_file import read_counts_file
from tests.unit.evaluation.suites.test_suite_tasks import ROWS, write

T2RL = str(Path(sys.executable).with_name("t2rl"))


def tiny(path: Path, seed: int) -> Path:
    """Random weights, a token a byte."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(
        models.BPE(vocab={"</s>": 0} | {c: i for i, c in enumerate(alphabet, start=1)}, merges=[])
    )
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="</s>").save_pretrained(path)
    torch.manual_seed(seed)
    shape = {"vocab_size": 257, "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 512}
    LlamaForCausalLM(LlamaConfig(**shape, **heads, eos_token_id=0, bos_token_id=None)).save_pretrained(path)
    return path


def test_two_models_two_suites_one_table(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in ("gsm8k", "humaneval"):
        rows = [
            ROWS[name] | ({"task_id": f"HumanEval/{i}"} if name == "humaneval" else {"id": i}) for i in (0, 1)
        ]
        write(data / f"{name}.jsonl", *rows)
    train = [{**ROWS["gsm8k"], "question": f"Bob has {i} figs. How many?", "id": i} for i in range(2)]
    write(data / "gsm8k_train.jsonl", *train)
    words = [str(tiny(tmp_path / "models" / name, seed)) for seed, name in enumerate(("a", "b"))]
    options = ["--data", str(data), "--samples", "4", "--max-tokens", "8", "--compare", "--json"]
    # A letter is a fifth of the tokens that random weights sample.
    options += ["--shots", "2", *(word for letter in ascii_letters for word in ("--stop", letter))]
    command = [T2RL, "eval", *words, "--suite", "gsm8k,humaneval", *options, "--to", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {f["metric"] for f in found["figures"] if f["suite"] == "gsm8k"} == {
        "greedy", "pass@1", "pass@2", "pass@4", "maj@4",
    }  # fmt: skip
    assert all(set(figure["differences"]) == {"b"} for figure in found["figures"])
    assert [(c["suite"], c["model"], c["completions"]) for c in found["cost"]] == [
        ("gsm8k", "a", 10),
        ("gsm8k", "b", 10),
        ("humaneval", "a", 10),
        ("humaneval", "b", 10),
    ]
    assert all(cost["tokens"] <= 8 and cost["flops_per_query"] > 0 for cost in found["cost"])
    counts = tmp_path / "out" / "a" / "humaneval" / "version-00000000.jsonl"
    assert [row.n for row in read_counts_file(counts, temperature=0.6)] == [4, 4]
    samples = pyarrow.parquet.read_table(
        next((tmp_path / "out" / "b" / "gsm8k" / "rollouts").glob("*.parquet")), partitioning=None
    )
    assert samples.num_rows == 10 and set(samples["judged"].to_pylist()) == {True}
    assert all(prompt.count("Question: Bob has") == 2 for prompt in samples["prompt"].to_pylist())
    ended = [row for row in samples.to_pylist() if row["finish_reason"] == "stop"]
    assert ended and not any(set(row["completion"]) & set(ascii_letters) for row in samples.to_pylist())
    facts = json.loads((tmp_path / "out" / "a" / "facts.json").read_text())["suites"]
    assert [facts[name]["shots"] for name in ("gsm8k", "humaneval")] == [2, 0]
    assert "a: humaneval, 2 problems, 10 completions" in done.stderr
    folders = [str(tmp_path / "out" / name) for name in "ab"]
    command = [T2RL, "plan", "evals", *folders, "--device", "h100_sxm", "--json"]
    plan = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert {row["k"] for row in json.loads(plan.stdout)["rows"]["gsm8k"]} == {1, 2, 4}
