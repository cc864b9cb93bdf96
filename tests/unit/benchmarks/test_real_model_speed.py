"""How the comparison on the chat model reads what was measured."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.lib.common import save
from benchmarks.speed import real_model
from benchmarks.speed.vs_trl import Setting
from benchmarks.speed.vs_trl_figures import Step


def test_the_target_is_a_mean_over_a_window_of_steps() -> None:
    rewards = [0.0, 0.3, 0.3, 0.6, 0.3]
    steps = [
        Step(seconds=10.0 * (i + 1), ended=0, rollouts=64, tokens=640, reward=r)
        for i, r in enumerate(rewards)
    ]
    curve = real_model.reward_curve(steps)
    assert curve == [(30.0, 0.2), (40.0, 0.4), (50.0, 0.4)]
    assert real_model.time_to(curve, 0.3) == pytest.approx(35.0)


def test_a_change_of_trl_that_helps_is_kept_and_bfloat16_weights_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rate(config: Path, out: Path, setting: Setting, *, first: int) -> float:
        return 3.0 + (setting.rows == 16) - (setting.threads == 1) + 5 * (setting.dtype == "bfloat16")

    # As on a machine that multiplies bfloat16.
    monkeypatch.setattr(real_model, "START", replace(real_model.START, dtype="autocast"))
    others = tuple(change for change in real_model.CHANGES if "dtype" not in change)
    monkeypatch.setattr(real_model, "CHANGES", (*others, {"dtype": "bfloat16"}))
    monkeypatch.setattr(real_model, "try_trl", rate)
    monkeypatch.setattr(real_model, "write_config", lambda path, *_: path)
    args = argparse.Namespace(trial_steps=3, overrides=[], settings=len(real_model.CHANGES))
    found = real_model.settings(args, real_model.Parts(tmp_path, minutes=1))
    assert found is not None
    best, rates = found
    assert best.rows == 16 and best.dtype == "autocast" and best.threads == real_model.CORES
    assert len(rates) == 1 + len(real_model.CHANGES) and max(rates.values()) == 9.0
    # What was measured is remembered; without time nothing is begun.
    assert real_model.settings(args, real_model.Parts(tmp_path, minutes=-1)) == found
    assert real_model.settings(args, real_model.Parts(tmp_path / "new", minutes=-1)) is None


def test_claims_are_read_off_the_ratios() -> None:
    def side(rate: float, curve: list[tuple[float, float]]) -> dict[str, object]:
        return {"rollouts_per_s": rate, "rollouts_per_cpu_s": rate, "curve": curve, "probe_gaps": [0.05]}

    ours = [side(8, [(10.0, 0.1), (20.0, 0.5)])] * 3
    slow = side(1, [(40.0, 0.1), (60.0, 0.2)])
    theirs = [side(2, [(40.0, 0.1), (60.0, 0.5)]), slow, slow]
    found = real_model.figures({"t2rl": ours, "trl": theirs}, {"float32": {"over_memcpy": {"median": 11}}})
    assert found["rollouts_per_s_ratio"] == {"min": 4, "median": 8, "max": 8}
    assert found["target_reached_s"] == {"t2rl": [15.0] * 3, "trl": [50.0, None, None]}
    assert found["target_time_ratio"]["median"] == pytest.approx(50 / 15)
    assert found["claims"] == {
        "rollouts_per_s_ratio": True,
        "rollouts_per_cpu_s_ratio": True,
        "target_time_ratio": False,
        "gap": True,
        "push": False,
    }
    few = real_model.figures({"t2rl": ours[:2], "trl": theirs[:2]}, {})
    assert few["claims"] == {"gap": True}, "two repeats decide nothing about a ratio"


def test_a_result_leaves_the_keys_of_the_other_benchmark(tmp_path: Path) -> None:
    args = argparse.Namespace(json=tmp_path / "one.json", quick=False)
    save("one", {"gain": 1, "claims": 2}, args=args, beside=True)
    save("one", {"speed": 3, "claims": 4}, args=args, beside=True)
    assert json.loads(args.json.read_text()) == {"gain": 1, "claims": 4, "speed": 3}
