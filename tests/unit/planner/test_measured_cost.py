"""Costs fitted to steps that follow a law, read back, in the trade-off table, and a simulated load."""

import json
from pathlib import Path

import numpy as np
import pytest

from planner.cost.devices import device
from planner.cost.flops import ModelShape
from planner.cost.measured import MeasuredCost, Observation, StepWork, cost_to_json, fit, read_costs
from planner.cost.simulate import Arrival, simulate
from planner.cost.tradeoff import Scored, tradeoff

LAW = MeasuredCost(
    coefficients=StepWork(steps=2e-3, prompt_tokens=1e-4, sampled=5e-4, context=1e-6), usd_per_hour=3.6
)


def observed(law: MeasuredCost, *, noise: float = 0.0) -> list[Observation]:
    rng, made = np.random.default_rng(0), []
    for batch in (1, 2, 4, 8, 16):
        for prompt in (16, 64, 256):
            for work in (StepWork.of([prompt] * batch, []), StepWork.of([], [prompt + 10] * batch)):
                seconds = law.seconds(work) * np.exp(noise * rng.standard_normal())
                made.append(Observation(point=f"{batch}x{prompt}", work=work, seconds=float(seconds)))
    return made


def test_a_law_is_found_again() -> None:
    found = fit(observed(LAW))
    assert found.held_out_error < 1e-6
    for term in ("steps", "prompt_tokens", "sampled", "context"):
        assert getattr(found.coefficients, term) == pytest.approx(getattr(LAW.coefficients, term), rel=1e-3)
    assert found.coefficients.prompt_squares == found.coefficients.roots == 0, "no term too many"


def test_noise_is_not_fitted_and_shows_in_the_error() -> None:
    found = fit(observed(LAW, noise=0.1))
    assert 0.03 < found.held_out_error < 0.15
    for work in (StepWork.of([], [100] * 6), StepWork.of([128] * 3, [])):
        assert found.seconds(work) == pytest.approx(LAW.seconds(work), rel=0.1)


def test_too_few_load_points_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 3 load points, there are 1"):
        fit([one for one in observed(LAW) if one.point == "1x16"])


def test_latencies_and_prices_follow_from_steps_and_prompts() -> None:
    assert LAW.step_s(4, 100) == pytest.approx(2e-3 + 4 * 5e-4 + 400e-6)
    assert LAW.prefill_s(100) == pytest.approx(2e-3 + 100e-4 + 5e-4)
    assert LAW.latency_sequential_s(100, 10, length=10) == pytest.approx(
        LAW.prefill_s(100) + 10 * LAW.step_s(1, 105)
    )
    assert LAW.latency_sequential_s(100, 80, length=10) == pytest.approx(
        LAW.prefill_s(100) + 80 * LAW.step_s(1, 105)
    ), "each sample begins at the prompt"
    full = 64 / LAW.step_s(64, 105)
    assert LAW.usd_per_1000_queries(100, 10, 4, batch=64) == pytest.approx(1000 * (100e-4 + 40 / full) * 1e-3)


def test_the_trade_off_takes_measured_seconds_where_there_are_some(tmp_path: Path) -> None:
    file = tmp_path / "cost.json"
    file.write_text(json.dumps({"model": "small", "bits": 0, "cost": cost_to_json(LAW)}))
    costs = read_costs([file])
    shape = ModelShape(params=1e6, layers=2, attention_width=64, kv_width=64)
    scored = [
        Scored(
            name=name, shape=shape, tokens=1e7, train_flops=1e14, post=False, bits=0,
            n=np.full(5, 8), c=np.arange(5), prompt_tokens=100.0, right_lengths={10: 4},
            wrong_lengths={10: 36},
        )
        for name in ("small", "other")
    ]  # fmt: skip
    rows = {row["ckpt"]: row for row in tradeoff(scored, device("cpu_core"), ks=[1], costs=costs)}
    plain = {row["ckpt"]: row for row in tradeoff(scored, device("cpu_core"), ks=[1])}
    assert rows["other"] == plain["other"]
    assert rows["small"]["latency_ms_seq"] == pytest.approx(
        1e3 * LAW.latency_sequential_s(100, 10, length=10)
    )


def test_files_without_a_cost_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="t2rl bench MODEL --to"):
        read_costs([tmp_path / "none.json"])
    (tmp_path / "bad.json").write_text('{"model": "m"}')
    with pytest.raises(ValueError, match=r"bad.json: not a result of t2rl bench"):
        read_costs([tmp_path / "bad.json"])


def test_one_request_alone_takes_its_prompt_and_its_steps() -> None:
    (one,) = simulate([Arrival(at=1.0, prompt=50, answer=3)], LAW, max_seqs=8, max_batched_tokens=999)
    assert one.first == pytest.approx(1 + LAW.prefill_s(50))
    assert one.end == pytest.approx(one.first + LAW.step_s(1, 51) + LAW.step_s(1, 52))


def test_a_full_engine_makes_the_next_request_wait() -> None:
    asked = [Arrival(at=0.0, prompt=50, answer=3)] * 3
    first, second, third = simulate(asked, LAW, max_seqs=2, max_batched_tokens=999)
    assert first == second and third.first > first.end
    together = simulate(asked, LAW, max_seqs=3, max_batched_tokens=100)
    assert together[2].first > together[0].first, "its prompt had no room in the first step"


def test_closed_loads_keep_so_many_at_work() -> None:
    asked = [Arrival(at=0.0, prompt=10, answer=5)] * 6
    served = simulate(asked, LAW, max_seqs=8, max_batched_tokens=999, concurrency=2)
    assert [one.arrived for one in served[:2]] == [0.0, 0.0]
    assert served[2].arrived == served[0].end and served[4].arrived == served[2].end


def test_the_next_request_is_sent_a_moment_later_and_misses_a_step() -> None:
    """Two of three answers are long, so the engine is at work when the short one ends."""
    slow = MeasuredCost(coefficients=LAW.coefficients, turnaround_s=1e-3)
    asked = [Arrival(at=0.0, prompt=10, answer=answer) for answer in (2, 30, 2)]
    first, _, third = simulate(asked, slow, max_seqs=8, max_batched_tokens=999, concurrency=2)
    assert third.arrived == pytest.approx(first.end + 1e-3)
    at_once = simulate(asked, LAW, max_seqs=8, max_batched_tokens=999, concurrency=2)[2]
    missed = slow.seconds(StepWork.of([], [12]))
    assert third.first - first.end > at_once.first - at_once.arrived + 0.9 * missed


def test_an_idle_engine_takes_a_burst_together() -> None:
    slow = MeasuredCost(coefficients=LAW.coefficients, turnaround_s=1e-4)
    asked = [Arrival(at=0.0, prompt=10, answer=3)] * 8
    served = simulate(asked, slow, max_seqs=8, max_batched_tokens=999, concurrency=4)
    assert [one.arrived for one in served[:4]] == pytest.approx([0.0, 1e-4, 2e-4, 3e-4])
    together = 3e-4 + slow.seconds(StepWork.of([10] * 4, []))
    assert [one.first for one in served[:4]] == pytest.approx([together] * 4)
    assert len({one.first for one in served[4:]}) == 1


def test_many_steps_weigh_more_than_one() -> None:
    outlier = [Observation(point=o.point, work=o.work, seconds=3 * o.seconds, steps=1) for o in observed(LAW)]
    steps = [Observation(point=o.point, work=o.work, seconds=o.seconds, steps=500) for o in observed(LAW)]
    work = StepWork.of([], [100] * 6)
    assert fit(steps + outlier).seconds(work) == pytest.approx(LAW.seconds(work), rel=0.01)
