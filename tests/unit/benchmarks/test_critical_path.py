"""The critical path of a made time line, whose waits are known."""

from typing import Any

import pytest

from benchmarks.speed.critical_path import BETWEEN, CALM, PUBLISH, PUSH, SAMPLE, TRAIN, Timeline, summary


def span(track: int, name: str, start: float, end: float) -> dict[str, Any]:
    return {"ph": "X", "tid": track, "name": name, "ts": start * 1e6, "dur": (end - start) * 1e6}


TRACKS = [
    {"ph": "M", "name": "thread_name", "tid": tid, "args": {"name": name}}
    for tid, name in enumerate(("groups", "groups #2", "learner", "sync"), start=1)
]


def made(spans: list[dict[str, Any]], *, depth: int) -> Timeline:
    return Timeline.of_events([*TRACKS, *spans], depth=depth)


def test_synchronous_steps_wait_for_everything() -> None:
    """A second of sampling, half a second of training, 10 ms for the weights on either side."""
    spans = []
    for step in range(4):
        at = 1.52 * step
        spans += [
            span(1, f"plan {step}", at, at + 0.7),
            span(2, f"plan {step}", at, at + 1.0),
            span(3, f"wait {step}", at, at + 1.0),
            span(3, f"train {step}", at + 1.0, at + 1.5),
            span(4, f"version {step + 1}", at + 1.51, at + 1.6),
        ]
    found = summary(made(spans, depth=0), first=0, last=3)
    assert found["path_ms_per_step"] == pytest.approx(
        {SAMPLE: 1000, TRAIN: 500, PUBLISH: 10, PUSH: 10, "from the last group to the learner": 0}
    )
    assert found["steps"] == 3 and found["ms_per_step"] == pytest.approx(1520)
    assert found["engines_idle_share"] == pytest.approx(0.342, abs=0.001)
    assert found["learner_idle_share"] == pytest.approx(0.671, abs=0.001)


def test_with_a_slow_learner_only_training_is_on_the_path() -> None:
    spans = [span(3, f"train {step}", 2.0 * step, 2.0 * step + 1.98) for step in range(4)]
    spans += [span(1, f"plan {step}", 2.0 * step - 3, 2.0 * step - 1) for step in range(4)]
    found = summary(made(spans, depth=1), first=0, last=3)
    assert found["path_ms_per_step"] == pytest.approx({TRAIN: 1980, BETWEEN: 20})


def test_weights_that_wait_for_the_plan_in_flight_are_held_up_by_it() -> None:
    """Plan 2 waits for version 1, made at 1.0, which waits until plan 1 is near its end at 1.6."""
    spans = [
        span(1, "plan 0", 0.0, 0.5),
        span(3, "train 0", 0.5, 1.0),
        span(2, "plan 1", 0.1, 1.8),
        span(4, "version 1", 1.6, 1.7),
        span(3, "train 1", 1.8, 2.3),
        span(1, "plan 2", 1.61, 3.0),
        span(3, "train 2", 3.0, 3.5),
    ]
    kinds = [segment.kind for segment in made(spans, depth=1).path(first=1, last=2)]
    assert kinds[:5] == [TRAIN, "from the last group to the learner", SAMPLE, PUSH, CALM]
