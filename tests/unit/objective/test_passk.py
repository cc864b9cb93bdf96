"""The pass@k family against published values, exhaustive subsets, and finite differences of the true
pass@k."""

from itertools import combinations
from math import comb, sqrt
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rl.config.algorithm import AlgorithmConfig, PasskAdvantage
from rl.objective.advantages import ADVANTAGES
from rl.objective.advantages.passk import posterior_weight
from rl.objective.terms import update_terms
from rollout.types import RolloutAux
from tests.unit.objective.one_update import config, one_token_each, samples

UNBIASED = ("passk_s", "passk_s_loo", "passk_s_loo_minus_one")


def with_k(k: int) -> AlgorithmConfig:
    return AlgorithmConfig(advantage=PasskAdvantage(k=k))


def one_group(name: str, rewards: Any, k: int, **aux: torch.Tensor) -> np.ndarray:
    group = samples(list(rewards), [0] * len(rewards), aux=RolloutAux(**aux))
    return ADVANTAGES[name](group, one_token_each(len(rewards)), with_k(k)).advantages.numpy()


def binary(n: int, c: int) -> list[float]:
    return [1.0] * c + [0.0] * (n - c)


@pytest.mark.parametrize(
    ("name", "n", "c", "k", "correct", "wrong"),
    [
        ("passk_s", 8, 2, 4, 0.5, 0.3571),
        ("passk_s_loo", 8, 2, 4, 0.1735, -0.1327),
        ("passk_s_loo_minus_one", 8, 2, 4, 0.2857, 0.0),
        ("passk_chen", 8, 2, 4, 0.5222, -0.1741),
        ("passk_s", 16, 3, 4, 0.25, 0.1291),
        ("passk_s_loo", 16, 3, 4, 0.1230, -0.0408),
        ("passk_s_loo_minus_one", 16, 3, 4, 0.1571, 0.0),
        ("passk_chen", 16, 3, 4, 0.8044, -0.1856),
        ("passk_s_loo_minus_one", 16, 3, 8, 0.1333, 0.0),
        ("passk_chen", 16, 3, 8, 0.3333, -0.0769),
        ("passk", 16, 3, 4, 0.1571, 0.0),
    ],
)
def test_published_values_of_binary_rewards(
    name: str, n: int, c: int, k: int, correct: float, wrong: float
) -> None:
    got = one_group(name, binary(n, c), k)
    np.testing.assert_allclose(got[:c], correct, atol=6e-5)
    np.testing.assert_allclose(got[c:], wrong, atol=6e-5)


def test_graded_rewards_by_hand() -> None:
    rewards = [0.1, 0.4, 0.2, 0.9]
    np.testing.assert_allclose(one_group("passk_s", rewards, 2), [0.25, 0.28333, 0.25, 0.45], atol=1e-5)
    np.testing.assert_allclose(
        one_group("passk_s_loo_minus_one", rewards, 2), [0, 0.08333, 0.01667, 0.33333], atol=1e-5
    )


@pytest.mark.parametrize(("n", "c", "k"), [(9, 3, 4), (16, 3, 4), (12, 5, 3), (16, 14, 4)])
def test_what_adds_nothing_gets_exactly_zero(n: int, c: int, k: int) -> None:
    """A rounding error in its place would count as an advantage, and a batch of nothing else would be scaled
    up to 1."""
    got = one_group("passk", binary(n, c), k)
    assert (got[c:] == 0).all() and (got[:c] != 0).all() == (c <= n - k + 1)
    terms = update_terms(
        samples(binary(n, c), [0] * n),
        one_token_each(n),
        config(advantage={"name": "passk", "k": k}, advantage_scale="batch_rms"),
    )
    np.testing.assert_allclose(terms.advantages[:c], float(c <= n - k + 1), rtol=1e-6)
    assert (terms.advantages[c:] == 0).all()


@given(st.lists(st.integers(0, 5), min_size=3, max_size=7), st.integers(2, 4))
@settings(max_examples=60, deadline=None)
def test_every_estimator_is_its_definition_over_all_subsets(values: list[int], k: int) -> None:
    """s_i = sum over subsets with i of max, / C(n, k); loo and loo-1 subtract the same thing without i."""
    rewards, n = [v / 5 for v in values], len(values)
    if len(set(values)) == 1 or k >= n:
        return

    def best(members: list[int], size: int) -> float:
        subsets = list(combinations(members, size))
        return sum(max(rewards[i] for i in subset) for subset in subsets) / len(subsets)

    everyone = list(range(n))
    expected_s, expected_loo, expected_minus = [], [], []
    for i in everyone:
        others = [j for j in everyone if j != i]
        own = sum(max(rewards[j] for j in (*rest, i)) for rest in combinations(others, k - 1)) / comb(n, k)
        expected_s.append(own)
        expected_loo.append(own - k / (n - 1) * best(others, k))
        expected_minus.append(own - k / n * best(others, k - 1))
    np.testing.assert_allclose(one_group("passk_s", rewards, k), expected_s, atol=1e-9)
    np.testing.assert_allclose(one_group("passk_s_loo", rewards, k), expected_loo, atol=1e-9)
    np.testing.assert_allclose(one_group("passk_s_loo_minus_one", rewards, k), expected_minus, atol=1e-9)


