"""What steps cost, with numbers computed by hand."""

import json

import numpy as np
import pytest

from planner.cost.flops import ModelShape
from rl.batch.types import ModelPass, StepResult
from rl.config.load import load_config
from rl.evaluation.gain import extra_correct_since_base
from rl.records.cost.flops import ModelCost
from rl.records.cost.lines import cost_lines
from rl.run.cost import machines
from rl.run.cost_meter import CostMeter, Engines, Machines, Usage
from rl.stream.plans import PlanState, new_groups
from rollout.types import (
    Completion,
    FinishReason,
    Prompt,
    RewardResult,
    Rollout,
    RolloutGroup,
    SamplingConfig,
    VersionSpan,
)

SAMPLING = SamplingConfig(max_tokens=8)
MODEL = ModelCost(
    shape=ModelShape(params=10, layers=1, attention_width=2, kv_width=2, width=3, vocabulary=4),
    windows=(None,),
    adapter=0.0,
)
"""20 FLOPs a token, 24 a prediction, 8 a pair."""
TIMES = {"elapsed_s": 10.0, "learner_s": 4.0, "train_s": 2.0, "probed": False}


def group(length: int, *, size: int = 2, prompt: int = 3, spans=None, answers=()) -> RolloutGroup:
    ids = np.zeros(length, dtype=np.int32)
    completion = Completion(
        token_ids=ids,
        behavior_logprobs=ids,
        loss_mask=ids,
        spans=spans or (VersionSpan(0, length, 0),),
        finish_reason=FinishReason.STOP,
    )
    rollout = Rollout(completion=completion, text="", result=RewardResult(value=1.0, correct=True))
    asked = Prompt(id="p", text="", token_ids=(1,) * prompt, answer="")
    return RolloutGroup(
        group_id=0,
        plan_step=0,
        prompt=asked,
        sampling=SAMPLING,
        rollouts=(rollout,) * size,
        answers=tuple(answers),
    )


def plan(*groups: RolloutGroup) -> PlanState:
    states = new_groups(
        plan_step=0,
        refill_round=0,
        prompts=[g.prompt for g in groups],
        num_rollouts=[2] * len(groups),
        max_tokens=[8] * len(groups),
        sampling=SAMPLING,
        run_seed=0,
    )
    for state, finished in zip(states, groups, strict=True):
        state.group = finished
    return PlanState(step=0, groups=states)


def result(*passes: tuple[str, list[int], int], trained: float = 0.0, applied: bool = True) -> StepResult:
    made = tuple(ModelPass(kind=kind, inputs=np.array(n), predicted=p) for kind, n, p in passes)
    return StepResult(applied=applied, metrics={"learner/trained_tokens": trained}, passes=made)


class Fleet:
    busy_s, tokens_lost = 5.0, 7

    def __call__(self) -> Usage:
        return Usage(self.busy_s, self.tokens_lost)


def meter(fleet=None, **more) -> CostMeter:
    settings = {"model": MODEL, "machines": Machines(engines=2, ranks=3)}
    engines = Engines(block=None, computed_again=True)
    return CostMeter(**{**settings, "engines": engines, "usage": fleet or Fleet(), **more})


def test_tokens() -> None:
    fleet = Fleet()
    counts = meter(fleet)
    fleet.tokens_lost += 11
    row = counts.step(
        plan=plan(group(4), group(5, answers=[group(2, prompt=6)])), result=result(trained=6), **TIMES
    )
    sampled = 2 * 4 + 2 * 5 + 2 * 2 + 11
    assert row["cost/rollout_tokens"] == sampled
    assert row["cost/prompt_tokens"] == 3 * 2 + 3 * 2 + 6 * 2
    assert (row["cost/trained_tokens"], row["cost/discarded_tokens"]) == (6, sampled - 6)
    refused = counts.step(plan=plan(group(4)), result=result(trained=6, applied=False), **TIMES)
    assert (refused["cost/trained_tokens"], refused["cost/discarded_tokens"]) == (0, 8)
    assert refused["cost/total_rollout_tokens"] == sampled + 8


