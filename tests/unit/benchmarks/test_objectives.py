"""What the benchmarks of the objectives and of the learner make of their runs."""

import subprocess
import sys

import numpy as np
import pytest

from benchmarks.learning import objectives
from benchmarks.lib import process_tree
from benchmarks.speed import learner


def arm(*by_seed: list[float], first: int = 0) -> objectives.Arm:
    """Seeds from ``first``; a list is pass@1 by problem."""
    made = objectives.Arm()
    for seed, values in enumerate(by_seed, start=first):
        made.after[seed] = {"pass@1": np.array(values)}
        made.runs.append(
            {
                "seed": seed,
                "pass@1": float(np.mean(values)),
                "train_step_s": 1.0,
                "learner_peak_mib": None,
                "rollouts": 8,
            }
        )
    return made


def test_a_preset_is_compared_with_grpo_on_the_seeds_that_both_have() -> None:
    reference = arm([0.0, 1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0])
    better = arm([0.5, 1.0, 0.5, 1.0], [0.5, 0.0, 0.5, 0.0], [1.5, 1.0, 1.5, 1.0])
    got = objectives.summary(better, reference)
    assert got["mean"]["pass@1"] == pytest.approx(0.75)
    assert got["minus_grpo"]["pass@1"]["value"] == pytest.approx(0.25)
    assert 0 <= got["minus_grpo"]["pass@1"]["low"] < 0.25 < got["minus_grpo"]["pass@1"]["high"]
    late = objectives.summary(arm([1.0, 1.0, 1.0, 1.0], first=2), reference)
    assert late["minus_grpo"]["pass@1"]["value"] == 0
    assert "minus_grpo" not in objectives.summary(reference, reference)


def test_the_table_is_sorted_by_pass_at_1_and_keeps_failures() -> None:
    reference, broken = arm([0.2, 0.4]), objectives.Arm(failed="ValueError: out of luck")
    made = {"grpo": reference, "worse": arm([0.1, 0.1]), "broken": broken, "better": arm([0.9, 0.9])}
    result = {
        "base": {"pass@1": 0.05},
        "presets": {name: objectives.summary(a, reference) for name, a in made.items()},
    }
    lines = objectives.markdown(result).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:6]] == ["better", "grpo", "worse", "base"]
    assert lines[-1] == "`broken` failed: ValueError: out of luck"
    assert len({line.count("|") for line in lines[:6]}) == 1


def test_random_micro_batches_hold_every_sample_once_within_the_budget() -> None:
    lengths = np.random.default_rng(0).integers(2, 60, 200)
    samples = np.arange(0, 200, 2)
    (plans,) = learner.random_micro_batches(lengths, samples, world_size=1, token_budget=256)
    assert sorted(np.concatenate([p.samples for p in plans])) == samples.tolist()
    assert all(len(p.samples) * lengths[p.samples].max() <= 256 for p in plans)
    assert any(p.samples[0] > p.samples[-1] for p in plans) and any(
        lengths[p.samples[0]] < lengths[p.samples].max() for p in plans
    )


def test_the_learner_plans_by_what_the_block_says_and_no_longer() -> None:
    original = learner.micro_batch.plan_micro_batches
    with pytest.raises(ZeroDivisionError), learner.batching(learner.random_micro_batches):
        assert learner.micro_batch.plan_micro_batches is learner.random_micro_batches
        raise ZeroDivisionError
    assert learner.micro_batch.plan_micro_batches is original


def test_peak_memory_is_that_of_the_named_process_and_stays_when_it_is_given_back() -> None:
    code = "import sys, time; data = bytearray(200 << 20); del data; time.sleep(1.5)"
    child = subprocess.Popen([sys.executable, "-c", code])
    with process_tree.CpuClock(child.pid, interval_s=0.05) as clock:
        child.wait()
    peak = clock.peak_memory_mib("python")
    assert peak is not None and 200 < peak < 300
    assert clock.peak_memory_mib("no such name") is None