@pytest.mark.parametrize("name", UNBIASED)
@pytest.mark.parametrize("k", [2, 3])
def test_the_expected_gradient_is_that_of_pass_at_k(name: str, k: int) -> None:
    """A coin of heads p: over all outcomes of n throws, E[sum of A d log p] = d/dp [1 - (1 - p)^k]."""
    n, p, expected = 6, 0.3, 0.0
    for c in range(n + 1):
        score = np.array([1 / p] * c + [-1 / (1 - p)] * (n - c))
        expected += comb(n, c) * p**c * (1 - p) ** (n - c) * float(one_group(name, binary(n, c), k) @ score)
    # A group of equal rewards gets 0 from us; what the formula would have given to an all-right one, times
    # its score, is left out.
    all_right = {"passk_s": k / n, "passk_s_loo": k / n - k / (n - 1), "passk_s_loo_minus_one": 0.0}[name]
    left_out = all_right * n * p ** (n - 1)
    assert expected + left_out == pytest.approx(k * (1 - p) ** (k - 1), rel=1e-9)


def test_chen_is_centred_and_rescaled_s() -> None:
    n, c, k = 16, 5, 4
    rho = 1 - comb(n - c, k) / comb(n, k)
    own = one_group("passk_s", binary(n, c), k)
    np.testing.assert_allclose(
        one_group("passk_chen", binary(n, c), k), n / (k * sqrt(rho * (1 - rho))) * (own - own.mean())
    )


@pytest.mark.parametrize(("k", "weight"), [(1, 1.0), (2, 1.5), (4, 1.8667), (8, 1.8462), (16, 1.4545)])
def test_posterior_weight_of_beta_2_6(k: int, weight: float) -> None:
    assert posterior_weight(2, 6, k) == pytest.approx(weight, abs=5e-5)


def test_posterior_weight_is_clipped() -> None:
    assert posterior_weight(1, 1000, 64) == 8.0 and posterior_weight(1000, 1, 64) == 0.1


def test_above_half_the_group_the_weight_form_takes_over() -> None:
    posterior = torch.tensor([[2.0, 6.0]] * 8)
    got = one_group("passk", binary(8, 2), 8, posterior=posterior)
    loo = np.array([1 - 1 / 7] * 2 + [-2 / 7] * 6)
    np.testing.assert_allclose(got, 1.8462 * loo / 8, atol=1e-5)


def test_k_1_is_rloo_over_n_and_each_prompt_may_have_its_own_k() -> None:
    loo = np.array([1 - 1 / 7] * 2 + [-2 / 7] * 6)
    np.testing.assert_allclose(one_group("passk", binary(8, 2), 1), loo / 8)
    two = samples(binary(8, 2) * 2, [0] * 8 + [1] * 8, aux=RolloutAux(pass_k=torch.tensor([1] * 8 + [4] * 8)))
    got = ADVANTAGES["passk"](two, one_token_each(16), with_k(2)).advantages.numpy()
    np.testing.assert_allclose(got[:8], loo / 8)
    np.testing.assert_allclose(got[8:], one_group("passk", binary(8, 2), 4))


def test_k_is_never_more_than_the_group() -> None:
    np.testing.assert_allclose(one_group("passk_s", binary(3, 1), 8), one_group("passk_s", binary(3, 1), 3))


def test_length_is_charged_against_the_mean_of_the_others_where_something_succeeded() -> None:
    price = torch.full((6,), 0.01)
    lengths = torch.tensor([10, 20, 30, 10, 20, 30])
    group = samples(
        [1.0, 0.0, 0.0, 0.0, 0.0, 0.0], [0, 0, 0, 1, 1, 1], lengths=lengths, aux=RolloutAux(token_price=price)
    )
    free = samples([1.0, 0.0, 0.0, 0.0, 0.0, 0.0], [0, 0, 0, 1, 1, 1], lengths=lengths)
    charged, plain = (ADVANTAGES["passk"](s, one_token_each(6), with_k(1)).advantages for s in (group, free))
    # k/n = 1/3; length less the mean of the other two: 10 - 25, 20 - 20, 30 - 15
    np.testing.assert_allclose(
        (plain - charged).numpy(), [0.01 / 3 * -15, 0.0, 0.01 / 3 * 15, 0.0, 0.0, 0.0], atol=1e-9
    )


def test_a_k_above_the_group_takes_the_weight_form_at_that_k() -> None:
    posterior = torch.tensor([[2.0, 6.0]]).expand(4, 2)
    got = one_group("passk", [1.0, 0.0, 0.0, 0.0], 1, pass_k=torch.full((4,), 8.0), posterior=posterior)
    np.testing.assert_allclose(got, np.array([1.0, -1 / 3, -1 / 3, -1 / 3]) / 4 * 1.8462, atol=1e-4)
