"""``t2rl bases eval``: likelihood mode and sampling mode of every checkpoint on the same problems;
per-problem rows on disk."""

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from rich.progress import track

from rl.config.errors import ConfigError
from rl.ladder.checkpoints import Checkpoint, all_checkpoints, chosen
from rl.ladder.ladder import LadderEvaluation
from rl.ladder.layout import LadderDir
from rl.ladder.likelihood import completion_logprobs
from rl.ladder.prefix_tree import Leaf, sample_counts
from rl.ladder.problems import ladder_problems
from rl.ladder.quantise import quantise_model
from rl.ladder.scores import headline
from rl.records.model_files import base_fingerprint
from rl.records.terminal import progress_console
from rl.tasks.encoding import bare_ids, make_decode
from rollout.types import Prompt, Reward

SAMPLER = "torch prefix tree, not vLLM"


def parse_bits(text: str) -> list[int]:
    """``"8,4"`` -> [8, 4].

    Raises:
        ConfigError: not integers from 2 to 8.
    """
    parts = [p.strip() for p in text.split(",") if p.strip()]
    if not all(p.isdigit() and 2 <= int(p) <= 8 for p in parts):
        raise ConfigError(f"--bits {text}: give integers from 2 to 8, for example --bits 8,4")
    return [int(p) for p in parts]


def evaluate_ladder(
    path: Path, *, bits: list[int], only: list[str], progress: bool = True
) -> list[dict[str, Any]]:
    """Score what has no scores yet, or has other weights by now; headlines of everything that has.

    Args:
        path: the ladder's directory.
        bits: also with weights fake-quantised to each of these.
        only: names of checkpoints; empty = all.
        progress: show a bar on standard error.

    Raises:
        ConfigError: the directory is no ladder's, or has no checkpoint yet.
    """
    directory = LadderDir(path)
    evaluation = directory.ladder().evaluation
    checkpoints = chosen(all_checkpoints(directory), only)
    if not checkpoints:
        raise ConfigError(f"{path} has no finished base yet: t2rl bases build goes on with it")
    jobs = [(c, b) for c in checkpoints for b in [0, *bits]]
    missing = [(c, b) for c, b in jobs if not _scored(directory.eval_file(_key(c, b)), c)]
    with directory.locked("eval"):
        for checkpoint, width in track(
            missing, "scoring", console=progress_console(), disable=not progress or not missing
        ):
            directory.write_json(
                directory.eval_file(_key(checkpoint, width)), score(checkpoint, evaluation, bits=width)
            )
    return [
        headline(json.loads(directory.eval_file(_key(c, b)).read_text(encoding="utf-8"))) for c, b in jobs
    ]


def _scored(file: Path, checkpoint: Checkpoint) -> bool:
    """True if there are scores, and of these weights; files of T2RL 0.1 do not say of which."""
    if not file.is_file():
        return False
    weights = json.loads(file.read_text(encoding="utf-8")).get("weights")
    return weights in (None, base_fingerprint(checkpoint.model)["weights"])


def _key(checkpoint: Checkpoint, bits: int) -> str:
    return f"{checkpoint.key}@int{bits}" if bits else checkpoint.key


def score(checkpoint: Checkpoint, evaluation: LadderEvaluation, *, bits: int = 0) -> dict[str, Any]:
    """Facts, per-problem rows and lengths of one checkpoint."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # the scoring has a bar of its own
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint.model)
    model = AutoModelForCausalLM.from_pretrained(checkpoint.model, dtype=torch.float32).eval()
    quantised = quantise_model(model, bits) if bits else 0
    problems, verifier = ladder_problems(evaluation, tokenizer)
    ends = _end_ids(model, tokenizer)
    log_p: list[float | None] = [None] * len(problems)
    if evaluation.reference:
        log_p = [*_likelihoods(model, tokenizer, problems, evaluation.reference, ends[0])]
    started = time.monotonic()
    prompts = [p.token_ids for p in problems]
    leaves = list(
        sample_counts(
            model,
            prompts,
            samples=evaluation.samples,
            max_tokens=evaluation.max_tokens,
            end_ids=ends,
            seed=evaluation.seed,
        )
    )
    seconds = time.monotonic() - started
    rows, lengths = _judge(problems, leaves, tokenizer, verifier)
    return {
        "key": _key(checkpoint, bits),
        "weights": base_fingerprint(checkpoint.model)["weights"],
        "name": checkpoint.name,
        "post": checkpoint.post,
        "bits": bits,
        "quantised_weights": quantised,
        "params": checkpoint.params,
        "params_total": checkpoint.params_total,
        "tokens": checkpoint.tokens,
        "level": checkpoint.level,
        "post_flops": checkpoint.post_flops,
        "shape": _shape(model),
        "sampler": SAMPLER,
        "temperature": 1.0,
        "sampled_tokens_per_s": sum(len(leaf.token_ids) * leaf.count for leaf in leaves) / max(seconds, 1e-9),
        "lengths": lengths,
        "rows": [{**row, "logp": p} for row, p in zip(rows, log_p, strict=True)],
    }


def _likelihoods(model: Any, tokenizer: Any, problems: list[Prompt], reference: str, end: int) -> list[float]:
    texts = [reference.format(answer=p.answer) for p in problems]
    completions = [[*ids, end] for ids in bare_ids(tokenizer, texts)]
    return completion_logprobs(model, [p.token_ids for p in problems], completions)


def _judge(
    problems: list[Prompt], leaves: list[Leaf], tokenizer: Any, verifier: Reward
) -> tuple[list[dict[str, Any]], dict[str, dict[int, int]]]:
    """Per-problem rows, and how many right and wrong samples had each length."""
    right, total, truncated = Counter[int](), Counter[int](), Counter[int]()
    lengths: dict[str, Counter[int]] = {"right": Counter(), "wrong": Counter()}
    texts = make_decode(tokenizer, problems[0].thinking_tags)([leaf.token_ids for leaf in leaves])
    for leaf, text in zip(leaves, texts, strict=True):
        correct = verifier(problems[leaf.prompt], text, truncated=leaf.truncated).correct
        total[leaf.prompt] += leaf.count
        right[leaf.prompt] += leaf.count * correct
        truncated[leaf.prompt] += leaf.count * leaf.truncated
        lengths["right" if correct else "wrong"][len(leaf.token_ids)] += leaf.count
    rows = [
        {
            "id": p.id,
            "category": p.category,
            "difficulty": p.difficulty,
            "prompt_tokens": len(p.token_ids),
            "n": total[i],
            "c": right[i],
            "truncated": truncated[i],
        }
        for i, p in enumerate(problems)
    ]
    return rows, {name: dict(sorted(counts.items())) for name, counts in lengths.items()}


def _end_ids(model: Any, tokenizer: Any) -> list[int]:
    """The tokenizer's end token first, then what the generation config adds."""
    configured = model.generation_config.eos_token_id
    more = configured if isinstance(configured, list) else [configured]
    return list(dict.fromkeys(i for i in [tokenizer.eos_token_id, *more] if i is not None))


def _shape(model: Any) -> dict[str, int]:
    """Return what the cost model needs of the architecture."""
    config = model.config
    heads = config.num_attention_heads
    return {
        "layers": config.num_hidden_layers,
        "width": config.hidden_size,
        "attention_width": heads * (getattr(config, "head_dim", None) or config.hidden_size // heads),
        "kv_width": (
            (getattr(config, "num_key_value_heads", None) or heads)
            * (getattr(config, "head_dim", None) or config.hidden_size // heads)
        ),
        "vocabulary": config.vocab_size,
    }
