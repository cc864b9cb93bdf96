"""kill -9 of every kind of process in the middle of a run, and Ctrl-C: the run goes on or resumes, and trains
every group once."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time

import pandas as pd  # type: ignore[import-untyped]
import pytest

from rl.commands.export import export_checkpoint
from rl.config.load import load_config
from rl.records.jsonl import read_jsonl
from rl.records.metrics import read_metrics
from rl.records.rundir import RunDir
from rl.run.checkpoint import CheckpointStore
from rl.run.fingerprint.of_run import run_fingerprint
from rl.run.lineage import duplicates, read_lineage
from rl.run.prepare.inputs import prepare
from rl.run.start import check_fingerprint, choose_start
from tests.e2e.conftest import DRILL, Pace, assert_exactly_once, attempts

IN_PARTS = [
    "stream.inside_batch=true", "learner.updates_per_batch=1", "learner.micro_batch_tokens=64",
    "rollout.max_num_seqs=4",
]  # fmt: skip
"""Groups are sampled one after the other, and each that is finished goes to a learner that waits."""


def test_a_lost_rollout_actor_and_a_lost_engine_process_are_replaced_and_their_groups_issued_again(
    start, tmp_path
):
    """A killed actor, a killed engine process, and one that hangs: it answers nothing and dies of nothing,
    and that it samples nothing with work to do is all that tells."""
    pace = Pace(tmp_path, seconds=0.2)
    job = start(*DRILL, *pace.overrides, "rollout.backend=async", "run.steps=80")
    for name, how in (
        ("ray::RolloutWorker", signal.SIGKILL),
        ("EngineCore", signal.SIGKILL),
        ("EngineCore", signal.SIGSTOP),
    ):
        job.until_step(job.steps() + 8)
        job.kill_descendant(name, how)
    pace.hurry()
    assert job.wait() == 0, job.log
    rows = read_metrics(job.run / "metrics.jsonl")
    restarts = [row["rollout/engine_restarts"] for row in rows]
    assert list(dict.fromkeys(restarts)) == [0, 1, 2, 3], "steps before each, and after the last"
    assert rows[-1]["rollout/engine_recovery_max_s"] > 0
    assert max(row["sync/probe_gap"] for row in rows if "sync/probe_gap" in row) < 1e-4, (
        "the new engine serves the current weights"
    )
    said = [row["name"] for row in read_jsonl(job.run / "advisories.jsonl") if "name" in row]
    assert "stalled" in said, "it was said while it hung"
    assert attempts(job.run) == [0], "the run went on, it was not restarted"
    assert_exactly_once(job.run, steps=80, groups_per_step=4)


def test_a_killed_learner_rank_comes_back_beside_live_engines_and_without_a_checkpoint_the_run_goes_back(
    start, tmp_path
):
    pace = Pace(tmp_path, seconds=0.03)
    ranks = ["learner.num_ranks=2", "learner.zero_stage=2", "learner.replay_mib=64"]
    job = start(*DRILL, *IN_PARTS, *pace.overrides, *ranks)
    job.until_step(10)
    engines = job.pids("ray::RolloutWorker")
    job.kill_descendant("ray::LearnerActor")
    job.until_step(20)
    rows = read_metrics(job.run / "metrics.jsonl")
    assert attempts(job.run) == [0] and job.pids("ray::RolloutWorker") == engines, "the run went on"
    assert (rows[-1]["learner/restarts"], rows[-1]["rollout/engine_restarts"]) == (1, 0), job.log
    assert 0 < rows[-1]["learner/replayed_batches"] <= 8
    assert max(row["sync/probe_gap"] for row in rows if "sync/probe_gap" in row) < 1e-4
    reissued = [row[name] for row in rows for name in row if name.startswith("rollout/reissued")]
    assert not any(reissued), "no token was lost"

    stopped = job.kill_descendant("ray::LearnerActor", signal.SIGSTOP)
    time.sleep(1)  # a checkpoint that is whole by now gets its name
    before, newest = CheckpointStore(RunDir(job.run), keep=100).all()[-2:]
    os.truncate(next(newest.learner_dir.rglob("*.pt")), 100)
    os.kill(stopped, signal.SIGKILL)
    pace.hurry()
    assert job.wait() == 0, job.log
    assert attempts(job.run) == [0, before.step], "the newest checkpoint that is whole"
    assert_exactly_once(job.run, steps=40, groups_per_step=4)
    assert max(row.get("learner/parts", 0) for row in read_metrics(job.run / "metrics.jsonl")) > 1


def assert_every_rollout_is_kept_once(run, *, steps, without_row=()):
    """In the folder as strangers read it, and as many of each step as the metrics say were sampled.
    ``without_row``: steps that have no row of metrics."""
    frame = pd.read_parquet(run / "rollouts")
    assert not frame.duplicated(["group_id", "index"]).any()
    sampled = {row["step"]: row["rollout/rollouts"] for row in read_metrics(run / "metrics.jsonl")}
    kept = frame.groupby("step").size().to_dict()
    assert sampled.items() <= kept.items() and sorted(kept) == list(range(steps))
    assert sorted([*sampled, *without_row]) == list(range(steps))
    assert frame[frame.trained].advantage.notna().all() and (frame.completion.str.len() > 0).any()
    assert (frame.gap_max[frame.staleness == 0].dropna() < 1e-3).all()


def test_a_killed_controller_resumes_from_the_newest_checkpoint(start):
    more = "{kind: reasoning_gym, style: compact, categories: [chain_sum], levels: [4], extraction: hash}"
    suite = f"evaluation.suites={{more: {{task: {more}, num_prompts: 40, samples_per_prompt: 4, every: 8}}}}"
    job = start(*DRILL, *IN_PARTS, "stream.max_staleness=2", suite)
    job.until(lambda: (job.run / "checkpoints" / "step-00000008").exists(), "the checkpoint of step 8")
    job.process.kill()
    job.wait()
    counts = job.run / "eval" / "more"
    assert not (counts / "version-00000008.jsonl").exists(), "killed while the suite was evaluated"
    again = start(*DRILL, *IN_PARTS, "stream.max_staleness=2", suite, "resume=auto")
    assert again.wait() == 0, again.log
    restored = attempts(again.run)
    assert len(restored) == 2 and restored[1] == 8
    every_8 = list(range(0, 41, 8))
    assert sorted(int(path.stem[-8:]) for path in counts.glob("*.jsonl")) == every_8, "none lost, none more"
    assert len(list((counts / "rollouts").glob("*.parquet"))) == len(every_8), "none twice"
    rows = read_metrics(again.run / "metrics.jsonl")
    of_steps = [row["eval/more/version"] for row in rows if "eval/more/version" in row]
    assert of_steps == every_8[1:-1], "the last one is the run's own end"
    assert_exactly_once(again.run, steps=40, groups_per_step=4)
    assert max(row["buffer/staleness_max"] for row in read_metrics(again.run / "metrics.jsonl")) <= 2
    # The row of a step comes behind its evaluation, and ended with it.
    assert_every_rollout_is_kept_once(again.run, steps=40, without_row=[7])


def test_ctrl_c_leaves_a_checkpoint_that_can_be_exported_and_resumed_but_not_as_another_run(
    start, cache, monkeypatch, caplog
):
    job = start(*DRILL)
    job.until_step(6)
    os.kill(job.process.pid, signal.SIGINT)
    assert job.wait() == 130, job.log
    assert f"run directory: {job.run}" in job.log.splitlines()[0] and "starting 1 engine" in job.log
    trained = job.steps()

    monkeypatch.setenv("T2RL_CACHE", str(cache))
    step, exported = export_checkpoint(job.run)
    assert step == trained and not (job.run / "model").exists()
    assert (exported / "tokenizer.json").read_bytes() == (job.run / "base" / "tokenizer.json").read_bytes()

    own = [*DRILL, f"run.dir={job.run.parent}", "resume=auto"]
    with pytest.raises(ValueError, match=r'algorithm\.advantage: was "grpo"; now "rloo"'):
        resumed(*own, "algorithm.advantage=rloo")
    with pytest.raises(ValueError, match=r"data: was 12000 rows.*now 300 rows"):
        resumed(*own, "task.train_prompts=300", "resume.accept=[task]")
    with pytest.raises(ValueError, match=rf"run\.steps: 1, but .* has {trained} steps"):
        resumed(*own, "run.steps=1")
    other = shutil.copytree(exported, job.run.parent / "other")
    with pytest.raises(ValueError, match=r"base: was weights \w+.*; now weights \w+, from .*/other"):
        resumed(*own, "model=path", f"model.path={other}")
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["+"], vocabulary["-"] = vocabulary["-"], vocabulary["+"]
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(
        ValueError, match=r"tokenizer: was .*cannot be accepted: the same ids would mean other texts"
    ):
        resumed(*own, "model=path", f"model.path={other}", "resume.accept=[base,tokenizer,data]")

    again = start(
        *DRILL,
        "resume=auto",
        "algorithm.mask.clip_high=0.3",
        "task.train_prompts=300",
        "resume.accept=[algorithm,data,task]",
    )
    assert again.wait() == 0, again.log
    assert "resume.accept: algorithm.mask.clip_high was 0.28; now 0.3" in again.log
    assert attempts(again.run) == [0, trained], "nothing that was trained was lost"
    lineage = read_lineage(again.run / "trained_groups.jsonl")
    assert sorted(lineage) == list(range(40)) and duplicates(lineage) == []
    steps, final = export_checkpoint(again.run)
    weights = [(folder / "model.safetensors").read_bytes() for folder in (final, again.run / "model")]
    assert steps == 40 and weights[0] == weights[1], "the newest checkpoint is what the run ended with"

    before, newest = CheckpointStore(RunDir(again.run), keep=100).all()[-2:]
    os.truncate(next(newest.learner_dir.rglob("*.pt")), 100)
    start_again = choose_start(load_config("debug", own))
    assert start_again.checkpoint == before, "the newest whole one"
    assert "step 40 is damaged and passed over" in caplog.text and "100 bytes of" in caplog.text
    with pytest.raises(ValueError, match=r"--step 40: the checkpoint is damaged"):
        export_checkpoint(again.run, step="40")


def resumed(*overrides):
    """What ``t2rl train`` does before any actor starts."""
    config = load_config("debug", list(overrides))
    start = choose_start(config)
    check_fingerprint(
        start.checkpoint.fingerprint(), run_fingerprint(config, prepare(config)), config=config, run=start.run
    )


def test_a_second_ctrl_c_waits_for_nobody(start, tmp_path):
    job = start(*DRILL, *Pace(tmp_path, seconds=0.2).overrides, "checkpoint.every=2")
    job.until_step(3)
    stuck = job.kill_descendant("ray::LearnerActor", signal.SIGSTOP)
    try:
        os.kill(job.process.pid, signal.SIGINT)
        job.until(lambda: "interrupted: finishing" in job.log, "the first Ctrl-C to be heard")
        began = time.monotonic()
        os.kill(job.process.pid, signal.SIGINT)
        assert job.wait() == 130, job.log
        assert time.monotonic() - began < 25, "a rank that does not answer is given 30 s to close otherwise"
        assert (
            "Traceback" not in job.log
            and "interrupted: left at once. resume=auto goes on from step" in job.log
        )
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(stuck, signal.SIGKILL)


def test_a_disk_that_fills_up_ends_the_run_with_a_message_and_an_older_checkpoint(start, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no right to mount a small disk")
    try:
        job = start(*DRILL, f"run.dir={disk}", "checkpoint.every=2", "checkpoint.keep=100")
        assert job.wait() == 1, job.log
        run = RunDir(disk / "debug")
        newest = CheckpointStore(run, keep=100).latest()
        said = job.log.strip().splitlines()[-1]
        assert said.startswith(f"error: cannot write to {run.path}: No space left on device"), job.log
        assert f"resume=auto goes on from step {newest.step}" in said and "Traceback" not in job.log
        assert newest.load_state().version == newest.step
        step, _ = export_checkpoint(run.path, to=tmp_path / "saved")
        assert step == newest.step
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
