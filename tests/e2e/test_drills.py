"""kill -9 of every kind of process in the middle of a run, and Ctrl-C: the run goes on or resumes, and trains every group once."""

import os
import signal

import pytest

from rl.records.metrics import read_metrics
from tests.e2e.conftest import DRILL, assert_exactly_once, attempts


def test_a_killed_rollout_actor_is_replaced_and_its_groups_are_issued_again(start):
    job = start(*DRILL)
    job.until_step(6)
    job.kill_descendant("ray::RolloutWorker")
    assert job.wait() == 0, job.log
    rows = read_metrics(job.run / "metrics.jsonl")
    assert rows[-1]["rollout/engine_restarts"] == 1
    assert rows[-1]["rollout/engine_recovery_max_s"] < 60
    assert max(row["sync/probe_gap"] for row in rows if "sync/probe_gap" in row) < 1e-4, "the new engine serves the current weights"
    assert attempts(job.run) == [0], "the run went on, it was not restarted"
    assert_exactly_once(job.run, steps=40, groups_per_step=4)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hung"])
def test_a_lost_engine_process_of_the_async_backend_is_replaced(start, how):
    """A hung one answers nothing and dies of nothing: that it samples nothing with work to do is all that tells."""
    job = start(*DRILL, "rollout.backend=async")
    job.until_step(6)
    job.kill_descendant("EngineCore", how)
    assert job.wait() == 0, job.log
    rows = read_metrics(job.run / "metrics.jsonl")
    assert rows[-1]["rollout/engine_restarts"] == 1
    assert rows[-1]["rollout/engine_recovery_max_s"] < 60
    assert_exactly_once(job.run, steps=40, groups_per_step=4)


def test_a_killed_learner_rank_brings_all_ranks_back_from_the_checkpoint(start):
    job = start(*DRILL, "learner.num_ranks=2", "learner.zero_stage=2")
    job.until_step(10)
    job.kill_descendant("ray::LearnerActor")
    assert job.wait() == 0, job.log
    restored = attempts(job.run)
    assert len(restored) == 2 and restored[1] % 4 == 0 and restored[1] >= 4
    assert_exactly_once(job.run, steps=40, groups_per_step=4)


def test_a_killed_controller_resumes_from_the_newest_checkpoint(start):
    job = start(*DRILL, "stream.max_staleness=2")
    job.until_step(10)
    job.process.kill()
    job.wait()
    again = start(*DRILL, "stream.max_staleness=2", "resume=auto")
    assert again.wait() == 0, again.log
    restored = attempts(again.run)
    assert len(restored) == 2 and restored[1] >= 8
    assert_exactly_once(again.run, steps=40, groups_per_step=4)
    assert max(row["buffer/staleness_max"] for row in read_metrics(again.run / "metrics.jsonl")) <= 2


def test_ctrl_c_leaves_a_checkpoint_of_the_last_step_and_exits_130(start):
    job = start(*DRILL)
    job.until_step(6)
    os.kill(job.process.pid, signal.SIGINT)
    assert job.wait() == 130, job.log
    trained = job.steps()
    again = start(*DRILL, "resume=auto")
    assert again.wait() == 0, again.log
    assert attempts(again.run) == [0, trained], "nothing that was trained was lost"
    assert_exactly_once(again.run, steps=40, groups_per_step=4)
