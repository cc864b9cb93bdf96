"""Curricula that ask the learner about prompts, in real runs: the value head of PCL, and GAIN's angles."""

import numpy as np
import pytest

from rl.records.metrics import read_metrics
from rl.run.lineage import read_lineage
from tests.e2e.conftest import attempts

SHORT = [
    "run.steps=6",
    "checkpoint.every=3",
    "checkpoint.keep=3",
    "evaluation.num_prompts=4",
    "stream.max_staleness=0",
]
VALUE_HEAD = ["curriculum=pcl", "curriculum.prompts.args.source=value_head"]


def chosen(run):
    """Step -> prompts trained."""
    return {
        step: [row["prompt_id"] for row in rows]
        for step, rows in read_lineage(run / "trained_groups.jsonl").items()
    }


@pytest.mark.parametrize(
    ("curriculum", "figure"), [(VALUE_HEAD, "pcl_head_error"), (["curriculum=gain"], "gain_signal")]
)
def test_a_run_goes_by_what_its_learner_says_and_so_does_a_resumed_one(start, curriculum, figure):
    whole = start(*SHORT, *curriculum)
    assert whole.wait() == 0, whole.log
    expected = chosen(whole.run)
    rows = read_metrics(whole.run / "metrics.jsonl")
    figures = [row[f"curriculum/{figure}"] for row in rows]
    assert len(figures) == 6 and all(np.isfinite(figures))
    assert len(set(figures)) > 1, "the learner's answer never moved"
    if figure == "pcl_head_error":
        assert [row["curriculum/pcl_head_version"] for row in rows] == [1, 2, 3, 4, 5, 6]

    again = start(*SHORT, *curriculum, f"resume={whole.run}/checkpoints/step-00000003")
    assert again.wait() == 0, again.log
    assert attempts(again.run)[-1] == 3
    assert chosen(again.run) == expected
