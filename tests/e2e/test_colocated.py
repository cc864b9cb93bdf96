"""Whole runs in which engine and learner take turns on one device."""

import json
import os
import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

from rl.records.metrics import read_metrics
from tests.e2e.conftest import Pace, assert_exactly_once
from tests.e2e.test_runs import untimed

LATE_US = 20_000
"""An answer that an engine gave before it slept may be read so much later."""
COMMON = ("run.seed=3", "evaluation.every=3", "evaluation.num_prompts=4")


def spans(run: Path) -> dict[str, list[tuple[str, float, float]]]:
    """Track -> (name, from, to), in microseconds, in order of time; the lanes of a track together."""
    events = json.loads((run / "trace.json").read_text())
    tracks = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    found: dict[str, list[tuple[str, float, float]]] = {}
    for event in events:
        if event["ph"] == "X":
            track = tracks[event["tid"]].split(" #")[0]
            found.setdefault(track, []).append((event["name"], event["ts"], event["ts"] + event["dur"]))
    return {track: sorted(rows, key=lambda row: row[1]) for track, rows in found.items()}


def assert_turns(run: Path, *, whole_groups: bool) -> None:
    """No two turns overlap; the learner trains in its own alone, and no group ends there; with
    ``whole_groups`` each begins and ends in one turn of the engines'."""
    tracks = spans(run)
    turns = tracks["turns"]
    assert all(before[2] <= after[1] + 1 for before, after in pairwise(turns)), "turns overlap"
    own = {side: [t[1:] for t in turns if t[0] == side] for side in ("engines", "learner")}
    steps = [row for row in tracks["learner"] if row[0].startswith("train")]
    assert len(own["engines"]) >= 3 and len(own["learner"]) >= 3 and len(steps) >= 3
    for name, start, end in steps:
        assert any(a <= start and end <= b + LATE_US for a, b in own["learner"]), name
    assert tracks["groups"]
    for name, start, end in tracks["groups"]:
        assert not any(a + LATE_US < end < b for a, b in own["learner"]), name
        if whole_groups and name != "plan -1":  # an evaluation's wait for the turn after they were issued
            assert any(a - LATE_US <= start and end <= b + LATE_US for a, b in own["engines"]), name


def metrics_of(job: Any, name: str) -> list[dict[str, Any]]:
    job.run = job.run.with_name(name)
    assert job.wait() == 0, job.log
    rows: list[dict[str, Any]] = read_metrics(job.run / "metrics.jsonl")
    return rows


def test_in_turns_a_synchronous_run_computes_the_same_numbers_and_nobody_works_at_the_same_time(start):
    plain = start("run.steps=6", "run.name=plain", "stream.max_staleness=0", *COMMON)
    expected = metrics_of(plain, "plain")
    turns = ("cluster.colocated=true", "cluster.sleep_level=2", "stream.max_staleness=0")
    job = start("run.steps=6", "run.name=turns", *turns, *COMMON)
    rows = metrics_of(job, "turns")
    assert [{k: v for k, v in untimed(row).items() if not k.startswith("turns/")} for row in rows] == [
        untimed(row) for row in expected
    ]
    evaluations = [sorted((one.run / "eval").glob("*.jsonl")) for one in (plain, job)]
    assert [p.read_text() for p in evaluations[0]] == [p.read_text() for p in evaluations[1]]
    assert_turns(job.run, whole_groups=True)
    last = rows[-1]
    assert last["turns/tokens_asleep"] == 0 and last["turns/changes"] >= 2 * len(rows) - 1
    assert 0 < last["turns/learner_moved_bytes"] > 20 * last["turns/learner_left_bytes"]


def test_one_plan_ahead_an_engine_is_lost_and_comes_back_in_its_turn(start, tmp_path):
    pace = Pace(tmp_path, seconds=0.3)
    job = start(
        *pace.overrides,
        "run.steps=16",
        "cluster.colocated=true",
        "stream.group_timeout_s=20",
        "checkpoint.every=4",
        "evaluation.num_prompts=4",
    )
    job.until_step(4)
    job.kill_descendant("ray::RolloutWorker")
    pace.hurry()
    assert job.wait() == 0, job.log
    assert_exactly_once(job.run, steps=16, groups_per_step=4)
    rows = read_metrics(job.run / "metrics.jsonl")
    assert max(row["buffer/staleness_max"] for row in rows) <= 1
    assert rows[-1]["rollout/engine_restarts"] == 1
    assert_turns(job.run, whole_groups=False)


def test_a_run_in_turns_that_was_interrupted_and_lost_its_learner_goes_on(start, tmp_path):
    pace = Pace(tmp_path, seconds=0.5)
    turns = (
        *pace.overrides,
        "cluster.colocated=true",
        "cluster.sleep_level=2",
        "stream.max_staleness=0",
        "checkpoint.every=3",
        "evaluation.num_prompts=4",
    )
    job = start("run.steps=10", *turns)
    job.until_step(2)
    os.kill(job.process.pid, signal.SIGINT)
    assert job.wait() == 130, job.log
    job = start("run.steps=10", "resume=auto", *turns)
    job.until_step(7)
    job.kill_descendant("ray::LearnerActor")
    pace.hurry()
    assert job.wait() == 0, job.log
    assert_exactly_once(job.run, steps=10, groups_per_step=4)
    assert_turns(job.run, whole_groups=False)


def test_with_an_engine_apart_every_group_trains_once_and_both_engines_live(start):
    """That it samples in the learner's turn is the unit test's to show: turns are short here."""
    job = start(
        "run.steps=10",
        "cluster.colocated=true",
        "cluster.engines_apart=1",
        "rollout.num_engines=2",
        "stream.max_staleness=2",
        "evaluation.num_prompts=4",
    )
    assert job.wait() == 0, job.log
    assert_exactly_once(job.run, steps=10, groups_per_step=4)
    turns = spans(job.run)["turns"]
    assert all(before[2] <= after[1] + 1 for before, after in pairwise(turns)), "turns overlap"
    rows = read_metrics(job.run / "metrics.jsonl")
    assert rows[-1]["turns/tokens_asleep"] == 0 and rows[-1]["rollout/engines_live"] == 2
    assert max(row["buffer/staleness_max"] for row in rows) <= 2
