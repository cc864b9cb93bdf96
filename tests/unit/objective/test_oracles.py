"""Every preset's loss and gradient against its paper's formula in float64 (``oracles``), on random
tensors."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from rl.config.algorithm import AlgorithmConfig
from rl.config.load import load_config
from tests.unit.objective.oracle_case import BUDGETS, Case, make_case
from tests.unit.objective.oracle_ours import Gradients, ours
from tests.unit.objective.oracles import CRITIC_ORACLES, ORACLES, Oracle
from tests.unit.objective.oracles.variations import VARIATIONS

PRESETS = sorted(p.stem for p in (Path(__file__).parents[3] / "configs" / "algorithm").glob("*.yaml"))
NEEDS = {"brpo": [f"algorithm.advantage.budgets.tokens=[{','.join(map(str, BUDGETS))}]"]}
"""What the case's lengths ask for."""
UPDATES = {"first": True, "later": False}
"""The first update of a batch, whose policy is still the one of its start, and a later one."""
STRONG_KL = 0.3


@cache
def preset(name: str) -> AlgorithmConfig:
    return load_config("quickstart", [f"algorithm={name}", *NEEDS.get(name, [])]).algorithm


def derived(
    case: Case, config: AlgorithmConfig, *, first: bool, oracle: Oracle, critic: Oracle | None = None
) -> Gradients:
    """Loss and gradient by the oracles."""
    table = (case.start if first else case.moved).double().requires_grad_()
    values = (case.values if first else case.values_moved).double().requires_grad_()
    problem = case.problem(table, values)
    loss = oracle(problem, config)
    (gradient,) = torch.autograd.grad(loss, table, retain_graph=True)
    if critic is None:
        return Gradients(loss=float(loss.detach()), policy=gradient)
    value_loss = critic(problem, config)
    (of_values,) = torch.autograd.grad(value_loss, values)
    return Gradients(
        loss=float(loss.detach()), policy=gradient, critic_loss=float(value_loss.detach()), critic=of_values
    )


def agree(got: Gradients, expected: Gradients) -> None:
    assert got.loss == pytest.approx(expected.loss, rel=1e-5, abs=1e-6)
    torch.testing.assert_close(got.policy.double(), expected.policy, rtol=1e-5, atol=1e-6)
    assert expected.policy.abs().max() > 1e-3, "a gradient this small would prove nothing"
    assert (got.critic is None) == (expected.critic is None)
    if expected.critic is not None and got.critic is not None:
        assert got.critic_loss == pytest.approx(expected.critic_loss, rel=1e-5, abs=1e-6)
        torch.testing.assert_close(got.critic.double(), expected.critic, rtol=1e-5, atol=1e-6)
        assert expected.critic.abs().max() > 1e-3


def test_every_preset_has_an_oracle() -> None:
    assert set(PRESETS) == set(ORACLES), "write it into tests/unit/objective/oracles from the paper's formula"
    assert {name for name in PRESETS if preset(name).critic is not None} == set(CRITIC_ORACLES)


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize("name", PRESETS)
def test_loss_and_gradient_are_the_papers(name: str, update: str) -> None:
    config, first = preset(name), UPDATES[update]
    for seed in (0, 1):
        case = make_case(config, seed=seed)
        expected = derived(case, config, first=first, oracle=ORACLES[name], critic=CRITIC_ORACLES.get(name))
        agree(ours(case, config, first=first), expected)


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize("name", [name for name in PRESETS if preset(name).kl is not None])
def test_a_kl_that_weighs_more_than_the_tolerance(name: str, update: str) -> None:
    """At the shipped coefficient of 0.001 much of the KL term would pass for rounding."""
    shipped, first = preset(name), UPDATES[update]
    assert shipped.kl is not None
    config = shipped.model_copy(update={"kl": shipped.kl.model_copy(update={"coefficient": STRONG_KL})})
    case = make_case(config)
    expected = derived(case, config, first=first, oracle=ORACLES[name], critic=CRITIC_ORACLES.get(name))
    agree(ours(case, config, first=first), expected)
    without = derived(case, shipped, first=first, oracle=ORACLES[name])
    assert (without.policy - expected.policy).abs().max() > 1e-4


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize("name", sorted(VARIATIONS))
def test_parts_that_no_preset_uses(name: str, update: str) -> None:
    overrides, oracle = VARIATIONS[name]
    config = load_config("quickstart", ["algorithm=grpo", *overrides]).algorithm
    case, first = make_case(config), UPDATES[update]
    expected = derived(case, config, first=first, oracle=oracle)
    agree(ours(case, config, first=first), expected)
    changed, plain = (derived(case, config, first=False, oracle=o).policy for o in (oracle, ORACLES["grpo"]))
    assert (changed - plain).abs().max() > 1e-4, "the part does nothing here"


def test_no_oracle_fits_another_preset() -> None:
    """Else an oracle could be right about nothing."""
    later: dict[str, torch.Tensor] = {}
    for name in PRESETS:
        config = preset(name)
        later[name] = ours(make_case(config), config, first=False).policy.double()
    configs = {name: preset(name) for name in PRESETS}
    pairs = 0
    for name in PRESETS:
        for other in PRESETS:
            if other != name and _readable(configs[other], by=name):
                own = derived(
                    make_case(configs[other]), configs[other], first=False, oracle=ORACLES[name]
                ).policy
                pairs += 1
                assert (own - later[other]).abs().max() > 1e-4, f"{name}'s oracle fits {other}"
    assert pairs > 80


def _readable(config: AlgorithmConfig, *, by: str) -> bool:
    """True if that oracle finds the numbers that it reads in this config."""
    own = preset(by)
    for part in ("mask", "importance", "likelihood"):
        mine, other = getattr(own, part), getattr(config, part)
        if set(type(mine).model_fields) > {"name"} and type(mine) is not type(other):
            return False
    if own.kl is not None and config.kl is None:
        return False
    needs: dict[str, Callable[[AlgorithmConfig], Any]] = {
        "brpo": lambda c: c.advantage.name == "brpo",
        "ppo": lambda c: c.advantage.name == "gae",
        "hpt": lambda c: c.demonstrations is not None,
        "dapo": lambda c: c.shaping,
        "icepop": lambda c: c.token_band is not None,
        "planner_loop": lambda c: c.planner is not None,
        "passk_chen": lambda c: c.advantage.name == "passk_chen",
    }
    return bool(needs.get(by, lambda c: True)(config))
