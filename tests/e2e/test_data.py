"""Data as users have it, in a real run: a mixture of rows and generated problems, examples, stop strings."""

import json

import pyarrow.parquet

from tests.e2e.conftest import assert_exactly_once

SUMS = (
    "task.parts.sums={kind: file, path: examples/data/sums.jsonl, shots: 1, shot_separator: ';',"
    " reward: regex, reward_args: {pattern: '[^#]*#(-?\\d+)', group: 1}}"
)


def test_a_mixture_with_examples_and_a_stop_string_trains(start):
    job = start(
        "task=[tiny]",
        SUMS,
        "task.weights={tiny: 1, sums: 3}",
        "task.allow_overlap=true",
        "rollout.stop=['#1']",
        "records.tokens=true",
        "rollout.max_tokens=24",
        "rollout.max_model_len=96",
    )
    assert job.wait() == 0, job.log
    assert_exactly_once(job.run, steps=3, groups_per_step=4)
    rollouts = pyarrow.parquet.read_table(job.run / "rollouts").to_pylist()
    parts = [row["category"].partition("/")[0] for row in rollouts]
    assert abs(parts.count("sums") - 3 * parts.count("tiny")) <= 16, "shares of the draws"
    for row in rollouts:
        assert row["prompt_id"].startswith(f"{row['category'].partition('/')[0]}/")
        assert (";" in row["prompt"]) == row["prompt_id"].startswith("sums/"), "an example in front"
    stopped = [row for row in rollouts if row["finish_reason"] == "stop"]
    assert stopped and not any("#1" in row["completion"] for row in rollouts), "rewards see what is in front"
    counts = [
        json.loads(line) for line in (job.run / "eval" / "version-00000000.jsonl").read_text().splitlines()
    ]
    assert {row["category"].partition("/")[0] for row in counts} == {"sums", "tiny"}
