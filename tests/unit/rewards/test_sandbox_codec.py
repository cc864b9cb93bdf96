"""Jobs and outcomes as JSON, and what is refused when they come from elsewhere."""

import json

import pytest

from rewards.sandbox import Job, Limits, Outcome, Step, Stop
from rewards.sandbox.codec import job_from_wire, job_to_wire, outcome_from_wire, outcome_to_wire
from rewards.sandbox.server import jobs_of

JOB = Job(
    files={"a/b.c": b"\x00\xff", "ü": b""},
    steps=[
        Step(argv=("cc", "a/b.c"), keeps_changes=True, limits=Limits(wall_s=2.5, memory_mib=1)),
        Step(argv=("./a.out", "ß"), stdin=b"\xfe", env={"A": "1"}, collect=("x", "y/z")),
    ],
    stop_at_failure=False,
)
OUTCOME = Outcome(
    stop=Stop.MEMORY,
    exit_code=-9,
    stdout=b"\xff",
    stderr=b"",
    wall_s=0.5,
    cpu_s=0.25,
    peak_mib=3.5,
    files={"x": b"\x00"},
)


def test_there_and_back() -> None:
    assert job_from_wire(json.loads(json.dumps(job_to_wire(JOB)))) == JOB
    assert outcome_from_wire(json.loads(json.dumps(outcome_to_wire(OUTCOME)))) == OUTCOME


def changed(**step: object) -> dict:
    wire = job_to_wire(JOB)
    wire["steps"][0].update(step)
    return wire


@pytest.mark.parametrize(
    ("wire", "field"),
    [
        (None, "job"),
        ({}, "job.files"),
        ({"files": {}}, "job.steps"),
        ({"files": {"a": 1}, "steps": []}, r"job.files\['a'\]"),
        ({"files": {"a": "no base64!"}, "steps": []}, "base64"),
        ({"files": {"../a": ""}, "steps": []}, "relative"),
        (changed(collect=["/etc/passwd"]), "relative"),
        (changed(argv=[]), r"steps\[0\].argv"),
        (changed(argv="ls"), r"steps\[0\].argv"),
        (changed(argv=["a\0b"]), "null"),
        (changed(env={"": "x"}), "no name of a variable"),
        (changed(env={"a=b": "x"}), "no name of a variable"),
        (changed(limits={"memory_mib": 0.5}), r"limits\.memory_mib is 0\.5"),
        (changed(env={"A": 1}), "env"),
        (changed(env=["A"]), "env"),
        (changed(collect=[1]), "collect"),
        (changed(limits={"wall_s": -1}), "wall_s"),
        (changed(limits={"wall_s": float("nan")}), "wall_s"),
        (changed(limits={"wall_s": True}), "wall_s"),
        (changed(limits={"memory_mib": "1"}), "memory_mib"),
        (changed(limits={"memory": 1}), "unknown"),
    ],
)
def test_what_does_not_fit_is_named(wire: object, field: str) -> None:
    with pytest.raises(ValueError, match=field):
        job_from_wire(wire)


def test_limits_may_be_left_out() -> None:
    assert job_from_wire({"files": {}, "steps": [{"argv": ["true"]}]}).steps[0] == Step(argv=("true",))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "Expecting"),
        (b"[" * 100_000, "deep"),
        (b"[]", "jobs"),
        (b'{"jobs": []}', "jobs"),
        (json.dumps({"jobs": [job_to_wire(JOB)] * 3}).encode(), "jobs"),
        (json.dumps({"jobs": [{"files": {}, "steps": []}]}).encode(), "steps"),
        (json.dumps({"jobs": [changed(limits={"memory_mib": 10**6})]}).encode(), "this service allows 16384"),
    ],
)
def test_requests_are_checked(body: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        jobs_of(body)