def test_flops_of_every_pass() -> None:
    passes = [
        ("train", [3, 2], 4),
        ("score", [3], 2),
        ("reference", [4], 1),
        ("critic_score", [2], 1),
        ("critic_train", [2], 1),
    ]
    row = meter().step(plan=plan(group(4, size=1)), result=result(*passes), **TIMES)
    # 3 - 1 + 4 tokens are fed, with 4 predictions and 1 + ... + 6 pairs.
    assert row["cost/flops_sampling"] == 20 * 6 + 24 * 4 + 8 * 21
    assert row["cost/flops_training"] == 3 * (20 * 5 + 24 * 4 + 8 * 9)
    assert row["cost/flops_scoring"] == 20 * 3 + 24 * 2 + 8 * 6
    assert row["cost/flops_reference"] == 20 * 4 + 24 + 8 * 10
    # The critic's head has the width alone: 2 * 3. Once forward, three times for training.
    assert row["cost/flops_critic"] == 4 * (20 * 2 + 6 + 8 * 3)
    parts = [value for key, value in row.items() if key.startswith("cost/flops_")]
    assert row["cost/flops"] == sum(parts) == row["cost/total_flops"]


def test_the_probe_is_scored_by_learner_and_engines() -> None:
    row = meter(probe=[3]).step(plan=plan(), result=result(), **{**TIMES, "probed": True})
    learner, engine = 20 * 2 + 24 * 2 + 8 * 3, 20 * 3 + 24 * 2 + 8 * 6
    assert row["cost/flops"] == row["cost/flops_scoring"] == learner + 2 * engine


def test_new_weights_make_an_engine_compute_again() -> None:
    spans = (VersionSpan(0, 3, 0), VersionSpan(3, 4, 1))
    mixed = plan(group(4, size=1, spans=spans))
    once = meter(engines=Engines(block=None, computed_again=False)).step(plan=mixed, result=result(), **TIMES)
    twice = meter().step(plan=mixed, result=result(), **TIMES)
    # The 3 of the prompt and the 3 that the old weights sampled.
    assert twice["cost/flops"] - once["cost/flops"] == 20 * 6 + 8 * 21


def test_seconds_hours_and_money() -> None:
    fleet = Fleet()
    held = Machines(engines=2, ranks=3, gpus=4, peak=1e3, learner_peak=1e2, price_per_gpu_hour=2.5)
    counts = meter(fleet, machines=held)
    fleet.busy_s += 100  # the base is evaluated
    counts.begin()
    fleet.busy_s += 12
    with counts.evaluation(1):
        fleet.busy_s += 50
    fleet.busy_s += 3
    row = counts.step(plan=plan(), result=result(("train", [3], 0)), **TIMES)
    assert (row["cost/engine_s"], row["cost/engine_held_s"]) == (15, 20)
    assert (row["cost/learner_s"], row["cost/learner_held_s"]) == (12, 30)
    assert row["cost/gpu_hours"] == pytest.approx(40 / 3600)
    assert row["cost/money"] == pytest.approx(40 / 3600 * 2.5)
    flops = 3 * (20 * 3 + 8 * 6)
    assert row["cost/mfu"] == pytest.approx(flops / (10 * 1e3))
    assert row["cost/learner_mfu"] == pytest.approx(flops / (2 * 1e2))


def test_what_nobody_knows_has_no_key() -> None:
    row = meter(model=None).step(plan=plan(group(4)), result=result(), **TIMES)
    unknown = ("flops", "mfu", "money", "per_correct")
    assert not [key for key in row if any(word in key for word in unknown)]
    assert row["cost/gpu_hours"] == 0 and row["cost/total_engine_held_s"] == 20


def test_totals_go_on_after_a_resume() -> None:
    first = meter(machines=Machines(engines=1, ranks=1, gpus=1, price_per_gpu_hour=3600.0))
    before = first.step(plan=plan(group(4)), result=result(trained=3), **TIMES)
    again = meter(machines=Machines(engines=1, ranks=1, gpus=1, price_per_gpu_hour=360.0), last=before)
    after = again.step(plan=plan(group(5)), result=result(trained=4), **TIMES)
    assert after["cost/total_rollout_tokens"] == 8 + 10 and after["cost/total_trained_tokens"] == 7
    assert after["cost/total_money"] == pytest.approx(10 + 1)
    assert after["cost/total_flops"] == before["cost/flops"] + after["cost/flops"]


