"""Advantages, weights and shaping put together."""

import inspect
from pathlib import Path

import pytest
import torch

from rl.config.algorithm import ShapingConfig
from rl.config.load import load_config
from rl.config.shaping_names import SHAPING_ARGS
from rl.objective.samples import Tokens
from rl.objective.shaping import SHAPINGS
from rl.objective.terms import _by_rms, update_terms
from tests.unit.objective.one_update import config, one_token_each, samples

PRESETS = sorted(p.stem for p in (Path(__file__).parents[3] / "configs" / "algorithm").glob("*.yaml"))


def test_samples_without_gradient_stay_in_the_denominator() -> None:
    lengths = torch.tensor([2, 3, 5, 10])
    tokens = Tokens(sample=torch.repeat_interleave(torch.arange(4), lengths))
    terms = update_terms(samples([1.0, 0.0, 1.0, 1.0], [0, 0, 1, 1], lengths=lengths), tokens, config())
    assert (terms.advantages[5:] == 0).all() and (terms.advantages[:5] != 0).all()
    torch.testing.assert_close(terms.weights, torch.full((20,), 1 / 20))


def test_advantage_clip_is_symmetric() -> None:
    terms = update_terms(
        samples([3.0, 0.0, 0.0], [0, 0, 0]),
        one_token_each(3),
        config(advantage="dr_grpo", advantage_clip=0.5),
    )
    assert terms.advantages.tolist() == [0.5, -0.5, -0.5]


def test_batch_rms_keeps_the_prompts_weights_to_each_other() -> None:
    given = samples([3.0, 0.0, 1.0, 0.0, 1.0, 1.0], [0, 0, 1, 1, 2, 2])
    plain = update_terms(given, one_token_each(6), config(advantage="dr_grpo")).advantages
    scaled = update_terms(
        given, one_token_each(6), config(advantage="dr_grpo", advantage_scale="batch_rms")
    ).advantages
    assert scaled[:4].square().mean().item() == pytest.approx(1) and (scaled[4:] == 0).all()
    torch.testing.assert_close(scaled[0] / scaled[2], plain[0] / plain[2])


def test_batch_rms_is_over_all_tokens_of_a_sample() -> None:
    """As of an estimator whose advantages grow towards the end."""
    tokens = Tokens(sample=torch.tensor([0, 0, 1]))
    scaled = _by_rms(torch.tensor([0.0, 2.0, 2.0]), tokens)
    assert scaled.tolist() == pytest.approx([0.0, 2 / 3**0.5, 2 / 3**0.5])  # mean of 2 and 4
    assert _by_rms(torch.zeros(3), tokens).tolist() == [0, 0, 0]


def test_demonstrations_have_no_advantage_and_their_weight() -> None:
    shown = torch.tensor([False, False, True])
    terms = update_terms(
        samples([1.0, 0.0, 1.0], [0, 0, 1], demonstration=shown), one_token_each(3), config()
    )
    assert terms.advantages[2] == 0 and terms.weights[2] > 0


def test_overlong_by_hand() -> None:
    given = samples([1.0, 1.0, 1.0], [0, 0, 0], lengths=torch.tensor([80, 90, 100]), max_tokens=100)
    assert SHAPINGS["overlong"](given.rewards, given, buffer_share=0.2, penalty=1.0).tolist() == [
        1.0,
        0.5,
        0.0,
    ]


@pytest.mark.parametrize(
    ("progress", "expected"), [(0.0, [0.140952, 0.125291, 1.031323]), (0.5, [0.085492, 0.075993, 1.018998])]
)
def test_trust_by_hand(progress: float, expected: list[float]) -> None:
    """The judge prefers the wrong answers: gamma = e^(.2 - .85) = .522046."""
    given = samples(
        [0.0, 0.0, 1.0], [0, 0, 0], components={"judge": torch.tensor([0.9, 0.8, 0.2])}, progress=progress
    )
    got = SHAPINGS["trust"](given.rewards, given, component="judge")
    torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64), atol=1e-6, rtol=0)


def test_trust_is_silent_where_there_is_nothing_to_compare_and_whole_where_the_judge_agrees() -> None:
    judge = torch.tensor([0.9, 0.8, 0.9, 0.1])
    given = samples([1.0, 1.0, 1.0, 0.0], [0, 0, 1, 1], components={"judge": judge})
    got = SHAPINGS["trust"](given.rewards, given, component="judge")
    torch.testing.assert_close(
        got, torch.tensor([1.0, 1.0, 1.27, 0.03], dtype=torch.float64), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize(("progress", "weight"), [(0, 1), (0.25, 0.8536), (0.5, 0.5), (0.75, 0.1464), (1, 0)])
def test_handover_by_hand(progress: float, weight: float) -> None:
    given = samples([0.0], [0], components={"structure": torch.tensor([1.0])}, progress=progress)
    got = SHAPINGS["handover"](given.rewards, given, first="structure")
    assert got.item() == pytest.approx(weight, abs=5e-5)


def test_shapings_apply_in_order_before_the_advantages() -> None:
    given = samples([1.0, 1.0], [0, 0], lengths=torch.tensor([5, 10]), max_tokens=10)
    chosen = config(
        advantage="dr_grpo",
        shaping=(ShapingConfig(name="overlong", args={"buffer_share": 0.5, "penalty": 1.0}),),
    )
    terms = update_terms(given, one_token_each(2), chosen)
    assert terms.advantages.tolist() == [0.5, -0.5]


def test_the_names_that_the_config_knows_are_those_of_the_functions() -> None:
    assert set(SHAPING_ARGS) == set(SHAPINGS)
    for name, (required, optional) in SHAPING_ARGS.items():
        parameters = list(inspect.signature(SHAPINGS[name]).parameters.values())[2:]
        assert {p.name for p in parameters if p.default is p.empty} == required
        assert {p.name for p in parameters if p.default is not p.empty} == optional


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_fits_the_quickstart_and_has_its_own_name(preset: str) -> None:
    assert load_config("quickstart", [f"algorithm={preset}"]).algorithm.name == preset
