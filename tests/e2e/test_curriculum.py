"""A stack of four curricula, killed in the middle: the choices after the resume are those of a run that nothing happened to."""

import json
import shutil

from rl.checkpoint import CheckpointStore
from rl.config.load import load_config
from rl.curriculum.assemble import assemble
from rl.lineage import duplicates, read_lineage
from rl.prepare import prepare
from rl.records.jsonl import read_jsonl
from rl.records.metrics import live_rows
from tests.e2e.conftest import DRILL, attempts

STACK = [*DRILL, "curriculum=sec+knapsack+mixed+length", "run.seed=5", "task.train_prompts=40"]
"""Few prompts, so that they come again and their pass rates count."""


def choices(run):
    """Step -> [(prompt, rollouts)] of what was trained, and step -> what the curriculum noted of all that it drew."""
    trained = {
        step: [(row["prompt_id"], row["num_rollouts"]) for row in rows]
        for step, rows in read_lineage(run / "trained_groups.jsonl").items()
    }
    noted = {
        row["step"]: {k: v for k, v in row.items() if k != "attempt"} for row in live_rows(read_jsonl(run / "curriculum.jsonl"))
    }
    return trained, noted


def test_synchronous_a_killed_run_chooses_what_an_uninterrupted_one_chooses(start):
    synchronous = [*STACK, "stream.max_staleness=0"]
    whole = start(*synchronous)
    assert whole.wait() == 0, whole.log
    expected = choices(whole.run)
    shutil.move(whole.run, whole.run.with_name("whole"))

    cut = start(*synchronous)
    cut.until_step(14)
    cut.process.kill()
    cut.wait()
    again = start(*synchronous, "resume=auto")
    assert again.wait() == 0, again.log
    assert 12 <= attempts(again.run)[1] < 40
    trained, noted = choices(again.run)
    assert noted == expected[1]
    assert trained == expected[0]
    sizes = {rollouts for rows in trained.values() for _, rollouts in rows}
    assert len(sizes) > 1, "the knapsack gave every prompt the same: nothing was compared"


def test_asynchronous_the_state_at_the_cut_is_restored_as_it_was(start):
    job = start(*STACK, "stream.max_staleness=2")
    job.until_step(14)
    job.process.kill()
    job.wait()
    checkpoint = CheckpointStore(job.run / "checkpoints", keep=2).latest()
    saved = checkpoint.load_state()
    assert saved.curriculum and saved.statistics["rows"], "the checkpoint holds no observations"

    config = load_config("debug", [*STACK, "stream.max_staleness=2"])
    stack, store = assemble(config, prepare(config).train_prompts)
    store.load_state_dict(saved.statistics)
    stack.load_state_dict(saved.curriculum)
    for restored, written in ((stack, saved.curriculum), (store, saved.statistics)):
        assert json.dumps(restored.state_dict(), sort_keys=True) == json.dumps(written, sort_keys=True)

    again = start(*STACK, "stream.max_staleness=2", "resume=auto")
    assert again.wait() == 0, again.log
    assert attempts(again.run) == [0, saved.version]
    lineage = read_lineage(again.run / "trained_groups.jsonl")
    assert sorted(lineage) == list(range(40))
    assert duplicates(lineage) == []