def test_tokens_for_each_right_answer_gained() -> None:
    gained = {1: 0.5, 2: -1.0, 3: 4.0}
    counts = meter(extra_correct=gained.get)
    seen = []
    for version in (None, 1, None, 2, 3):
        if version is not None:
            with counts.evaluation(version):
                pass
        row = counts.step(plan=plan(group(4)), result=result(), **TIMES)
        seen.append(row.get("cost/tokens_per_correct_gained"))
    # 16 tokens for half an answer; the same until the next evaluation; nothing gained; 40 tokens for 4.
    assert seen == [None, 32, 32, None, 10]
    resumed = meter(last=row).step(plan=plan(), result=result(), **TIMES)
    assert resumed["cost/tokens_per_correct_gained"] == 10


def test_the_gain_is_the_problems_that_one_attempt_solves_more(tmp_path) -> None:
    def write(version: int, rows: list[tuple[str, int, int]], temperature: float = 1.0) -> None:
        with (tmp_path / f"version-{version:08d}.jsonl").open("a") as out:
            for name, n, c in rows:
                row = {"version": version, "temperature": temperature, "id": name, "n": n, "c": c}
                out.write(json.dumps({**row, "category": "x", "tokens": 1}) + "\n")

    write(0, [("a", 4, 1), ("b", 4, 4), ("c", 0, 0)])
    write(0, [("a", 1, 0), ("b", 1, 1), ("c", 1, 0)], temperature=0.0)
    write(5, [("a", 8, 6), ("b", 8, 6), ("c", 8, 8)])
    write(6, [("a", 8, 6), ("b", 8, 6)])
    # (6/8 - 1/4) + (6/8 - 4/4); nobody could judge c before.
    assert extra_correct_since_base(tmp_path, 5, 1.0) == pytest.approx(0.25)
    assert extra_correct_since_base(tmp_path, 6, 1.0) is None, "other problems"
    assert extra_correct_since_base(tmp_path, 5, 0.5) is None, "not evaluated at that temperature"
    assert extra_correct_since_base(tmp_path, 0, 1.0) is None
    assert extra_correct_since_base(tmp_path, 7, 1.0) is None


def test_machines_of_a_config() -> None:
    eight = load_config(
        "quickstart", ["cluster=node8", "cluster.price_per_gpu_hour=2", "rollout.dtype=bfloat16"]
    )
    held = machines(eight, "NVIDIA H100 80GB HBM3")
    learner = eight.learner.num_ranks
    engines = eight.rollout.num_engines * eight.cluster.gpus_per_engine
    assert held.gpus == learner + engines == 8 and held.price_per_gpu_hour == 2
    rate = 989e12 if eight.learner.dtype == "bfloat16" else 67e12
    assert held.learner_peak == learner * rate
    assert held.peak == pytest.approx(engines * 989e12 + learner * rate)
    local = machines(load_config("quickstart", []), "cpu")
    assert (local.gpus, local.peak, local.price_per_gpu_hour) == (0, None, None)
    shared = machines(load_config("quickstart", ["cluster=gpu1"]), "NVIDIA L4")
    assert shared.gpus == 1
    assert shared.peak in (pytest.approx(121e12), pytest.approx(30.3e12))


def test_lines_at_the_end() -> None:
    counts = meter(machines=Machines(engines=1, ranks=1, gpus=2, peak=1e4, price_per_gpu_hour=1800.0))
    rows = [counts.step(plan=plan(group(4)), result=result(trained=2), **TIMES) for _ in range(2)]
    lines = cost_lines(rows, per_correct=12.4, lost=rows[:1])
    assert lines == [
        "cost: 16 tokens sampled after 12 of prompts, 4 with a gradient, 12 without (75%)",
        f"      {rows[-1]['cost/total_flops']:.3g} FLOPs (sampling 100%), MFU {rows[0]['cost/mfu']:.1%}",
        "      engine 0% of 20 s busy, learner 40% of 20 s busy; 0.01 GPU-hours, 20.00 in money",
        "      12 sampled tokens per held-out answer gained",
        "      not in these figures: 1 steps, 8 tokens, that a restart lost",
    ]
    on_cpus = meter(machines=Machines(engines=1, ranks=100, price_per_gpu_hour=2.0))
    row = on_cpus.step(plan=plan(group(4)), result=result(trained=2), **TIMES)
    assert cost_lines([row])[-1] == "      engine 0% of 10 s busy, learner 40% of 0.28 h busy"
    assert cost_lines([{"reward/mean": 0.5}]) == []
