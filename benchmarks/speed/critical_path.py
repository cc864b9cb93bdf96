"""A run's critical path: what every step of the pipeline waited for, in milliseconds, from its trace.

    python -m benchmarks.speed.critical_path RUN [--first N] [--last N] [--json FILE]

Walks back from the end of the last step. The end of a step was held up by its batch's last group, or by the
step before; a plan was held up by the weights that free its ticket; the push of weights by the step that made
them, or by the plan that had to come near its end first (``stream.push_at_share``). What held up last is on
the path, so the milliseconds add up to the time that passed, and only what is on it can make a run faster.

Needs a run of one attempt without a checkpoint or an evaluation between the two steps.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.lib.common import CONSOLE

CLOSE_S = 0.05
"""A span that begins so soon after another ended was held up by it."""

SAMPLE, CALM, TRAIN, BATCH, BETWEEN, PUBLISH, PUSH = (
    "sampling the batch's last group",
    "sampling until the weights may come",
    "training after the last group",
    "from the last group to the learner",
    "between two steps",
    "from the step to the push",
    "from the push to the next plan",
)


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of the path, seconds since the epoch."""

    kind: str
    step: int
    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The spans that the path is made of, by step; all are (start, end) in seconds since the epoch."""

    train: dict[int, tuple[float, float]]
    push: dict[int, tuple[float, float]]
    """By version."""
    groups: dict[int, list[tuple[float, float]]]
    """By plan."""
    depth: int
    """Plans ahead of the confirmed weights."""

    @classmethod
    def of_events(cls, events: list[dict[str, Any]], *, depth: int) -> "Timeline":
        """From a trace's events."""
        tracks = {e["tid"]: e["args"]["name"] for e in events if e.get("name") == "thread_name"}
        train, push = {}, {}
        groups: dict[int, list[tuple[float, float]]] = defaultdict(list)
        for event in events:
            word, _, number = str(event.get("name", "")).partition(" ")
            track = tracks.get(event.get("tid"), "")
            if event.get("ph") != "X" or not number.lstrip("-").isdigit():
                continue
            span = (event["ts"] / 1e6, (event["ts"] + event["dur"]) / 1e6)
            if track.startswith("groups") and word == "plan":
                groups[int(number)].append(span)
            elif track.startswith("learner") and word == "train":
                train[int(number)] = span
            elif track.startswith("sync"):
                push[int(number)] = span
        return cls(train=train, push=push, groups=groups, depth=depth)

    def issued(self, step: int) -> float:
        """When the first group of the plan was sent."""
        return min(start for start, _ in self.groups[step])

    def whole(self, step: int) -> float:
        """When the last group of the plan was finished."""
        return max(end for _, end in self.groups[step])

    def path(self, *, first: int, last: int) -> Iterator[Segment]:
        """The path from the end of step ``last`` back to the end of step ``first``, or to the plan that was
        issued before it."""
        step, at_plan = last, False
        while step > first:
            if at_plan:
                version = step - self.depth
                pushed, made = self.push[version][0], self.train[version - 1][1]
                yield Segment(PUSH, step, pushed, self.issued(step))
                if pushed - made > CLOSE_S:
                    yield Segment(CALM, step - 1, self.issued(step - 1), pushed)
                    step -= 1
                else:
                    yield Segment(PUBLISH, step, made, pushed)
                    step, at_plan = version - 1, False
                continue
            (start, end), whole = self.train[step], self.whole(step)
            if whole > start - CLOSE_S:
                yield Segment(TRAIN, step, max(start, whole), end)
                yield Segment(BATCH, step, whole, max(start, whole))
                yield Segment(SAMPLE, step, self.issued(step), whole)
                at_plan = True
            else:
                yield Segment(TRAIN, step, start, end)
                yield Segment(BETWEEN, step, self.train[step - 1][1], start)
                step -= 1


def summary(timeline: Timeline, *, first: int, last: int) -> dict[str, Any]:
    """Milliseconds a step by kind, and what both halves idled, over the steps that the path covers."""
    path = list(timeline.path(first=first, last=last))
    start, end = path[-1].start, path[0].end
    steps = sum(start < trained <= end for _, trained in timeline.train.values())
    kinds: dict[str, float] = defaultdict(float)
    for segment in path:
        kinds[segment.kind] += segment.end - segment.start
    sampling = merged([span for groups in timeline.groups.values() for span in groups], start, end)
    training = merged(list(timeline.train.values()), start, end)
    return {
        "steps": steps,
        "ms_per_step": round(1000 * (end - start) / steps, 1),
        "path_ms_per_step": {
            k: round(1000 * v / steps, 1) for k, v in sorted(kinds.items(), key=lambda i: -i[1])
        },
        "engines_idle_share": round(1 - sampling / (end - start), 3),
        "learner_idle_share": round(1 - training / (end - start), 3),
    }


def merged(spans: list[tuple[float, float]], start: float, end: float) -> float:
    """Seconds of [start, end] that some span covers."""
    covered, reached = 0.0, start
    for begin, stop in sorted(spans):
        begin, stop = max(begin, reached), min(stop, end)
        if stop > begin:
            covered, reached = covered + stop - begin, stop
    return covered


def main() -> None:
    """Read, walk, show."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("run", type=Path, help="a run directory")
    arguments.add_argument("--first", type=int, default=6)
    arguments.add_argument("--last", type=int, default=None, help="default: the last step but one")
    arguments.add_argument("--json", type=Path, default=None)
    args = arguments.parse_args()
    stream = yaml.safe_load((args.run / "config.yaml").read_text(encoding="utf-8"))["stream"]
    depth = stream.get("pipeline_depth")
    events = json.loads((args.run / "trace.json").read_text(encoding="utf-8"))
    timeline = Timeline.of_events(events, depth=stream["max_staleness"] if depth is None else depth)
    last = max(timeline.train) - 1 if args.last is None else args.last
    found = summary(timeline, first=args.first, last=last)
    CONSOLE.print_json(data=found)
    if args.json is not None:
        args.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
