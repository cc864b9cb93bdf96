"""The stages through the real TRL: what reaches the model, what it costs, and what a stop and a resume
leave."""

import math
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from rl.commands.export import export_checkpoint
from rl.config.load import load_as
from rl.config.model import RecipeConfig
from rl.config.stages import DpoConfig, SftConfig
from rl.pretrain.export import export
from rl.pretrain.lean import LeanLlama
from rl.pretrain.tokenizer import EOS_ID, VOCAB_SIZE
from rl.records.metrics import read_metrics
from rl.records.trainer_checkpoints import checkpoints_of
from rl.stages import trainer as trl_side
from rl.stages.preference import dpo_columns, examples_of_file
from rl.stages.run import Interrupted, run_dpo, run_sft
from rl.stages.supervised import sft_columns, sft_examples

RECIPE = RecipeConfig(
    name="random", hidden_size=32, num_layers=2, head_dim=32, intermediate_size=64, max_positions=128
)
PAIRS = [
    ("s 1+2=", "1+2=3#3", "#4"),
    ("g 6,4=", "6%4:2,4%2:0#2", "#1"),
    ("r abc=", "#cba", "#abc"),
    ("b 3=", "3:1,1:2#2", "#3"),
]


@pytest.fixture
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random tiny base with its tokenizer."""
    path = tmp_path_factory.mktemp("base") / "model"
    torch.manual_seed(0)
    export(LeanLlama(RECIPE, VOCAB_SIZE), RECIPE, path, facts={})
    return path


def sft(base: Path, runs: Path, *overrides: str) -> SftConfig:
    own = [
        "model=path",
        f"model.path={base}",
        f"run.dir={runs}",
        "task.train_prompts=64",
        "trainer.batch_size=16",
    ]
    return load_as(SftConfig, "sft_quickstart", [*own, "trainer.epochs=2", "checkpoint.every=3", *overrides])


def dpo(base: Path, runs: Path, *overrides: str) -> DpoConfig:
    rows = runs / "pairs.jsonl"
    lines = [f'{{"prompt": "{p}", "chosen": "{c}", "rejected": "{r}"}}\n' for p, c, r in PAIRS]
    rows.write_text("".join(lines))
    own = [
        "model=path",
        f"model.path={base}",
        f"run.dir={runs}",
        f"pairs.path={rows}",
        "trainer.batch_size=4",
        "trainer.epochs=6",
    ]
    return load_as(DpoConfig, "dpo_quickstart", [*own, "trainer.lr=1e-3", *overrides])


def build(config: Any, columns: dict[str, list[list[int]]], base: Path, output: Path) -> Any:
    tokenizer = AutoTokenizer.from_pretrained(base)
    return trl_side.build_trainer(
        config, columns, model_path=base, tokenizer=tokenizer, output=output, steps=1
    )


def plain_logprobs(model: Any, prompt: list[int], completion: list[int]) -> torch.Tensor:
    """[L] nats of a completion's tokens, one sequence alone."""
    ids = torch.tensor(prompt + completion)
    with torch.no_grad():
        logprobs = torch.log_softmax(model(input_ids=ids[None]).logits[0, :-1], -1).gather(1, ids[1:, None])[
            :, 0
        ]
    return logprobs[len(prompt) - 1 :]


def test_supervised_batches_hold_our_ids_and_nothing_else(base: Path, tmp_path: Path) -> None:
    config = sft(base, tmp_path)
    examples = sft_examples(config, AutoTokenizer.from_pretrained(base))
    trainer = build(config, sft_columns(examples), base, tmp_path / "out")
    seen = []
    for batch in trainer.get_train_dataloader():
        for ids, labels, mask in zip(
            batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True
        ):
            real = ids[mask.bool()].tolist()
            trained = labels[labels != -100].tolist()
            assert trained[-1] == EOS_ID and real[-len(trained) :] == trained
            seen.append((tuple(real[: -len(trained)]), tuple(trained)))
    assert sorted(seen) == sorted((e.prompt_ids, e.completions[0]) for e in examples)


