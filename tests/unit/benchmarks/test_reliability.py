"""The chaos and soak benchmarks' own arithmetic: a verdict on made files, the order of faults, a drift."""

import json
import random

import numpy as np
import pytest

from benchmarks.reliability import soak
from benchmarks.reliability.faults import KINDS, hurt, schedule
from benchmarks.reliability.verify import band, groups
from rl.records.jsonl import JsonlWriter
from rl.records.metrics import MetricsWriter
from rl.records.rundir import RunDir
from rl.run.checkpoint import CheckpointStore
from rl.run.state import RunState
from rl.stream.plans import make_group_id

STEPS, PROMPTS = 6, 3


def write_groups(run, *, attempt=1, restored=0, steps, without=(), twice=(), dropped=()):
    trained = JsonlWriter(run.trained_groups, attempt=attempt, restored_step=restored)
    metrics = MetricsWriter(run.metrics, attempt=attempt, restored_step=restored)
    for step in steps:
        count = sum(s == step for s, _ in dropped)
        metrics.write(step, {"rollout/dropped_unjudged": count} if count else {})
        for place in range(PROMPTS):
            if (step, place) in without or (step, place) in dropped:
                continue
            group = make_group_id(step, 0, place)
            for _ in range(1 + ((step, place) in twice)):
                trained.write({"step": step, "group_id": group, "prompt_id": f"p{group}"})
    trained.close()
    metrics.close()


def verdict(run):
    found = groups(run, steps=STEPS, prompts=PROMPTS)
    return {key: value for key, value in found.items() if value and key not in ("planned", "trained")}


@pytest.fixture
def run(tmp_path):
    return RunDir(tmp_path)


def test_a_whole_run_has_lost_and_doubled_nothing(run):
    write_groups(run, steps=range(STEPS))
    assert verdict(run) == {}
    assert groups(run, steps=STEPS, prompts=PROMPTS)["planned"] == STEPS * PROMPTS


def test_steps_that_were_trained_anew_count_once_and_by_the_newest_attempt(run):
    write_groups(run, steps=range(4), twice=[(3, 1)])
    write_groups(run, attempt=2, restored=2, steps=range(2, STEPS))
    assert verdict(run) == {}


def test_a_lost_group_a_doubled_one_and_one_that_nobody_could_judge_are_told_apart(run):
    write_groups(run, steps=range(STEPS), without=[(4, 0)], twice=[(1, 2)], dropped=[(5, 1)])
    assert verdict(run) == {"lost": 1, "doubled": 1, "prompts_twice": 1, "dropped_unjudged": 1}


def test_a_step_that_was_skipped_is_lost_whole(run):
    write_groups(run, steps=[s for s in range(STEPS) if s != 2])
    assert verdict(run) == {"lost": PROMPTS}


def test_every_round_has_every_kind_once_and_a_later_call_goes_on_where_the_first_was():
    own = [kind for kind in KINDS if kind.backend in (None, "inprocess")]
    order = schedule(7, KINDS, backend="inprocess", skip=0)
    assert sorted(k.name for k in order[: len(own)]) == sorted(k.name for k in own)
    longer = schedule(7, KINDS, backend="inprocess", skip=20)
    assert longer[: len(own) - 20] == order[20 : len(own)]
    assert any(kind.backend == "async" for kind in schedule(7, KINDS, backend="async", skip=0))
    assert schedule(8, KINDS, backend="inprocess", skip=0) != order


@pytest.mark.parametrize("how", ["corrupt", "truncated", "missing"])
def test_what_is_damaged_is_found_by_its_manifest_whichever_file_it_is(run, how):
    chance = random.Random(0)
    for number in range(1, 30):
        store = CheckpointStore(run, keep=1)
        learner = store.begin(number) / "learner"
        learner.mkdir()
        (learner / "shard.pt").write_bytes(bytes(range(256)))
        store.commit(number, RunState(version=number))
        (checkpoint,) = store.all()
        assert checkpoint.damage() is None
        name = hurt(checkpoint, how, chance)
        assert name == "manifest.json" or checkpoint.damage() is not None, name


def test_a_further_value_of_the_same_kind_lies_in_the_band():
    chance = np.random.default_rng(0)
    draws = chance.normal(size=(2000, 5))
    inside = 0
    for row in draws:
        low, high = band(list(row[:4]))
        inside += low <= row[4] <= high
    assert 0.93 <= inside / len(draws) <= 0.97


def stretch(number, *, level, rate, minutes):
    return [
        {"stretch": number, "t": t, "value": level + rate * t} for t in np.arange(0.0, 60 * minutes, 10.0)
    ]


def test_a_drift_is_a_share_of_the_mean_over_the_longest_stretch_whatever_their_levels():
    rows = stretch(1, level=100.0, rate=0.0, minutes=20) + stretch(2, level=140.0, rate=0.0, minutes=20)
    still = soak.drift(rows, [row["value"] for row in rows])
    assert abs(still["drift"]) < 1e-9 and still["mean"] == 120
    rows = stretch(1, level=100.0, rate=0.01, minutes=20) + stretch(2, level=140.0, rate=0.01, minutes=20)
    grown = soak.drift(rows, [row["value"] for row in rows])
    assert grown["drift"] == pytest.approx(0.01 * 1190 / grown["mean"], rel=1e-3)
    assert grown["low"] <= grown["drift"] <= grown["high"]


def test_throughput_is_taken_over_blocks_of_one_stretch():
    rows = [{"stretch": s, "t": t, "tokens": 50 * t} for s in (1, 2) for t in np.arange(0.0, 600.0, 10.0)]
    rates = list(soak.throughput(rows))
    assert len(rates) == 8 and {rate for _, rate in rates} == {50.0}


def test_the_series_has_each_block_of_a_stretch_with_its_own_memory_and_pace():
    rows = []
    for t in np.arange(0.0, 260.0, 10.0):
        processes = {"engine": {"pss": 100.0 + (t >= 120)}} | ({"verifier": {"pss": 7.0}} if t > 240 else {})
        rows.append({"stretch": 1, "t": t, "tokens": 50 * t, "processes": processes})
    first, second = soak.series(rows)
    assert (first["minute"], second["minute"]) == (1.0, 3.0)
    assert first["tokens_per_s"] == second["tokens_per_s"] == 50.0
    assert first["mib"] == {"engine": 100.1} and second["mib"]["engine"] == 101.0, "its ends belong to both"
    assert "verifier" not in second["mib"], "what lies outside the block is not in it"


def test_the_newest_step_is_read_from_the_end_of_a_file_that_is_being_written(tmp_path, monkeypatch):
    monkeypatch.setattr(soak, "TAIL_BYTES", 200)
    metrics = tmp_path / "metrics.jsonl"
    assert soak.newest_step(metrics) == (0, 0)
    rows = [{"attempt": 1, "step": step, "rollout/total_tokens": 10 * step + 10} for step in range(50)]
    lines = [json.dumps(row) for row in [*rows, {"attempt": 1, "eval/version": 50}]]
    metrics.write_text("\n".join(lines) + '\n{"step": 50, "rollout/total_tokens": 51')
    assert soak.newest_step(metrics) == (50, 500)
