"""A stack of four curricula, killed in the middle: the choices after the resume are those of a run that
nothing happened to."""

import functools
import json
import shutil
from typing import Any

import pytest

from rl.config.load import load_config
from rl.records.jsonl import read_jsonl
from rl.records.metrics import live_rows, read_metrics
from rl.records.rundir import RunDir
from rl.run.checkpoint import CheckpointStore
from rl.run.curriculum import assemble
from rl.run.lineage import duplicates, read_lineage
from rl.run.prepare.inputs import prepare
from tests.e2e.conftest import DRILL, Pace, attempts

STACK = [*DRILL, "curriculum=sec+knapsack+mixed+length", "run.seed=5"]
NUM_PROMPTS = 12
"""Few, so that they come again and their pass rates count."""
REWARD = """
import zlib
from rollout.types import RewardResult

class Chance:
    '''Right with probability difficulty / 8, decided by the text: the nano base gets none right.'''

    def __call__(self, prompt, text, *, truncated):
        correct = zlib.crc32(f"{prompt.id} {text}".encode()) % 8 < prompt.difficulty
        return RewardResult(value=float(correct), correct=correct)
"""


@pytest.fixture
def begin(start, tmp_path, monkeypatch):
    """Start the stack on problems of known difficulty."""
    (tmp_path / "chance_reward.py").write_text(REWARD)
    monkeypatch.syspath_prepend(tmp_path)
    rows = [
        {"id": f"p{i}", "prompt": f"b {i + 2}=", "answer": "1", "category": f"c{i % 3}", "difficulty": i % 5}
        for i in range(48)
    ]
    for split, part in (("train", rows[:NUM_PROMPTS]), ("dev", rows[16:24]), ("test", rows[24:])):
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    task = [
        "task=gsm8k",
        "task.prompt_template='{prompt}'",
        "task.columns.prompt=prompt",
        "task.reward=chance_reward:Chance",
        "task.reward_args={}",
    ]
    task += [
        "task.path=null",
        *(f"task.{split}={tmp_path / split}.jsonl" for split in ("train", "dev", "test")),
    ]

    pace = Pace(tmp_path, seconds=0.1)
    overrides = [*STACK, *task, *pace.overrides]
    begin: Any = functools.partial(start, *overrides, env={"PYTHONPATH": str(tmp_path)})
    begin.overrides, begin.pace = overrides, pace
    return begin


def choices(run):
    """Step -> [(prompt, rollouts)] of what was trained, and step -> what the curriculum noted of all that it
    drew."""
    trained = {
        step: [(row["prompt_id"], row["num_rollouts"]) for row in rows]
        for step, rows in read_lineage(run / "trained_groups.jsonl").items()
    }
    noted = {
        row["step"]: {k: v for k, v in row.items() if k != "attempt"}
        for row in live_rows(read_jsonl(run / "curriculum.jsonl"))
    }
    return trained, noted


def test_synchronous_a_killed_run_chooses_what_an_uninterrupted_one_chooses(begin):
    whole = begin("stream.max_staleness=0")
    assert whole.wait() == 0, whole.log
    expected = choices(whole.run)
    shutil.move(whole.run, whole.run.with_name("whole"))

    cut = begin("stream.max_staleness=0")
    cut.until_step(14)
    cut.process.kill()
    cut.wait()
    begin.pace.hurry()
    again = begin("stream.max_staleness=0", "resume=auto")
    assert again.wait() == 0, again.log
    assert 12 <= attempts(again.run)[1] < 40
    trained, noted = choices(again.run)
    assert noted == expected[1]
    assert trained == expected[0]
    sizes = {rollouts for rows in trained.values() for _, rollouts in rows}
    assert len(sizes) > 1, "the knapsack gave every prompt the same: nothing was compared"


def test_asynchronous_the_state_at_the_cut_is_restored_as_it_was(begin):
    job = begin("stream.max_staleness=2")
    job.until_step(14)
    job.process.kill()
    job.wait()
    begin.pace.hurry()
    checkpoint = CheckpointStore(RunDir(job.run), keep=2).latest()
    saved = checkpoint.load_state()
    assert saved.curriculum and saved.statistics["rows"], "the checkpoint holds no observations"

    config = load_config("debug", [*begin.overrides, "stream.max_staleness=2"])
    stack, store = assemble(config, prepare(config).train_prompts)
    store.load_state_dict(saved.statistics)
    stack.load_state_dict(saved.curriculum)
    for restored, written in ((stack, saved.curriculum), (store, saved.statistics)):
        assert json.dumps(restored.state_dict(), sort_keys=True) == json.dumps(written, sort_keys=True)

    again = begin("stream.max_staleness=2", "resume=auto")
    assert again.wait() == 0, again.log
    assert attempts(again.run) == [0, saved.version]
    assert [row["step"] for row in read_metrics(again.run / "metrics.jsonl")] == list(range(40))
    assert duplicates(read_lineage(again.run / "trained_groups.jsonl")) == []