def test_the_supervised_loss_is_the_mean_over_completion_tokens(base: Path, tmp_path: Path) -> None:
    run = run_sft(sft(base, tmp_path, "data.limit=16", "trainer.epochs=1", "trainer.micro_batch_size=4"))
    (row,) = read_metrics(run / "metrics.jsonl")
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    examples = sft_examples(sft(base, tmp_path, "data.limit=16"), AutoTokenizer.from_pretrained(base))
    logprobs = torch.cat(
        [plain_logprobs(model, list(e.prompt_ids), list(e.completions[0])) for e in examples]
    )
    assert row["step"] == 0 and row["sft/loss"] == pytest.approx(-float(logprobs.mean()), abs=1e-4)


def test_pairs_reach_the_model_as_they_are_and_the_margin_grows(base: Path, tmp_path: Path) -> None:
    config = dpo(base, tmp_path)
    columns = dpo_columns(examples_of_file(config.pairs, AutoTokenizer.from_pretrained(base)))
    (batch,) = build(config, columns, base, tmp_path / "out").get_train_dataloader()
    rows = [
        ids[mask.bool()].tolist()
        for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
    ]
    expected = [
        p + c
        for key in ("chosen_ids", "rejected_ids")
        for p, c in zip(columns["prompt_ids"], columns[key], strict=True)
    ]
    assert sorted(rows) == sorted(expected)
    lengths = [len(c) for key in ("chosen_ids", "rejected_ids") for c in columns[key]]
    assert sorted(batch["completion_mask"].sum(1).tolist()) == sorted(lengths)

    metrics = read_metrics(run_dpo(config) / "metrics.jsonl")
    assert metrics[0]["dpo/loss"] == pytest.approx(math.log(2), abs=1e-4), "policy and reference start alike"
    assert metrics[0]["dpo/reward_margin"] == pytest.approx(0, abs=1e-5)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    chosen = [
        float(plain_logprobs(model, p, c).sum())
        for p, c in zip(columns["prompt_ids"], columns["chosen_ids"], strict=True)
    ]
    assert metrics[0]["dpo/logprob_chosen"] == pytest.approx(np.mean(chosen), abs=1e-3)
    assert metrics[-1]["dpo/reward_margin"] > 0.02 and metrics[-1]["dpo/loss"] < metrics[0]["dpo/loss"]


