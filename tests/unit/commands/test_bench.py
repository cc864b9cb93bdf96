"""Load points, figures and steps of ``t2rl bench`` on a scripted engine, whose steps are known."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from planner.cost.measured import MeasuredCost, StepWork, fit
from planner.cost.simulate import Arrival, simulate
from rl.cli import app as cli
from rl.commands.bench.drive import Driver, Timed
from rl.commands.bench.measure import (
    figures_of,
    measured,
    observations,
    predicted,
    steps_of,
    turnaround_of,
)
from rl.commands.bench.points import BenchOptions, LoadPoint, load_points, parse_numbers
from rollout.streaming import ScoredTokens, StreamRequest, TokenDelta

LAW = MeasuredCost(
    coefficients=StepWork(steps=2e-3, prompt_tokens=1e-4, sampled=5e-4, context=1e-6), turnaround_s=4e-4
)
LIMITS = {"max_seqs": 8, "max_batched_tokens": 4096}


def simulated(point: LoadPoint) -> list[Timed]:
    """The point as an engine that keeps the law would serve it."""
    served = simulate(point.arrivals, LAW, **LIMITS, concurrency=point.concurrency)
    return [
        Timed(asked, one.arrived, list(one.tokens)) for one, asked in zip(served, point.arrivals, strict=True)
    ]


def test_load_points_are_combinations_and_clocks(tmp_path: Path) -> None:
    trace = tmp_path / "arrivals.jsonl"
    rows = [
        {"t": 10, "in": 30, "out": 5},
        {"t_ms": 12000, "in": 300, "out": 100},
        {"t": 14, "in": 8, "out": 0},
    ]
    trace.write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = BenchOptions(
        concurrency=(1, 4), prompt_tokens=(16, 32), answer_tokens=(8,), arrival_rate=(2.0,), trace=trace
    )
    points = load_points(options, max_model_len=100)
    assert [len(p.arrivals) for p in points] == [3, 12, 32, 3, 12, 32, 3]
    open_point, replay = points[2], points[-1]
    gaps = np.diff([one.at for one in open_point.arrivals])
    assert open_point.concurrency is None and 0.25 < gaps.mean() < 1.0
    assert [one.at for one in replay.arrivals] == [0.0, 0.5, 1.0], "stretched to two a second"
    assert replay.arrivals[1] == Arrival(at=0.5, prompt=75, answer=25) and replay.facts["shortened"] == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"prompt_tokens": (90,), "answer_tokens": (20,)}, "rollout.max_model_len=100"),
        ({"trace": Path("none.jsonl")}, "no such file"),
    ],
)
def test_wrong_loads_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        load_points(BenchOptions(**({"prompt_tokens": (8,)} | options)), max_model_len=100)


def test_wrong_lines_of_a_trace_are_named(tmp_path: Path) -> None:
    trace = tmp_path / "arrivals.jsonl"
    trace.write_text('{"t": 0, "in": 3, "out": 4}\n{"t": 0, "in": 3}\n')
    with pytest.raises(ValueError, match="line 2: expected t"):
        load_points(BenchOptions(prompt_tokens=(8,), trace=trace), max_model_len=100)
    trace.write_text('{"t": 0, "in": 3, "out": 4}\n')
    with pytest.raises(ValueError, match="needs at least 2"):
        load_points(BenchOptions(prompt_tokens=(8,), trace=trace), max_model_len=100)


def test_numbers_of_options() -> None:
    assert parse_numbers("--concurrency", "1,4") == (1, 4)
    for text in ("1,x", "0", ""):
        with pytest.raises(ValueError, match="--concurrency"):
            parse_numbers("--concurrency", text)


def test_figures_are_of_requests_and_of_their_tokens() -> None:
    figures = figures_of([(0.0, [1.0, 1.5, 2.0]), (1.0, [1.5, 3.0])])
    assert (figures.seconds, figures.tokens_per_s) == (3.0, pytest.approx(5 / 3))
    assert (figures.first_p50_s, figures.between_p50_s) == (pytest.approx(0.75), 0.5)


def test_steps_of_a_load_follow_the_law_that_made_them() -> None:
    """Also where the engine was idle in between: the wait is nobody's step."""
    arrivals = tuple(Arrival(at=at, prompt=20, answer=2) for at in (0.0, 5.0, 5.0))
    timed = [
        Timed(asked, one.arrived, list(one.tokens))
        for one, asked in zip(simulate(arrivals, LAW, **LIMITS), arrivals, strict=True)
    ]
    found = steps_of(timed)
    assert [work.prefills for work, _, _ in found] == [1, 0, 1, 0]
    assert [(work.sampled, prompts) for work, _, prompts in found] == [(1, 1), (1, 0), (2, 2), (2, 0)]
    for work, seconds, _ in found:
        assert seconds == pytest.approx(LAW.seconds(work), rel=1e-6)


def test_a_fit_to_a_load_test_predicts_every_figure_of_other_loads() -> None:
    options = BenchOptions(concurrency=(1, 2, 4), prompt_tokens=(16, 64), answer_tokens=(6,))
    points = load_points(options, max_model_len=200)
    seen = [simulated(point) for point in points]
    observed = [one for point, timed in zip(points, seen, strict=True) for one in observations(point, timed)]
    assert turnaround_of(points, seen) == pytest.approx(LAW.turnaround_s)
    cost = fit(observed, turnaround_s=turnaround_of(points, seen))
    assert cost.held_out_error < 1e-6, "cells of steps keep the law that their means would not"
    other = LoadPoint(
        name="other", arrivals=(Arrival(at=0, prompt=40, answer=20),) * 9, concurrency=3, facts={}
    )
    truth, said = asdict(measured(simulated(other))), predicted(other, cost, **LIMITS)
    assert said == {kind: pytest.approx(truth[kind], rel=1e-3) for kind in said}
    assert {"first_p95_s", "between_p95_s"} <= said.keys()


def test_the_driver_keeps_its_concurrency_and_times_every_token() -> None:
    class Engine:
        at_work = most = 0

        async def stream(self, request: StreamRequest) -> AsyncGenerator[list[TokenDelta], None]:
            assert request.group.sampling.ignore_eos
            self.at_work += 1
            self.most = max(self.most, self.at_work)
            for _ in range(request.group.sampling.max_tokens):
                await asyncio.sleep(0.001)
                one = ScoredTokens(ids=np.zeros((1, 1)), logprobs=np.zeros((1, 1)))
                yield [TokenDelta(index=0, tokens=one, at=time.monotonic())]
            self.at_work -= 1

    engine = Engine()
    point = LoadPoint(name="", arrivals=(Arrival(at=0, prompt=4, answer=3),) * 6, concurrency=2, facts={})
    timed = asyncio.run(Driver(engine, 9, np.random.default_rng(0)).run(point))
    assert engine.most == 2 and [len(one.tokens) for one in timed] == [3] * 6
    assert all(one.sent < one.tokens[0] <= one.tokens[-1] for one in timed)


def test_help_teaches_and_wrong_options_are_two() -> None:
    runner = CliRunner()
    assert "--concurrency 1,4,16 --to cost.json" in runner.invoke(cli, ["bench", "--help"]).output
    assert runner.invoke(cli, ["bench", "nowhere", "--concurrency", "a"]).exit_code == 2
