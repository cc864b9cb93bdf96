"""The yardsticks of the benchmarks: CPU seconds of a process tree, time to a target, per-problem
alignment."""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.learning import learning
from benchmarks.lib import process_tree
from benchmarks.lib.common import save
from benchmarks.speed import vs_trl_figures
from rl.views.evaluations import Counts
from rollout.types import SamplingConfig

BURN = "import time\nend = time.process_time() + {seconds}\nwhile time.process_time() < end: pass"
PARENT = f"""
import subprocess, sys, time
subprocess.run([sys.executable, '-c', {BURN.format(seconds=0.6)!r}])
time.sleep(0.3)
"""


def test_cpu_clock_counts_children_that_have_ended():
    before = time.time()
    child = subprocess.Popen([sys.executable, "-c", PARENT])
    with process_tree.CpuClock(child.pid, interval_s=0.02) as clock:
        started = time.time()
        child.wait()
        ended = time.time()
    assert clock.between(max(started, clock._times[0]), ended) == pytest.approx(0.6, abs=0.25)
    with pytest.raises(ValueError, match="not observed"):
        clock.between(before - 10, ended)


def test_run_logged_ends_its_child_when_interrupted(tmp_path):
    log = tmp_path / "log.txt"
    with pytest.raises(RuntimeError, match=r"failed \(3\)[\s\S]*out of luck"):
        process_tree.run_logged([sys.executable, "-c", "print('out of luck'); raise SystemExit(3)"], log)
    helper = "import pathlib, sys\nfrom benchmarks.lib import process_tree\n"
    sleeper = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    call = f"process_tree.run_logged([sys.executable, '-c', {sleeper!r}], pathlib.Path({str(log)!r}))"
    outer = subprocess.Popen([sys.executable, "-c", helper + call])
    deadline = time.monotonic() + 30
    while not (pid := log.read_text().strip()).isdigit():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    outer.kill()
    outer.wait()
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, "the child outlived its parent"
        time.sleep(0.02)


def test_time_to_target_interpolates_between_snapshots():
    curve = [(0.0, 0.4), (10.0, 0.4), (20.0, 0.6), (30.0, 0.5)]
    assert vs_trl_figures.time_to(curve, 0.5) == pytest.approx(15.0)
    assert vs_trl_figures.time_to(curve, 0.4) == 0.0
    assert vs_trl_figures.time_to(curve, 0.61) is None


def test_pass_at_1_after_equal_time_is_interpolated_and_ends_with_the_run():
    curve = [(0.0, 0.4), (10.0, 0.4), (20.0, 0.6), (30.0, 0.5)]
    assert [vs_trl_figures.after(curve, t) for t in (0, 5, 15, 20, 25, 30, 99)] == pytest.approx(
        [0.4, 0.4, 0.5, 0.6, 0.55, 0.5, 0.5]
    )


def test_each_way_of_ours_is_held_against_trl_repeat_by_repeat():
    def side(rate):
        return vs_trl_figures.Side(
            rollouts_per_s=rate,
            rollouts_per_cpu_s=rate / 2,
            tokens_per_rollout=1,
            cores_used=1,
            step_seconds=[],
        )

    sides = {"t2rl": [side(30), side(40)], "t2rl, sec": [side(20), side(20)], "trl": [side(10), side(20)]}
    quick, slow = [(0.0, 0.2), (10.0, 0.6)], [(0.0, 0.2), (20.0, 0.6)]
    curves = {"t2rl": [quick, quick], "t2rl, sec": [slow, slow], "trl": [slow, slow]}
    assert vs_trl_figures.common_target({"trl": [slow], "t2rl": [[(0.0, 0.2), (9.0, 0.8)]]}) == pytest.approx(
        0.2 + 0.75 * 0.2
    )
    found = vs_trl_figures.against_trl(sides, curves, target=0.4)
    assert list(found) == ["t2rl", "t2rl, sec"]
    assert found["t2rl"]["rollouts_per_s_ratio"] == {"min": 2, "median": 2.5, "max": 3}
    assert [row["target_time_ratio"]["median"] for row in found.values()] == [2, 1]
    assert found["t2rl"]["pass_at_1_after_equal_time"][0] == {"seconds": 10.0, "t2rl": 0.6, "trl": 0.4}


def test_per_problem_is_aligned_by_id_whatever_the_order():
    def counts(*rows):
        made = [{"id": i, "category": "", "difficulty": None, "n": n, "c": c} for i, n, c in rows]
        return Counts(version=0, sampling=SamplingConfig(temperature=1.0, top_p=1.0, max_tokens=8), rows=made)

    first = learning.per_problem(counts(("a", 4, 1), ("b", 4, 4)))
    second = learning.per_problem(counts(("b", 4, 4), ("a", 4, 1)))
    assert first.tolist() == second.tolist() == pytest.approx([0.25, 1.0])
    assert learning.per_problem(counts(("a", 4, 1)), 4).tolist() == [1.0]


def test_a_result_holds_what_numpy_compared(tmp_path):
    args = argparse.Namespace(json=tmp_path / "one.json", quick=False)
    save("one", {"claims": {"holds": np.mean([1.0, 2.0]) > 1}, "count": np.int64(3)}, args=args)
    assert json.loads(args.json.read_text()) == {"claims": {"holds": True}, "count": 3}