@pytest.mark.parametrize(("lora", "number"), [(False, signal.SIGINT), (True, signal.SIGTERM)])
def test_a_stop_leaves_a_checkpoint_and_the_resumed_stage_ends_where_the_whole_one_does(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lora: bool, number: int
) -> None:
    adapters = ["trainer.lora={r: 4}", "trainer.lr=1e-2"] if lora else []
    whole = run_sft(sft(base, tmp_path, "run.name=whole", *adapters))
    original = trl_side.Records.on_log

    def interrupt_at_four(self: Any, args: Any, state: Any, control: Any, **more: Any) -> None:
        original(self, args, state, control, **more)
        if state.global_step == 4:
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patched, pytest.raises(Interrupted, match="resume=auto"):
        patched.setattr(trl_side.Records, "on_log", interrupt_at_four)
        run_sft(sft(base, tmp_path, "run.name=cut", *adapters))
    cut = tmp_path / "cut"
    assert not (cut / "model").exists()
    stopped = len(read_metrics(cut / "metrics.jsonl"))
    assert stopped < 8, "eight steps were to come"
    resume = ["run.name=cut", "resume=auto", *adapters]
    for change, message in (
        ("data.limit=32", r"data: was 64 rows.*now 32 rows"),
        (
            f"model.path={other_base(tmp_path)}",
            r"base: was weights \w+, from .*; now weights \w+, from .*other",
        ),
        ("trainer.lr=0.5", r"trainer\.lr: was .*; now 0\.5"),
    ):
        with pytest.raises(ValueError, match=message):
            run_sft(sft(base, tmp_path, *resume, change))
    with pytest.raises(ValueError, match=r"trainer\.lr: .*cannot be accepted"):
        run_sft(sft(base, tmp_path, *resume, "trainer.lr=0.5", "resume.accept=[trainer]"))
    with pytest.raises(ValueError, match="ask for 2 steps"):
        run_sft(sft(base, tmp_path, *resume, "trainer.max_steps=2"))
    assert run_sft(sft(base, tmp_path, *resume)) == cut
    rows = [read_metrics(run / "metrics.jsonl") for run in (whole, cut)]
    assert [r["step"] for r in rows[1]] == list(range(8))
    assert [r["sft/loss"] for r in rows[1]] == pytest.approx([r["sft/loss"] for r in rows[0]], abs=1e-5)
    weights = [load_file(run / "model" / "model.safetensors") for run in (whole, cut)]
    start = load_file(base / "model.safetensors")
    assert weights[0].keys() == weights[1].keys() == start.keys()
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, atol=1e-6, rtol=0, msg=name)
    assert max(float((weights[0][n] - start[n]).abs().max()) for n in start) > 1e-3
    assert (cut / "model" / "adapter" / "adapter_model.safetensors").is_file() is lora
    assert (cut / "model" / "tokenizer.json").read_bytes() == (base / "tokenizer.json").read_bytes()

    assert not list((cut / "checkpoints").glob("tmp*"))
    step, exported = export_checkpoint(cut)
    assert step == 8 and exported == cut / "export" / "step-00000008"
    again, final = (
        {p.relative_to(d): p.read_bytes() for p in d.rglob("*") if p.is_file()}
        for d in (exported, cut / "model")
    )
    assert again.keys() == final.keys()
    assert [name for name in final if again[name] != final[name] and name.suffix == ".safetensors"] == []
    earlier, elsewhere = export_checkpoint(cut, step="6", to=tmp_path / "six")
    assert earlier == 6 and (elsewhere / "tokenizer.json").is_file()
    assert (elsewhere / "model.safetensors").read_bytes() != final[Path("model.safetensors")]
    with pytest.raises(ValueError, match="not empty"):
        export_checkpoint(cut, to=tmp_path / "six")
    if lora:
        shutil.copyfile(other_base(tmp_path) / "model.safetensors", base / "model.safetensors")
        with pytest.raises(ValueError, match="is gone or another by now"):
            export_checkpoint(cut, to=tmp_path / "mixed")


def other_base(folder: Path) -> Path:
    """Another base of the same shape with the same tokenizer."""
    path = folder / "other"
    if not path.exists():
        torch.manual_seed(1)
        export(LeanLlama(RECIPE, VOCAB_SIZE), RECIPE, path, facts={})
    return path


def test_a_checkpoint_that_a_kill_cut_off_is_passed_over(base: Path, tmp_path: Path) -> None:
    run = run_sft(sft(base, tmp_path, "trainer.max_steps=6"))
    assert [steps for steps, _ in checkpoints_of(run / "checkpoints")] == [3, 6]
    (run / "checkpoints" / "checkpoint-6" / "trainer_state.json").write_text('{"global_st')
    assert [steps for steps, _ in checkpoints_of(run / "checkpoints")] == [3]
    with pytest.raises(ValueError, match="not a complete checkpoint"):
        run_sft(sft(base, tmp_path, f"resume={run}/checkpoints/checkpoint-6"))


def test_nothing_is_reported_to_the_hub(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants
    from huggingface_hub.utils import _telemetry

    sent: list[Any] = []
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(constants, "is_offline_mode", lambda: False)
    monkeypatch.setattr(_telemetry, "_start_telemetry_thread", lambda: None)
    monkeypatch.setattr(_telemetry._TELEMETRY_QUEUE, "put", sent.append)
    columns = {"input_ids": [[1, 5, 2]], "labels": [[-100, 5, 2]]}
    build(sft(base, tmp_path), columns, base, tmp_path / "out")
    assert sent == []
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", False)
    build(sft(base, tmp_path), columns, base, tmp_path / "out")
    assert len(sent) == 1, "it would have been"
