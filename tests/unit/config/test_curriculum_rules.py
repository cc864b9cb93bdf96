"""Curricula against the rest of a run, and filters against lengths: every rule fires, and is silent without a
reason."""

import logging

import pytest

from curricula.allocators.knapsack import Knapsack
from curricula.conflicts.rules import check
from curricula.drawing.uniform import EqualAllocator, UniformSampler
from curricula.filters.dynamic_sampling import DynamicSampling
from curricula.filters.pods import Pods
from curricula.filters.vcrl import VCRL
from curricula.lengths.kimi_length import KimiLength
from curricula.lengths.train_long_think_short import TrainLongThinkShort
from rl.config.load import ConfigError, load_config

HPT, BRPO = "algorithm=hpt", ["algorithm=brpo", "rollout.max_tokens=64"]
HANDOVER = "algorithm.shaping=[{name: handover, args: {first: format}}]"

REFUSED = [
    (
        ["curriculum=mixed", HPT],
        "algorithm.demonstrations: curriculum.verdict=mixed drops the groups without success",
    ),
    (["curriculum=balanced", HPT], "algorithm.demonstrations: curriculum.verdict=balanced drops"),
    (
        ["curriculum=dynamic_sampling", HPT],
        "algorithm.demonstrations: curriculum.verdict=dynamic_sampling drops",
    ),
    (["curriculum=vcrl", HPT], "algorithm.demonstrations: curriculum.verdict=vcrl drops"),
    (
        ["curriculum=train_long_think_short", *BRPO],
        "curriculum.length: train_long_think_short moves completions to one length",
    ),
    (
        ["curriculum=dynamic_budget", *BRPO],
        "curriculum.length: dynamic_budget moves completions to one length",
    ),
    (
        ["curriculum=overlong", "algorithm=dapo"],
        "curriculum.shape: algorithm.shaping punishes overlong completions already",
    ),
    (
        ["curriculum=mixed", "stream.refill_rounds=64"],
        "stream.refill_rounds: input should be less than or equal to 63",
    ),
    (
        ["curriculum=balanced", "curriculum.verdict.args.low=0.9"],
        "verdict.args: balanced: low=0.9 must be below high=0.8; .2",
    ),
    (
        ["curriculum=pods", "curriculum.downsample.args.keep=1"],
        "curriculum.downsample.args: keep: Input should be greater",
    ),
    (["curriculum=vcrl+dynamic_sampling"], "vcrl and dynamic_sampling both set curriculum.verdict.name"),
]


@pytest.mark.parametrize(
    ("overrides", "words"), REFUSED, ids=[f"{i}-{o[0]}" for i, (o, _) in enumerate(REFUSED)]
)
def test_contradictions_are_refused(overrides: list[str], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_config("quickstart", overrides)
    assert words in str(error.value)


DOUBTED = [
    (["curriculum=dynamic_sampling"], "so steps do not cost alike"),
    (
        ["curriculum=dynamic_sampling+knapsack"],
        "allocator makes groups unequal, and a refill replaces one dropped group by one of",
    ),
    (
        ["curriculum=greso", "stream.max_staleness=2"],
        "skip goes by pass rates, and a group may mix 3 policy versions",
    ),
    (
        ["curriculum=knapsack", "stream.rollover_share=0.2"],
        "allocator goes by pass rates, and a group may mix 2 policy versions",
    ),
    *(
        (
            [f"curriculum={name}", "curriculum.allocator.args.floor=1"],
            "prompts that get 1 rollout are measured but teach nothing",
        )
        for name in ("knapsack", "cures_allocator")
    ),
    (
        ["curriculum=uniform", HANDOVER],
        "handover's first component is all that differs in groups without both outcomes",
    ),
]
SILENT = [
    ["curriculum=knapsack", "curriculum.allocator.args.floor=1", "algorithm=reinforce_pp"],
    ["curriculum=mixed"],
    ["curriculum=dynamic_sampling", "run.rollout_token_budget=1000000"],
    ["stream.refill_rounds=3"],
    ["curriculum=greso"],
    ["curriculum=uniform", "stream.max_staleness=3"],
    ["curriculum=mixed", HANDOVER],
    ["curriculum=mixed+pods+length"],
    ["curriculum=pods", HPT],
    ["curriculum=overlong"],
]


@pytest.mark.parametrize(("overrides", "words"), DOUBTED, ids=[o[0] for o, _ in DOUBTED])
def test_doubts_are_said_when_the_config_is_read(
    overrides: list[str], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="rl.config"):
        load_config("quickstart", overrides)
    assert words in caplog.text


@pytest.mark.parametrize("overrides", SILENT, ids=["+".join(o) for o in SILENT])
def test_without_a_reason_nothing_is_said(overrides: list[str], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="rl.config"):
        load_config("quickstart", overrides)
    assert caplog.text == ""


BASE = {"sampler": UniformSampler(), "allocator": EqualAllocator()}


def test_filters_and_lengths_that_should_not_meet() -> None:
    assert check(BASE) == []
    reward = {"verdict": DynamicSampling(metric="reward")}
    soft, hard = {"length": TrainLongThinkShort()}, {"length": TrainLongThinkShort(mode="hard")}
    (rule_3,) = check({**BASE, "allocator": Knapsack(), "verdict": VCRL()})
    assert rule_3.startswith("verdict drops groups with a rare success, which allocator buys")
    (rule_7,) = check({**BASE, **reward, **soft})
    assert rule_7.startswith(
        "verdict keeps groups by the spread of their rewards, and length pays for length"
    )
    assert check({**BASE, **reward, **hard}) == check({**BASE, "verdict": DynamicSampling(), **soft}) == []
    (rule_11,) = check({**BASE, **soft, "shape": KimiLength()})
    assert rule_11.startswith("length and shape both pay for length")
    assert check({**BASE, **hard, "shape": KimiLength(), "downsample": Pods()}) == []
