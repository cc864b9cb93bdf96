"""Runs over real Ray nodes, each with its own network, /dev/shm and Ray directory (``tests/e2e/nodes.py``).

Three nodes: the head with room for one engine, where the driver runs; one with room for the learner; one with
room for another engine.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rl.records.metrics import read_metrics
from tests.e2e.conftest import Job, Pace, assert_exactly_once, attempts
from tests.e2e.nodes import Lab

NODES = ["cluster=multinode", "rollout=cpu", "learner=cpu", "cluster.nodes=3", "rollout.num_engines=2"]
PATIENCE_S = 600.0
"""Three nodes and their actors are thirty processes, on however few cores."""
ONE_RANK = ["cluster.cpus_per_learner=3"]
"""A rank that only the second node has room for."""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Three nodes, for all tests of this module."""
    why = Lab.missing()
    if why is not None:
        pytest.skip(why)
    opened = Lab()
    try:
        opened.boot(1, 3, 1)
        yield opened
    finally:
        opened.close()


@pytest.fixture
def begin(lab: Lab, tmp_path: Path, cache: Path) -> Iterator[Callable[..., Job]]:
    """Start ``t2rl train`` on the head; what is left of it is ended after the test."""
    jobs: list[Job] = []

    def _begin(*overrides: str) -> Job:
        head = lab.nodes[0]
        given = [*NODES, f"cluster.address={lab.address}", *overrides]
        jobs.append(Job(tmp_path, cache, *given, prefix=head.inside, env=head.env()))
        jobs[-1].patience_s = PATIENCE_S
        return jobs[-1]

    yield _begin
    for job in jobs:
        job.end()


def seats(run: Path) -> dict[str, str]:
    """Actor to the name of the node that it was on when the run's status was written; verifiers are on the
    driver's."""
    status = json.loads((run / "status.json").read_text())
    return {actor["name"]: actor["host"] for actor in status["actors"] if actor["host"] is not None}


def largest_gap(run: Path) -> float:
    """Between the log-probs of engines and learner, over the whole run."""
    rows = read_metrics(run / "metrics.jsonl")
    return max(row["sync/probe_gap"] for row in rows if "sync/probe_gap" in row)


def test_ranks_and_engines_on_different_nodes_train(begin: Callable[..., Job], lab: Lab) -> None:
    two = ["learner.num_ranks=2", "cluster.learner_nodes=2", "learner.zero_stage=2"]
    job = begin(*two, "checkpoint.every=2")
    assert job.wait() == 0, job.log
    where = seats(job.run)
    assert where["learner-0"] != where["learner-1"] and where["engine-0"] != where["engine-1"], where
    assert set(where.values()) == {node.name for node in lab.nodes}
    assert largest_gap(job.run) < 1e-4
    assert_exactly_once(job.run, steps=3, groups_per_step=4)
    assert (job.run / "model" / "model.safetensors").is_file()


STEPS = 80
ONE_MICRO_BATCH = ["learner.updates_per_batch=1", "learner.micro_batch_tokens=4096"]


class Long:
    """A run that takes its time until it is told to hurry, so that nodes can go and come in the middle."""

    def __init__(self, begin: Callable[..., Job], folder: Path, *overrides: str) -> None:
        self._pace = Pace(folder, seconds=1.5)
        limits = ["checkpoint.every=4", "stream.group_timeout_s=20", "evaluation.num_prompts=4"]
        self.job = begin(*self._pace.overrides, *limits, f"run.steps={STEPS}", *ONE_MICRO_BATCH, *overrides)

    def figure(self, name: str) -> float:
        """In the newest row of metrics; 0 where it is not."""
        rows = read_metrics(self.job.run / "metrics.jsonl")
        return float(rows[-1].get(name, 0)) if rows else 0.0

    def until_engines(self, live: int, what: str) -> None:
        """Wait for a step that so many engines sampled for."""
        self.job.until(lambda: self.figure("rollout/engines_live") == live, what)

    def more_steps(self, count: int) -> None:
        """Wait for so many steps more."""
        self.job.until_step(self.job.steps() + count)

    def finish(self) -> None:
        """Let it run to its end, which must be a good one."""
        self._pace.hurry()
        assert self.job.wait() == 0, self.job.log
        assert largest_gap(self.job.run) < 1e-4, "every engine serves the current weights"
        assert_exactly_once(self.job.run, steps=STEPS, groups_per_step=4)
        rows = read_metrics(self.job.run / "metrics.jsonl")
        assert max(row["buffer/staleness_max"] for row in rows) <= 1


def test_a_node_of_an_engine_and_the_learners_die_and_come_back(
    begin: Callable[..., Job], lab: Lab, tmp_path: Path
) -> None:
    run = Long(begin, tmp_path, *ONE_RANK, "learner.max_restarts=4")
    run.job.until_step(3)
    learners, engines = lab.nodes[1:]
    run.job.until(lambda: seats(run.job.run)["learner-0"] == learners.name, "the learner on its node")

    engines.kill()
    run.until_engines(1, "a step with the other engine alone")
    run.more_steps(2)
    lab.again(engines)
    run.until_engines(2, "a step with the engine of the node that came back")
    assert attempts(run.job.run) == [0], "the run went on, it was not restarted"

    before = run.job.steps()
    learners.kill()
    lab.again(learners)
    run.job.until(lambda: len(attempts(run.job.run)) >= 2, "another attempt")
    run.finish()
    restored = attempts(run.job.run)[1]
    assert restored % 4 == 0 and before - 8 < restored <= before + 2, "from the last whole checkpoint"
    # Ray may give the new rank a seat on the node before it knows that the node is gone.
    assert set(attempts(run.job.run)[2:]) <= {restored}


def test_engines_follow_the_nodes(begin: Callable[..., Job], lab: Lab, tmp_path: Path) -> None:
    run = Long(begin, tmp_path, *ONE_RANK, "cluster.elastic=true")
    run.job.until_step(2)
    [joined] = lab.boot(1)
    run.until_engines(3, "an engine on the node that joined")
    assert run.figure("rollout/engines_joined") == 1

    drained = lab.nodes[2]
    drained.drain(deadline_s=60)
    run.until_engines(2, "the engine of the drained node to leave")
    drained.kill()
    run.more_steps(1)
    run.job.until(lambda: seats(run.job.run).get("engine-2") == joined.name, "the status to name its node")

    joined.kill()
    run.until_engines(1, "the engine of the killed node to leave")
    lab.again(joined)
    run.until_engines(2, "an engine on the node that came back")
    run.finish()
    assert run.figure("rollout/engines_joined") == 2 and run.figure("rollout/engines_left") == 2
    assert attempts(run.job.run) == [0]
    assert re.search(r"drained: engine [01] gets no more groups", run.job.log)


def test_a_base_that_another_node_does_not_see_is_refused_at_the_start(
    begin: Callable[..., Job], lab: Lab, cache: Path
) -> None:
    """The last one here: it takes a node's view of the cache away."""
    blind = lab.nodes[1]
    blind.hide(cache)
    job = begin(*ONE_RANK)
    assert job.wait() == 2, job.log
    said = " ".join(job.log.split())
    assert "model: put the base on storage that all nodes share" in said and f"node {blind.address}:" in said
    assert "Traceback" not in said
